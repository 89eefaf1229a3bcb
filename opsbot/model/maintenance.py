"""Planned work: when it is under way, and what it excuses. Probing and checking go on; nobody is told of new trouble."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from zoneinfo import ZoneInfo

from opsbot import schedule
from opsbot.model.period import Period

PREFIX = "maintenance/"
"""What `Standing.blamed` begins with where planned work is to blame; no probe's name holds a slash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """One window (`start` and `end`), or one that comes again: from each fire of `cron` in `zone`, for `length`.

    `environments`, `probes` and `checks` are globs. With neither probes nor checks it covers all of both; with one of them
    that alone. Windows are half-open, and `length` is time that passes: four hours are four hours when clocks change too.
    """

    name: str
    reason: str
    owner: str = ""
    environments: tuple[str, ...] = ("*",)
    probes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    cron: str = ""
    zone: str = "UTC"
    length: timedelta = timedelta(0)

    def covers(self, environment: str, name: str, at: datetime) -> bool:
        """Whether the check of this name is excused there and then. `environment` is "" for what belongs to none."""
        return self._means(environment, name, self.checks, self.probes) and self.window_at(at) is not None

    def covers_probe(self, environment: str, name: str, at: datetime) -> bool:
        """The same for a probe, or for a finding about one (`resource` is then its name)."""
        return self.means_probe(environment, name) and self.window_at(at) is not None

    def means_probe(self, environment: str, name: str) -> bool:
        """Whether its windows are this probe's too."""
        return self._means(environment, name, self.probes, self.checks)

    def window_at(self, at: datetime) -> Period | None:
        """The window that is under way at that moment; windows that touch or overlap are one."""
        if self.start is not None and self.end is not None:
            return Period(start=self.start, end=self.end) if self.start <= at < self.end else None
        fires = [fire for fire in _fires(self.cron, self.zone, self.length, _minute(at)) if at < fire + self.length]
        return Period(start=fires[0], end=fires[-1] + self.length) if fires else None

    def windows_in(self, period: Period) -> tuple[Period, ...]:
        """The windows that lie in a period or reach into it, oldest first; the last hundred of them."""
        if self.start is not None and self.end is not None:
            reaches = self.start < period.end and period.start < self.end
            return (Period(start=self.start, end=self.end),) if reaches else ()
        found: list[Period] = []
        for fire in schedule.fires(self.cron, period.start - self.length, ZoneInfo(self.zone)):
            if fire >= period.end:
                break
            found = [*found[-99:], Period(start=fire, end=fire + self.length)]
        return tuple(found)

    def _means(self, environment: str, name: str, mine: tuple[str, ...], others: tuple[str, ...]) -> bool:
        where = any(fnmatchcase(environment, glob) for glob in self.environments)
        return where and (any(fnmatchcase(name, glob) for glob in mine) or not (mine or others))


def planned(blamed: str) -> str:
    """The name of the maintenance that a standing blames, "" if it blames something else or nothing."""
    return blamed.removeprefix(PREFIX) if blamed.startswith(PREFIX) else ""


def covering(
    windows: Iterable[Maintenance], environment: str, name: str, at: datetime, *, probe: bool = False
) -> Maintenance | None:
    """The first that excuses this check, or this probe, at that moment."""
    for one in windows:
        if (one.covers_probe if probe else one.covers)(environment, name, at):
            return one
    return None


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


@lru_cache(maxsize=4096)
def _fires(cron: str, zone: str, length: timedelta, minute: datetime) -> tuple[datetime, ...]:
    """Fires whose window may be under way in this minute, oldest first. No fire comes between two minutes."""
    found = []
    for fire in schedule.fires(cron, minute - length - timedelta(seconds=1), ZoneInfo(zone)):
        if fire > minute:
            break
        found.append(fire)
    return tuple(found)
