"""Who hears of an alert: routes are tried in their order, and the first that fits decides unless it says `continue`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from opsbot.model.alert import Alert, AlertState
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.status import Priority

Pairs = tuple[tuple[str, str], ...]
Match = tuple[tuple[str, tuple[str, ...]], ...]

NAMES = ("environment", "tenant", "tier", "check", "area", "resource")
"""What alerts are grouped and matched by, beside `label.NAME`; for matching there are `status`, `job` and `key` too."""
MATCHED = (*NAMES, "status", "job", "key")
LABEL = "label."
GROUPED = (*NAMES, "alert")
"""Grouped by `alert`, each is a group of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`match` are names and globs, of which one must fit for each name; none fits everything. `repeat` None: never again.

    `wait` is how long the first word on a group waits for what fires a moment later, `interval` how long news that are not
    worse than what is known wait for more of their kind. `incident`: what begins to fire on it opens one; `diagnose`: and
    its runbook looks at once.
    """

    name: str
    match: Match = ()
    priority: Priority = Priority.P2
    channels: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ("environment", "check")
    repeat: timedelta | None = timedelta(hours=4)
    interval: timedelta = timedelta(minutes=5)
    goes_on: bool = False
    wait: timedelta = timedelta(0)
    incident: bool = False
    diagnose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One route held against one alert: `why` not, in words; "" if it fits."""

    route: Route
    why: str = ""


def value(alert: Alert, name: str) -> str:
    """What an alert has under the name of a matcher; "" for what it lacks, which is the same as empty."""
    finding = alert.finding
    if name.startswith(LABEL):
        return finding.label(name.removeprefix(LABEL))
    match name:
        case "tenant" | "tier" | "job":
            return str(getattr(alert, name))
        case "status":
            return finding.status.value
        case "key" | "alert":
            return alert.key
        case _:
            return str(getattr(finding, name))


def fits(match: Match, alert: Alert) -> bool:
    return not mismatch(match, alert)


def mismatch(match: Match, alert: Alert) -> str:
    """The first name that does not fit: `tier is staging, not production`; "" if all do."""
    for name, globs in match:
        found = value(alert, name)
        if not any(fnmatchcase(found, glob) for glob in globs):
            return f"{name} is {found or 'not set'}, not {' or '.join(globs)}"
    return ""


def tried(alert: Alert, routes: Sequence[Route]) -> list[Tried]:
    """Every route down to the one that ends it, with why it does not fit."""
    found = []
    for route in routes:
        why = mismatch(route.match, alert)
        found.append(Tried(route=route, why=why))
        if not why and not route.goes_on:
            break
    return found


def routes_of(alert: Alert, routes: Sequence[Route]) -> tuple[Route, ...]:
    """Those that carry it."""
    return tuple(one.route for one in tried(alert, routes) if not one.why)


def group_of(alert: Alert, route: Route) -> Pairs:
    """What its group shares. The route is no part of it, and severity cannot be: what becomes worse, and so takes
    another route, is still the same trouble to a channel that knows it."""
    if alert.storm:
        return (("tenant", alert.tenant), ("storm", alert.storm))
    return tuple((name, value(alert, name)) for name in dict.fromkeys(("tenant", *route.group_by)))


def dedup_key(group: Pairs) -> str:
    """47 characters that name a group for good, however long its names are."""
    # Null bytes stand in no name, so that no two groups are written alike.
    text = "\0".join(part for pair in group for part in pair)
    return f"opsbot-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:40]}"


def sample(finding: Finding, place: Environment | None, now: datetime, job: str = "") -> Alert:
    """An alert as the finding of that job would make one, for asking where it would go."""
    return Alert(
        finding=finding, state=AlertState.FIRING, since=now, seen_at=now, changed_at=now, fired_at=now, episode=1,
        tenant=place.tenant if place else "", tier=place.tier if place else "", job=job,
    )  # fmt: skip
