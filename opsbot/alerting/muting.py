"""Why nobody is told of an alert at the moment: a silence, planned work, or that what it depends on is in trouble.

All of them hold back what is new, never the end of what somebody was told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from opsbot.alerting.routing import Match, fits, value
from opsbot.model.alert import Alert, Silence
from opsbot.model.maintenance import Maintenance

PROBES = "uptime"
"""The area of findings about probes: their resource is the probe's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Alerts that `alerts` fits follow from one that `after` fits and that has the same `equal`: only the cause is told."""

    alerts: Match
    after: Match
    equal: tuple[str, ...] = ("environment",)


def why_muted(
    alert: Alert, silences: Sequence[Silence], windows: Sequence[Maintenance], causes: Mapping[str, str], now: datetime
) -> str:
    """In words, "" if people are told. `causes` are what `causes_of` found."""
    for silence in silences:
        if silence.holds(now) and silences_it(silence, alert):
            return f"silence by {silence.owner}"
    for window in windows:
        if _covers(window, alert, now):
            return f"maintenance {window.name}"
    cause = causes.get(alert.key, "")
    return f"dependency on {cause}" if cause else ""


def silences_it(silence: Silence, alert: Alert) -> bool:
    return all(fnmatchcase(value(alert, name), glob) for name, glob in silence.match)


def causes_of(alerts: Iterable[Alert], dependencies: Sequence[Dependency]) -> dict[str, str]:
    """By the key of each alert that follows from another one: that one's key."""
    firing = [alert for alert in alerts if alert.fires]
    found: dict[str, str] = {}
    for rule in dependencies:
        first: dict[tuple[str, ...], Alert] = {}
        for alert in firing:
            if fits(rule.after, alert):
                first.setdefault(_shared(alert, rule), alert)
        for alert in firing if first else ():
            cause = first.get(_shared(alert, rule))
            # What is on both sides is a cause itself: two of a kind would hide each other.
            if cause and fits(rule.alerts, alert) and not fits(rule.after, alert):
                found.setdefault(alert.key, cause.key)
    return found


def renewed(silences: Sequence[Silence], alerts: Sequence[Alert], now: datetime) -> tuple[Silence, ...]:
    """Those that changed: one that waits for the end of what it met, ends with it; one whose time is up has ended."""
    changed = []
    firing = [alert for alert in alerts if alert.fires]
    for silence in silences:
        if silence.ended_at is None and (after := _renew(silence, firing, now)) != silence:
            changed.append(after)
    return tuple(changed)


def _renew(silence: Silence, firing: Sequence[Alert], now: datetime) -> Silence:
    if now >= silence.ends_at:
        return replace(silence, ended_at=silence.ends_at)
    if not silence.until_resolved or not silence.holds(now):
        return silence
    fitting = any(silences_it(silence, alert) for alert in firing)
    if silence.met and not fitting:
        return replace(silence, ended_at=now)
    return replace(silence, met=fitting)


def _covers(window: Maintenance, alert: Alert, now: datetime) -> bool:
    finding = alert.finding
    if finding.area == PROBES:
        return window.covers_probe(finding.environment, finding.resource, now)
    return window.covers(finding.environment, finding.check, now)


def _shared(alert: Alert, rule: Dependency) -> tuple[str, ...]:
    return tuple(value(alert, name) for name in rule.equal)
