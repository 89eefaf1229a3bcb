"""What the scorers of the benchmarks call: the same code that the jobs use, no special path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsbot.samples import Values


class Capacity:
    """The capacity forecaster, as the capacity benchmark calls it."""

    def forecast(self, y: Values, period: int, h: int, levels: Values) -> Values:
        """Quantiles, h x levels, of the values after `y`; `period` is the season in samples."""
        from opsbot.evaluate.trend import quantiles

        return quantiles(y, period=period, horizon=h, levels=levels)

    def breach(self, y: Values, period: int, limit: float, horizon: int = 180) -> tuple[float | None, float, float]:
        """(the likeliest day, P(30 d), P(90 d)) of the first value at or over `limit`."""
        from opsbot.evaluate.trend import outlook

        found = outlook(y, limit=limit, period=period, horizon=horizon)
        return found.day, found.p_breach_30d, found.p_breach_90d


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What the cost benchmark scores: its own type has these fields too."""

    service: str
    account: str
    region: str
    usage_type: str
    start: int
    impact: float


class CostDetector:
    """The cost scan, as the cost benchmark calls it: one object a tenant, `morning(snap)` gives the alerts to send."""

    # Called on the mornings of the history too, so that completeness is learnt as it is in service.
    NEEDS_WARMUP = True

    def __init__(self, info: dict[str, Any]) -> None:
        from opsbot.evaluate.cost import Watch

        self.watch = Watch()
        self.ours: tuple[Any, ...] = ()

    def morning(self, snap: Any) -> list[Any]:
        """What the jobs would tell this morning: anomalies that opened or grew."""
        from datetime import timedelta

        from opsbot.evaluate.cost import Bill

        first = snap.date - timedelta(days=snap.morning)
        found = self.watch.morning(Bill(first=first, leaves=self._labels(snap.leaves), cost=snap.cost), snap.floor)
        return [
            Alert(
                service=one.service,
                account=one.account,
                region=one.causes[0].region,
                usage_type=one.causes[0].usage_type,
                start=(one.start - first).days,
                impact=one.impact,
            )
            for one in found
            if one.news
        ]

    def _labels(self, leaves: list[Any]) -> tuple[Any, ...]:
        from opsbot.evaluate.cost import Leaf

        new = leaves[len(self.ours) :]
        self.ours += tuple(
            Leaf(one.account, one.service, one.region, one.usage_type, record_type=one.record_type) for one in new
        )
        return self.ours


def metric_scores(t: NDArray[np.int64], x: Values, probation: int) -> Values:
    """How strange each row of a series is, from its past alone; `probation` is not needed."""
    import numpy as np

    from opsbot.evaluate.seasonal import State, advance

    return np.array(advance(State(), t.tolist(), x.tolist())[0])
