"""Which alerts call for an incident: those that begin to fire on a route that says so, once an episode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from opsbot.alerting.routing import Route, dedup_key, group_of
from opsbot.model.alert import Alert
from opsbot.model.status import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One incident is wanted for these alerts, worst first. `key` is their group's, the same that its notices have;
    `diagnose`: what their runbook can look at is to be looked at now."""

    key: str
    tenant: str
    route: str
    priority: Priority
    alerts: tuple[Alert, ...]
    diagnose: bool = False
    storm: bool = False


def called(alerts: dict[str, Alert], told_of: Mapping[str, Iterable[Route]]) -> tuple[Call, ...]:
    """The calls of this turn; each alert is marked with the episode it has called in, so that it never calls twice.

    What is muted calls when it is not any more."""
    calls: dict[str, Call] = {}
    for key, routes in told_of.items():
        alert = alerts[key]
        wanting = [route for route in routes if route.incident]
        if not wanting or alert.muted or not alert.fires or alert.called == alert.episode:
            continue
        alerts[key] = alert = replace(alert, called=alert.episode)
        # One alert belongs to one incident, whichever routes carry it: the most urgent decides.
        route = min(wanting, key=lambda one: one.priority)
        mine = _call(alert, route)
        known = calls.get(mine.key)
        calls[mine.key] = _with(known, mine) if known else mine
    return tuple(replace(call, alerts=_worst_first(call.alerts)) for call in calls.values())


def _call(alert: Alert, route: Route) -> Call:
    return Call(
        key=dedup_key(group_of(alert, route)), tenant=alert.tenant, route=route.name, priority=route.priority,
        alerts=(alert,), diagnose=route.diagnose, storm=bool(alert.storm),
    )  # fmt: skip


def _with(known: Call, more: Call) -> Call:
    return replace(
        known, alerts=(*known.alerts, *more.alerts), priority=min(known.priority, more.priority),
        diagnose=known.diagnose or more.diagnose,
    )  # fmt: skip


def _worst_first(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=lambda alert: (-alert.status.rank, alert.since, alert.key)))
