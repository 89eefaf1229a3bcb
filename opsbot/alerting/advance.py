"""One finding moves one alert on: the state machine, and nothing else.

After Prometheus's (rules/alerting.go), except that a restart forgets nothing, that what fires goes on firing when its
hold is made longer, and that failing to look changes nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.alerting import flapping
from opsbot.model.alert import Alert, AlertState, Change, ChangeKind
from opsbot.model.finding import Finding
from opsbot.model.period import show_duration
from opsbot.model.status import Status

BLIND, JOB_FAILED = "no-data", "job-failed"
"""Checks of opsbot's own, for which being UNKNOWN is the trouble itself."""

# A clock that was wrong by more than this is not believed again: what it stamped is overtaken.
SKEW = timedelta(minutes=5)
_LEAST_GAP = timedelta(hours=1)

Step = tuple[Alert | None, Change | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things have to last. `least` is the mildest status that is trouble at all; `keep` is how long something
    must be well before it is believed; `blind_after` in how many runs in a row an environment could not be judged."""

    least: Status = Status.WARNING
    keep: timedelta = timedelta(0)
    blind_after: int = 3


def advance(alert: Alert | None, finding: Finding, now: datetime, patience: Patience = Patience()) -> Step:
    """What becomes of an alert that was (None: there is none) by what was found.

    The moment of the finding decides, `now` only stamps. What is older than what is known, or says only that nothing
    could be seen, changes nothing.
    """
    if _says_nothing(finding) or _is_overtaken(alert, finding, now):
        return alert, None
    breach = is_trouble(finding, patience)
    if alert is None:
        return _begin(finding, now, patience) if breach else (None, None)
    seen = replace(
        alert, seen_at=finding.at, recent=flapping.remember(alert.recent, finding.at, breach), well=not breach
    )
    if breach:
        return _breach(seen, finding, now, patience)
    return _well(seen, now, patience)


def is_trouble(finding: Finding, patience: Patience) -> bool:
    if finding.status is Status.UNKNOWN:
        return finding.check in (BLIND, JOB_FAILED)
    return finding.status.rank >= patience.least.rank and finding.status is not Status.OK


def settle(alert: Alert, now: datetime, patience: Patience) -> Step:
    """What time alone brings: what looked well for long enough is over, and what flapped has calmed down."""
    if alert.flapping and not flapping.flaps(alert, now):
        return _calm(alert, now)
    if alert.state is AlertState.RECOVERING and has_passed(alert.changed_at, patience.keep, now):
        return _resolve(alert, now, _well_for(patience))
    return alert, None


def close(alert: Alert, now: datetime, reason: str) -> Step:
    """It cannot be judged any more, because its check or its resource is gone: nobody is left waiting for the end."""
    return _resolve(alert, now, reason) if alert.fires else (None, None)


def has_passed(since: datetime, length: timedelta, now: datetime) -> bool:
    """Whether so much time has gone by; a stamp from a clock that was ahead does not make anybody wait for it."""
    return now - since >= length or since > now + SKEW


def restless(alert: Alert) -> datetime | None:
    """Whether and from when time alone changes it."""
    if alert.flapping:
        return alert.seen_at + flapping.SPAN / 12
    return alert.changed_at if alert.state is AlertState.RECOVERING else None


def _says_nothing(finding: Finding) -> bool:
    return finding.status is Status.UNKNOWN and finding.check not in (BLIND, JOB_FAILED)


def _is_overtaken(alert: Alert | None, finding: Finding, now: datetime) -> bool:
    return alert is not None and finding.at < alert.seen_at <= now + SKEW


def _begin(finding: Finding, now: datetime, patience: Patience) -> Step:
    since = finding.since or finding.at
    fresh = Alert(
        finding=finding, state=AlertState.PENDING, since=since, seen_at=finding.at, changed_at=now,
        recent=((finding.at, True),),
    )  # fmt: skip
    return _pend(fresh, None, now, patience)


def _breach(alert: Alert, finding: Finding, now: datetime, patience: Patience) -> Step:
    match alert.state:
        case AlertState.PENDING:
            since = _pending_since(alert, finding)
            return _pend(replace(alert, finding=finding, since=since), alert.state, now, patience)
        case AlertState.RESOLVED:
            again = replace(alert, finding=finding, state=AlertState.PENDING, since=finding.since or finding.at,
                            changed_at=now, streak=0, ack=None, muted="", storm="")  # fmt: skip
            return _pend(again, alert.state, now, patience)
        case AlertState.FIRING | AlertState.RECOVERING:
            return _go_on(alert, finding, now)


def _pending_since(alert: Alert, finding: Finding) -> datetime:
    """Since when it is bad without a break. A long time in which nobody looked is no unbroken breach."""
    if finding.since is not None:
        return finding.since
    gap = alert.recent[-1][0] - alert.recent[-2][0] if len(alert.recent) > 1 else flapping.SPAN
    return finding.at if gap > max(3 * finding.hold, _LEAST_GAP) else alert.since


def _pend(alert: Alert, before: AlertState | None, now: datetime, patience: Patience) -> Step:
    """It fires once it has lasted; the samples may show at the first look that it has."""
    counted = replace(alert, streak=alert.streak + 1)
    finding = alert.finding
    enough = patience.blind_after if finding.check == BLIND else 1
    if finding.at - alert.since < finding.hold or counted.streak < enough:
        return counted, None
    fired = replace(
        counted, state=AlertState.FIRING, changed_at=now, fired_at=now, episode=alert.episode + 1, well=False
    )
    if flapping.flaps(fired, now):
        return _start_flapping(fired, before)
    return fired, Change(kind=ChangeKind.FIRED, reason="new", before=before, after=AlertState.FIRING)


def _start_flapping(fired: Alert, before: AlertState | None) -> Step:
    often = flapping.changes(fired.recent)
    reason = f"flapping: it came and went {often} times"
    held = replace(fired, flapping=True)
    return held, Change(kind=ChangeKind.FLAPPING, reason=reason, before=before, after=AlertState.FIRING)


def _go_on(alert: Alert, finding: Finding, now: datetime) -> Step:
    worse = finding.status.rank > alert.status.rank
    kind = ChangeKind.WORSENED if worse else ChangeKind.EASED if finding.status.rank < alert.status.rank else None
    before = alert.status
    went_on = replace(
        alert,
        finding=finding,
        state=AlertState.FIRING,
        since=min(alert.since, finding.since or finding.at),
        changed_at=now if alert.state is AlertState.RECOVERING or kind else alert.changed_at,
        # Whoever took it in hand took something milder in hand.
        ack=None if worse else alert.ack,
    )
    if not alert.flapping and flapping.flaps(went_on, now):
        return _start_flapping(went_on, alert.state)
    if kind is None:
        return went_on, None
    word = "worse" if worse else "eased"
    reason = f"{word}: {before} became {finding.status}"
    return went_on, Change(kind=kind, reason=reason, before=alert.state, after=AlertState.FIRING)


def _well(alert: Alert, now: datetime, patience: Patience) -> Step:
    if alert.state is AlertState.RESOLVED:
        return alert, None
    if alert.state is AlertState.PENDING:
        # Nobody heard of it. What fired before is remembered, for its episodes and for how often it comes and goes.
        return (replace(alert, state=AlertState.RESOLVED, changed_at=now), None) if alert.episode else (None, None)
    if flapping.flaps(alert, now):
        return _hold(alert)
    if alert.flapping:
        return _calm(alert, now)
    if alert.state is AlertState.FIRING and patience.keep:
        return replace(alert, state=AlertState.RECOVERING, changed_at=now), None
    if alert.state is AlertState.RECOVERING and not has_passed(alert.changed_at, patience.keep, now):
        return alert, None
    return _resolve(alert, now, _well_for(patience))


def _hold(alert: Alert) -> Step:
    """Its end is not told while it is likely to be back at once."""
    return (alert, None) if alert.flapping else _start_flapping(replace(alert, state=AlertState.FIRING), alert.state)


def _calm(alert: Alert, now: datetime) -> Step:
    calm = replace(alert, flapping=False)
    return _resolve(calm, now, "resolved: it has stopped flapping") if alert.well else (calm, None)


def _well_for(patience: Patience) -> str:
    return f"resolved: well for {show_duration(patience.keep)}" if patience.keep else "resolved"


def _resolve(alert: Alert, now: datetime, reason: str) -> Step:
    """The finding that was trouble stays with it, so that people read what is over."""
    over = replace(alert, state=AlertState.RESOLVED, changed_at=now, flapping=False, streak=0, well=True, muted="")
    return over, Change(kind=ChangeKind.RESOLVED, reason=reason, before=alert.state, after=AlertState.RESOLVED)
