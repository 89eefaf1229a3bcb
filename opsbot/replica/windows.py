"""When something planted is going on: always, again and again, or from a moment before the scenario's anchor; and not
while somebody's remedy is at work."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opsbot.replica.world import Window

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Always:
    """At any time; an endless episode is told as having begun with the day."""

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        return [(start, end)]

    def began(self, at: int) -> int | None:
        return at - at % DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """For `length` seconds, `offset` seconds into each `every` seconds (UTC)."""

    every: int
    offset: int
    length: int

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        first = (start - self.offset - self.length) // self.every
        last = (end - self.offset) // self.every
        begins = (turn * self.every + self.offset for turn in range(first, last + 1))
        return [(max(b, start), min(b + self.length, end)) for b in begins if b < end and b + self.length > start]

    def began(self, at: int) -> int | None:
        begin = at - (at - self.offset) % self.every
        return begin if at < begin + self.length else None


@dataclass(frozen=True, slots=True)
class Since:
    """From `begin` on for good."""

    begin: int

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        return [(max(start, self.begin), end)] if end > self.begin else []

    def began(self, at: int) -> int | None:
        return self.begin if at >= self.begin else None


@dataclass(frozen=True, slots=True)
class Between:
    """From `begin` until `end`, once."""

    begin: int
    end: int

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        first, last = max(start, self.begin), min(end, self.end)
        return [(first, last)] if last > first else []

    def began(self, at: int) -> int | None:
        return self.begin if self.begin <= at < self.end else None


@dataclass(frozen=True, slots=True)
class Cut:
    """Another window without some parts of it; an episode begins again after each."""

    whole: Window
    off: tuple[tuple[int, int], ...]
    """In order, none touching the next."""

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        return [piece for span in self.whole.spans(start, end) for piece in self._pieces(*span)]

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        for first, last in self.off:
            if first < end and last > start:
                if first > start:
                    yield start, first
                start = last
        if start < end:
            yield start, end

    def began(self, at: int) -> int | None:
        began = self.whole.began(at)
        if began is None or any(first <= at < last for first, last in self.off):
            return None
        return max([began, *(last for _, last in self.off if last <= at)])


def merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same stretches in order, with those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)
