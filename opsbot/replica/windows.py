"""When something planted is going on: always, again and again, or from a moment before the scenario's anchor."""

from dataclasses import dataclass

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
