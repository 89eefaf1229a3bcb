"""Who was woken, and for what: incidents of the week, and alerts that came and went by themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.course import NOTHING, Course
from opsbot.job import Context
from opsbot.model.alert import Alert, AlertState
from opsbot.model.incident import Incident
from opsbot.model.status import Priority, Status

GRAVE = (Priority.P0, Priority.P1)
_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Needless:
    """Alerts of one check in one environment that ended by themselves, with nobody having taken them in hand: `times` they
    fired, over so many `resources`; `longest` is how long one of them lasted at most."""

    environment: str
    check: str
    title: str
    times: int
    resources: int
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`incidents` of the week, newest first; None where none are kept. `grave` counts P0 and P1 by week. `fired` alerts
    began in the week, None where alerts are not kept; `open` ones fire still."""

    incidents: tuple[Incident, ...] | None = None
    grave: Course = NOTHING
    fired: int | None = None
    open: tuple[Alert, ...] = ()
    needless: tuple[Needless, ...] = ()

    def fired_in(self, environment: str) -> int:
        return sum(alert.finding.environment == environment for alert in self.open)


def told(ctx: Context, calendar: Calendar) -> Told:
    """From what is kept of the environments in question, as it stood at the moment judged. Raises StoreError."""
    mine = {one.name for one in ctx.environments}
    incidents = _incidents(ctx, calendar, mine)
    alerts = _alerts(ctx, calendar, mine)
    return Told(
        incidents=None if incidents is None else tuple(one for one in incidents if _in(one.opened_at, calendar)),
        grave=_grave(incidents, calendar),
        fired=None if alerts is None else sum(_in(alert.fired_at, calendar) for alert in alerts),
        open=tuple(alert for alert in alerts or () if alert.fires),
        needless=_needless(alerts or (), incidents or ()),
    )


def _in(at: datetime | None, calendar: Calendar) -> bool:
    return at is not None and calendar.this.start <= at < calendar.this.end


def _incidents(ctx: Context, calendar: Calendar, mine: set[str]) -> list[Incident] | None:
    if ctx.looking.incidents is None:
        return None
    found = ctx.looking.incidents.incidents(since=calendar.all.start, limit=_MOST)
    return [one for one in found if one.environment in mine and one.opened_at < calendar.this.end]


def _grave(incidents: Sequence[Incident] | None, calendar: Calendar) -> Course:
    """Weeks before the first incident that is known are not known to have had none."""
    if incidents is None:
        return NOTHING
    first = min((one.opened_at for one in incidents), default=calendar.this.start)
    grave = [one for one in incidents if one.priority in GRAVE]
    weeks = tuple(
        None if week.end <= first else float(sum(week.start <= one.opened_at < week.end for one in grave))
        for week in calendar.weeks
    )
    return Course(weeks=weeks)


def _alerts(ctx: Context, calendar: Calendar, mine: set[str]) -> list[Alert] | None:
    if ctx.looking.alerts is None:
        return None
    known = [alert for alert in ctx.looking.alerts.all() if alert.finding.environment in mine]
    return [alert for alert in known if alert.fired_at is not None and alert.fired_at <= ctx.now]


def _needless(alerts: Sequence[Alert], incidents: Sequence[Incident]) -> tuple[Needless, ...]:
    """Fired, told, over, and nobody did anything: no acknowledgement, no incident that names it."""
    worked_on = {key for incident in incidents for key in incident.alerts}
    groups: Mapping[tuple[str, str], list[Alert]] = defaultdict(list)
    for alert in alerts:
        ended = alert.state is AlertState.RESOLVED and not alert.muted
        if ended and alert.ack is None and alert.key not in worked_on and alert.status is not Status.INFO:
            groups[alert.finding.environment, alert.finding.check].append(alert)
    found = [_group(*key, some) for key, some in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.times, one.environment, one.check)))


def _group(environment: str, check: str, some: Sequence[Alert]) -> Needless:
    lasted = [alert.changed_at - alert.fired_at for alert in some if alert.fired_at]
    return Needless(
        environment=environment, check=check, title=some[0].finding.title, resources=len(some),
        times=sum(max(1, alert.episode) for alert in some), longest=max(lasted, default=timedelta(0)),
    )  # fmt: skip
