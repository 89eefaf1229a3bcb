"""Numbers kept in order as they come in, the oldest forgotten: nearest, rank and extremes in O(log n)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass, field


def _numbers() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Ordered:
    """At most `limit` numbers, 16 bytes each: once in order, once as they came in."""

    limit: int
    ranked: array[float] = field(default_factory=_numbers)
    _came: array[float] = field(default_factory=_numbers)
    _next: int = 0

    def __len__(self) -> int:
        return len(self.ranked)

    def add(self, value: float) -> None:
        if len(self._came) < self.limit:
            self._came.append(value)
        else:
            oldest, self._came[self._next] = self._came[self._next], value
            self._next = (self._next + 1) % self.limit
            del self.ranked[bisect_left(self.ranked, oldest)]
        insort(self.ranked, value)

    def nearest(self, value: float) -> float:
        """How far the nearest number is; 0 while there is none."""
        ranked, size = self.ranked, len(self.ranked)
        if not size:
            return 0.0
        place = bisect_left(ranked, value)
        above = ranked[place] - value if place < size else float("inf")
        return min(above, value - ranked[place - 1]) if place else above

    def reach(self) -> float:
        """The greatest number less the smallest."""
        return self.ranked[-1] - self.ranked[0] if self.ranked else 0.0

    def copy(self) -> Ordered:
        return Ordered(self.limit, self.ranked[:], self._came[:], self._next)
