"""The last rows of a series: their mean, and how far a number lies from the rows before it in their own spread."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import sqrt

# Sums that only ever add and subtract drift by rounding: after this many rows they are made anew.
_AFRESH = 1000
FEWEST = 20


@dataclass(slots=True)
class Recent:
    """A ring of the last `limit` numbers with their sum and sum of squares, both around the first of them."""

    limit: int
    _ring: array[float] = field(default_factory=lambda: array("d"))
    _next: int = 0
    _anchor: float = 0.0
    _sum: float = 0.0
    _squares: float = 0.0
    _since: int = 0

    def add(self, value: float) -> None:
        if not self._ring:
            self._anchor = value
        off = value - self._anchor
        if len(self._ring) < self.limit:
            self._ring.append(value)
        else:
            gone = self._ring[self._next] - self._anchor
            self._ring[self._next] = value
            self._next = (self._next + 1) % self.limit
            self._sum -= gone
            self._squares -= gone * gone
        self._sum += off
        self._squares += off * off
        self._since += 1
        if self._since >= _AFRESH:
            self._sum_afresh()

    def _sum_afresh(self) -> None:
        self._anchor = self._ring[self._next]
        offs = [value - self._anchor for value in self._ring]
        self._sum, self._squares, self._since = sum(offs), sum(off * off for off in offs), 0

    def mean(self) -> float:
        return self._anchor + self._sum / len(self._ring) if self._ring else 0.0

    def distance(self, value: float) -> float:
        """|value - mean| in standard deviations, a thousandth of the mean at least; 0 with fewer than 20 rows."""
        size = len(self._ring)
        if size < FEWEST:
            return 0.0
        off = self._sum / size
        spread = sqrt(max(self._squares / size - off * off, 0.0))
        return abs(value - self._anchor - off) / (spread + 1e-9 + 1e-3 * abs(self._anchor + off))

    def copy(self) -> Recent:
        return Recent(self.limit, self._ring[:], self._next, self._anchor, self._sum, self._squares, self._since)
