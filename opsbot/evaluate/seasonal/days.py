"""The same time of day on the days before: what is usual, and the nearest value there was around this hour."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from opsbot.evaluate.seasonal.ordered import Ordered

DAY, HOUR = 86_400, 3600
DAYS = 14
# What is younger than this is the present, not the usual: it stands aside before it counts for its hour.
ASIDE = 3 * HOUR
_TRIM = 512


@dataclass(slots=True)
class Days:
    """Numbers of the last 14 days by time, some side by side; one pointer a day walks along, so a look-up is O(1)."""

    width: int
    times: array[int] = field(default_factory=lambda: array("q"))
    columns: tuple[array[float], ...] = ()
    _at: list[int] = field(default_factory=lambda: [0] * DAYS)
    _asked: int = 0

    def __post_init__(self) -> None:
        if not self.columns:
            self.columns = tuple(array("d") for _ in range(self.width))

    def usual(self, time: int, tolerance: int) -> tuple[float, ...] | None:
        """The median of each column at this time of the days before; None while no earlier day is known."""
        self._asked = time
        rows = self._rows(time, tolerance)
        if not rows:
            return None
        return tuple(_median([column[row] for row in rows]) for column in self.columns)

    def _rows(self, time: int, tolerance: int) -> list[int]:
        times, last, rows = self.times, len(self.times) - 1, []
        for day, row in enumerate(self._at):
            wanted = time - (day + 1) * DAY
            while row < last and abs(times[row + 1] - wanted) <= abs(times[row] - wanted):
                row += 1
            self._at[day] = row
            if row <= last and abs(times[row] - wanted) <= tolerance:
                rows.append(row)
        return rows

    def same_weekday(self) -> float | None:
        """The mean of the first column one and two weeks before the moment last asked for; None unless both are known."""
        rows = [self._at[6], self._at[13]]
        moments = [self._asked - days * DAY for days in (7, 14)]
        if any(
            row >= len(self.times) or abs(self.times[row] - at) > HOUR // 4
            for row, at in zip(rows, moments, strict=True)
        ):
            return None
        return sum(self.columns[0][row] for row in rows) / 2

    def record(self, value: float, *, up: bool) -> tuple[int, int]:
        """(seconds since a row before the newest was as high, or low; seconds known at all): equal if none was."""
        times, column = self.times, self.columns[0]
        newest = len(times) - 1
        for row in range(newest - 1, -1, -1):
            if column[row] >= value if up else column[row] <= value:
                return times[newest] - times[row], times[newest] - times[0]
        known = times[newest] - times[0] if newest > 0 else 0
        return known, known

    def add(self, time: int, numbers: tuple[float, ...]) -> None:
        self.times.append(time)
        for column, number in zip(self.columns, numbers, strict=True):
            column.append(number)
        self._forget(min(self._at))

    def _forget(self, old: int) -> None:
        if old < _TRIM:
            return
        del self.times[:old]
        for column in self.columns:
            del column[:old]
        self._at = [row - old for row in self._at]

    def copy(self) -> Days:
        return Days(self.width, self.times[:], tuple(column[:] for column in self.columns), self._at[:], self._asked)


def _median(numbers: list[float]) -> float:
    numbers.sort()
    half = len(numbers) // 2
    return numbers[half] if len(numbers) % 2 else (numbers[half - 1] + numbers[half]) / 2


@dataclass(slots=True)
class Hours:
    """Values by hour of the day (UTC), each also counted for the hour before and after."""

    limit: int
    hours: list[Ordered] = field(default_factory=list)
    _aside: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.hours:
            self.hours = [Ordered(self.limit) for _ in range(24)]

    def nearest(self, time: int, value: float) -> float:
        """How far the nearest earlier value of about this hour is; 0 while there are fewer than three."""
        self._settle(time)
        seen = self.hours[time // HOUR % 24]
        return seen.nearest(value) if len(seen) >= 3 else 0.0

    def add(self, time: int, value: float) -> None:
        self._aside.append((time, value))

    def _settle(self, now: int) -> None:
        done = 0
        for time, value in self._aside:
            if now - time <= ASIDE:
                break
            for hour in (-1, 0, 1):
                self.hours[(time // HOUR + hour) % 24].add(value)
            done += 1
        del self._aside[:done]

    def copy(self) -> Hours:
        return Hours(self.limit, [hour.copy() for hour in self.hours], self._aside[:])
