"""What the benchmark calls is what the jobs call."""

from __future__ import annotations

import numpy as np

from benchmarks.adapters import Capacity
from opsbot.evaluate.trend import outlook, quantiles
from tests.evaluate.trend.histories import line

LEVELS = np.array([0.1, 0.5, 0.9])


def test_the_adapter_is_the_forecaster() -> None:
    values = line(120, 100.0, 0.5, noise=2.0)
    found = outlook(values, limit=180.0)
    assert Capacity().breach(values, 7, 180.0) == (found.day, found.p_breach_30d, found.p_breach_90d)
    told = Capacity().forecast(values, 7, 30, LEVELS)
    assert np.array_equal(told, quantiles(values, period=7, horizon=30, levels=LEVELS))
