"""Metric data that clients published with PutMetricData, kept in memory beside the world."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from opsbot.replica.world import Buckets, SeriesId

# Per series; older data fall out, so that a client cannot fill the memory.
KEPT = 50_000
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Datum:
    """One published value, or a set of `count` values summed up."""

    at: int
    count: float
    mean: float
    spread: float


@dataclass(slots=True)
class Published:
    """What was published, by account, region and series."""

    _data: dict[tuple[Place, SeriesId], deque[Datum]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, account: str, region: str, series: SeriesId, datum: Datum) -> None:
        """Keep one datum."""
        with self._lock:
            self._data.setdefault(((account, region), series), deque(maxlen=KEPT)).append(datum)

    def names(self, account: str, region: str) -> Iterable[SeriesId]:
        """The series that have data there."""
        with self._lock:
            return [series for place, series in self._data if place == (account, region)]

    def buckets(self, account: str, region: str, series: SeriesId, start: int, n: int, base: int) -> Buckets | None:
        """The published data in n steps from `start`; None when the series was never published."""
        if not self._data:
            return None
        with self._lock:
            kept = self._data.get(((account, region), series))
            data = [d for d in kept if 0 <= d.at - start < n * base] if kept is not None else None
        return None if data is None else _stepped(data, start, n, base)


def _stepped(data: list[Datum], start: int, n: int, base: int) -> Buckets:
    slots = np.array([(d.at - start) // base for d in data], dtype=np.int64)
    count, total, square = (np.zeros(n) for _ in range(3))
    np.add.at(count, slots, [d.count for d in data])
    np.add.at(total, slots, [d.count * d.mean for d in data])
    np.add.at(square, slots, [d.count * d.mean**2 * np.exp(d.spread**2) for d in data])
    weight = np.maximum(count, 1e-300)
    mean = total / weight
    ratio = np.divide(square / weight, mean**2, out=np.ones(n), where=mean != 0)
    return Buckets(count=count, mean=mean, spread=np.sqrt(np.log(np.maximum(ratio, 1.0))))
