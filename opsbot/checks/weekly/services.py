"""How fast and how right each API answered: by week, and by the hour where it has to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.course import NOTHING, Course, means, ratio, sums
from opsbot.checks.weekly.measured import Measured, Row
from opsbot.samples import Values

SLOWER = 0.1
LONG = 24
"""Hours above its target in a week, after which an API missed it even where the week's mean did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One API or load balancer. Times in seconds, `errors` in percent of its requests. `hours` is its p95 by the hour,
    `over` how many hours of this week and of the one before it was above its target."""

    environment: str
    name: str
    kind: str
    owner: str = ""
    p50: Course = NOTHING
    p95: Course = NOTHING
    errors: Course = NOTHING
    requests: Course = NOTHING
    hours: Values
    over: tuple[int, int] = (0, 0)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.environment, self.kind, self.name

    def late(self, seconds: float) -> bool:
        """As a whole, or for a day's worth of hours."""
        return _beyond(self.p95.now, seconds) or self.over[0] >= LONG

    def wrong(self, percent: float) -> bool:
        return _beyond(self.errors.now, percent)

    def troubled(self, seconds: float, percent: float) -> bool:
        return self.late(seconds) or self.wrong(percent)

    @property
    def slower(self) -> bool:
        """By a tenth, and by more than it usually changes."""
        return self.p95.moved and (self.p95.change or 0.0) > SLOWER * (self.p95.before or 0.0)

    def worse(self, percent: float) -> bool:
        """Slower, or wrong more often by half of what is allowed and by more than it usually changes."""
        return self.slower or (self.errors.moved and (self.errors.change or 0.0) > percent / 2)


def _beyond(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def services(measured: Measured, seconds: float, percent: float) -> tuple[Service, ...]:
    """The worst first: beyond a target, then by the 95th percentile."""
    keys = dict.fromkeys(_key(row) for name in ("requests", "p95") for row in measured.of(name))
    found = [_service(measured, key, seconds) for key in keys]
    return tuple(
        sorted(
            found,
            key=lambda one: (not one.troubled(seconds, percent), -(one.p95.now or 0.0), one.environment, one.name),
        )
    )


_Key = tuple[str, str, str]


def _key(row: Row) -> _Key:
    return row.environment, row.resource.kind, row.resource.name


def _service(measured: Measured, key: _Key, seconds: float) -> Service:
    rows = {name: [row for row in measured.of(name, key[0]) if _key(row) == key] for name in _NEEDED}
    resource = next(row.resource for name in _NEEDED for row in rows[name])
    requests = _total(rows["requests"], measured)
    errors = _total(rows["errors"], measured)
    tags = {name.lower(): value for name, value in resource.tags}
    hours = rows["p95"][0].hours if rows["p95"] else np.empty(0)
    return Service(
        environment=key[0], kind=key[1], name=key[2], owner=tags.get("owner") or tags.get("team") or "",
        p50=weighed(measured, rows["p50"], rows["requests"]), p95=weighed(measured, rows["p95"], rows["requests"]),
        errors=_rate(errors, requests), requests=requests, hours=hours, over=_over(hours, measured.cuts, seconds),
    )  # fmt: skip


_NEEDED = ("requests", "errors", "p50", "p95")


def _total(rows: Sequence[Row], measured: Measured) -> Course:
    if not rows:
        return NOTHING
    return Course(weeks=sums([row.hours for row in rows], measured.cuts), year=_year(rows, total=True))


def _rate(errors: Course, requests: Course) -> Course:
    if not requests.known:
        return NOTHING
    weeks = ratio(errors.weeks or (None,) * len(requests.weeks), requests.weeks, 100.0)
    return Course(weeks=weeks, year=ratio((errors.year,), (requests.year,), 100.0)[0])


def weighed(measured: Measured, rows: Sequence[Row], requests: Sequence[Row]) -> Course:
    """A percentile of weeks from those of hours, each hour counted by its requests: close to the exact one, which nobody
    keeps."""
    if not rows:
        return NOTHING
    by_key = {_key(row): row for row in requests}
    ones = [by_key.get(_key(row)) for row in rows]
    hours = [np.ones_like(row.hours) if one is None else one.hours for row, one in zip(rows, ones, strict=True)]
    years = [np.ones_like(row.year) if one is None else one.year for row, one in zip(rows, ones, strict=True)]
    width = min(len(row.year) for row in rows)
    year = means([row.year[:width] for row in rows], (0, width), [row[:width] for row in years])[0]
    return Course(weeks=means([row.hours for row in rows], measured.cuts, hours), year=year)


def _year(rows: Sequence[Row], *, total: bool) -> float | None:
    width = min(len(row.year) for row in rows)
    values = [row.year[:width] for row in rows]
    return (sums if total else means)(values, (0, width))[0]


def _over(hours: Values, cuts: Sequence[int], seconds: float) -> tuple[int, int]:
    if not len(hours) or len(cuts) < 3:
        return 0, 0
    this, before = hours[cuts[-2] : cuts[-1]], hours[cuts[-3] : cuts[-2]]
    return int(np.nansum(this > seconds)), int(np.nansum(before > seconds))


def fortnight(one: Service, measured: Measured, calendar: Calendar) -> tuple[int, Values]:
    """The hours of this week and of the one before, and when they begin (epoch seconds)."""
    first = measured.cuts[-3]
    return measured.start + 3600 * first, one.hours[first : measured.cuts[-1]]
