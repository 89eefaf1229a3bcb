"""Which week a report is about: seven whole days in the zone of its readers, and the weeks it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from opsbot.model.period import Period, epoch
from opsbot.render.format import short_day, zone

WEEKS = 12
HOUR = 3600
_YEAR = timedelta(weeks=52)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """`edges` are the midnights between the weeks, oldest first; the last one ends the week that is told of."""

    edges: tuple[datetime, ...]
    zone: str

    @property
    def this(self) -> Period:
        return Period(start=self.edges[-2], end=self.edges[-1])

    @property
    def before(self) -> Period:
        return Period(start=self.edges[-3], end=self.edges[-2])

    @property
    def all(self) -> Period:
        return Period(start=self.edges[0], end=self.edges[-1])

    @property
    def weeks(self) -> tuple[Period, ...]:
        pairs = zip(self.edges, self.edges[1:], strict=False)
        return tuple(Period(start=start, end=end) for start, end in pairs)

    @property
    def last_year(self) -> Period:
        """The same week of last year: the same weekdays, 52 weeks ago."""
        return Period(start=self.this.start - _YEAR, end=self.this.end - _YEAR)

    @property
    def first_day(self) -> date:
        return self.this.start.astimezone(zone(self.zone)).date()

    @property
    def end_day(self) -> date:
        """The day after the last one."""
        return self.this.end.astimezone(zone(self.zone)).date()

    @property
    def name(self) -> str:
        """`W46` where it is a week of the calendar; else its last seven days are told by their dates alone."""
        return f"W{self.first_day.isocalendar().week}" if self.first_day.weekday() == 0 else "7 days"

    @property
    def name_before(self) -> str:
        first = self.first_day - timedelta(days=7)
        return f"W{first.isocalendar().week}" if first.weekday() == 0 else "the 7 days before"

    @property
    def title(self) -> str:
        """`W46, 9 Nov to 15 Nov 2026`."""
        last = self.this.end - timedelta(hours=1)
        days = f"{short_day(self.this.start, self.zone)} to {short_day(last, self.zone)}"
        return f"{self.name}, {days} {(self.end_day - timedelta(days=1)).year}"

    def cuts(self, start: int) -> tuple[int, ...]:
        """Where the weeks begin and end in a row of hours whose first is the one at `start` (epoch seconds)."""
        return tuple(max(0, (epoch(edge) - start) // HOUR) for edge in self.edges)


def calendar(now: datetime, zone_name: str) -> Calendar:
    """The last seven whole days before `now`: on a Monday the week that has just ended."""
    today = now.astimezone(zone(zone_name)).date()
    days = [today - timedelta(weeks=back) for back in range(WEEKS, -1, -1)]
    return Calendar(edges=tuple(datetime.combine(day, time(), zone(zone_name)) for day in days), zone=zone_name)
