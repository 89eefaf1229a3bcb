"""One metric replayed point by point: which points would have been told, and where learning ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.seasonal import Anomaly, Sensitivity, Watched, watch
from opsbot.samples import Values

DAY = 86_400
# Before this nothing is told: what is usual is still being learnt.
LEARNING = 2 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricReplay:
    """What would have been told of one series; `points` were judged, `repeated` had a time that was there before."""

    anomalies: tuple[Anomaly, ...]
    points: int
    repeated: int
    first: int
    last: int
    how: Sensitivity

    @property
    def days(self) -> float:
        return (self.last - self.first) / DAY

    @property
    def learnt(self) -> bool:
        return self.last - self.first > LEARNING and self.points > 0


def replay_metric(times: NDArray[np.int64], values: Values, how: Sensitivity) -> MetricReplay:
    """Points in any order; of one time the last counts. `times` are epoch seconds; there is at least one."""
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    last = np.append(times[1:] != times[:-1], True)
    found, _ = watch(Watched(), times[last].tolist(), values[last].tolist(), how)
    return MetricReplay(
        anomalies=tuple(found), points=int(last.sum()), repeated=int((~last).sum()), first=int(times[0]),
        last=int(times[-1]), how=how,
    )  # fmt: skip
