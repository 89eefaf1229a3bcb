"""Series that grow over months: a pace, clean-ups and jumps on the way, and where they stand at the scenario's present.

Fixed to the present and not to the calendar, so that a disk that is to be full in forty days is so whenever it is played.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsbot.replica.remedies import Held
from opsbot.replica.signals import DAY, GRID, MONDAY, on_step
from opsbot.replica.signals import Grid as Buckets300
from opsbot.replica.world import Buckets, Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """So many days before the present the level moved by `by`, in the series' own unit."""

    days: float
    by: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """A level that is `now` at the present and grew by `per_day` until then and after it.

    `bend` is the share by which the pace changes in a hundred days. `noise` is a share of the level, drawn once an hour;
    `weekend` the share of the level that remains on Saturday and Sunday. Nothing was published before `begun`.
    `daily`: one datum at midnight, as S3 tells sizes; else `samples` in 300 s.
    """

    key: int
    present: int
    now: float
    per_day: float
    begun: int
    bend: float = 0.0
    noise: float = 0.0
    weekend: float = 1.0
    jumps: tuple[Jump, ...] = ()
    daily: bool = False
    whole: bool = False
    samples: float = 5.0
    held: tuple[Held, ...] = ()
    """What callers set it to."""

    def on_grid(self, grid: Buckets300) -> Buckets:
        times = grid.start + GRID * np.arange(grid.n, dtype=np.int64)
        mean = self._level(times)
        for one in self.held:
            mean = np.where((times >= one.begin) & (times < one.end), one.value, mean)
        there = times >= self.begun
        if self.daily:
            there &= times % DAY == 0
        count = np.where(there, 1.0 if self.daily else self.samples, 0.0)
        return Buckets(count=count, mean=mean, spread=np.zeros(grid.n))

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        return on_step(self.on_grid, start, n, step)

    def _level(self, times: NDArray[np.int64]) -> Floats:
        days = (times - self.present) / DAY
        level = self.now + self.per_day * (days + self.bend * days * np.abs(days) / 200)
        for jump in self.jumps:
            # Before it the level was the other one.
            level = np.where(days < -jump.days, level - jump.by, level)
        if self.weekend < 1:
            level = np.where((times + MONDAY) // DAY % 7 >= 5, level * self.weekend, level)
        level = np.maximum(level * (1 + self.noise * self._drawn(times)), 0.0)
        return np.rint(level) if self.whole else level

    def _drawn(self, times: NDArray[np.int64]) -> Floats:
        """In [-1, 1], the same for an hour."""
        bits = (times // 3600).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(self.key)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        drawn: Floats = (bits >> np.uint64(11)) / 2**52 - 1.0
        return drawn
