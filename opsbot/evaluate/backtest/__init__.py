"""What opsbot would have said on recorded data: the same code as in service, shown the past day by day and no more."""

from __future__ import annotations

from opsbot.evaluate.backtest.capacity import Came, Said, Track, replay_capacity
from opsbot.evaluate.backtest.cost import Alarm, CostReplay, replay_cost
from opsbot.evaluate.backtest.metric import MetricReplay, replay_metric

__all__ = [
    "Alarm", "Came", "CostReplay", "MetricReplay", "Said", "Track", "replay_capacity", "replay_cost", "replay_metric",
]  # fmt: skip
