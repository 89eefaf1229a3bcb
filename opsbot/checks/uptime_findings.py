"""Findings of one probe: how it stands, its last hours, its certificate, its service level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opsbot.checks.uptime_seen import Seen
from opsbot.evaluate import slo, uptime
from opsbot.evaluate.standing import PROBER
from opsbot.model.finding import Evidence, Finding, Series
from opsbot.model.maintenance import planned
from opsbot.model.period import epoch
from opsbot.model.probe import ProbeState
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.model.uptime import Bucket, Flip, Standing
from opsbot.probing import Probe
from opsbot.render.format import clean, clip, plural, quantity, span, utc

AREA = "uptime"
EVERYWHERE = "everywhere"
"""The environment of a probe that belongs to none."""
_FAILURES_TOLD = 5
_MEANS = {
    ProbeState.DOWN: "It does not answer as it must; whoever depends on it is affected now.",
    ProbeState.DEGRADED: "It answers, but not as well as expected.",
    ProbeState.UNSURE: "The prober itself was in the way, so this says nothing of the target.",
}


def of(one: Seen, now: datetime) -> Iterator[Finding]:
    """Everything there is to say of a probe, what is well too: that is the coverage."""
    yield _standing(one, now)
    if one.hours:
        yield _availability(one, now)
    if one.certified is not None:
        yield _certificate(one, now)
    if one.probe.slo is not None:
        yield _level(one, now)


def of_flips(seen: Sequence[Seen], flips: Sequence[Flip], now: datetime) -> tuple[Finding, ...]:
    """One for each probe that changed, as it stands now or that it is back; and one for each budget that began to burn, or
    does no more."""
    first: dict[str, Flip] = {}
    burnt: dict[str, Flip] = {}
    for flip in flips:
        (burnt if flip.reason in slo.SAID else first).setdefault(flip.probe, flip)
    known = {one.probe.name for one in seen} | {PROBER}
    gone = (_gone(flip, now) for name, flip in (burnt | first).items() if name not in known)
    changed = (_changed(one, first[one.probe.name], now) for one in seen if one.probe.name in first)
    return (*changed, *(_burnt(one, now) for one in seen if one.probe.name in burnt), *gone)


def _burnt(one: Seen, now: datetime) -> Finding:
    if one.probe.slo is None:
        found = _plain(one.probe, "slo", "Service level", now)
        return replace(found, status=Status.INFO, summary="has no service level any more")
    found = _level(one, now)
    if found.status is not Status.OK:
        failures = tuple(_failure(one))[:_FAILURES_TOLD]
        return replace(found, evidence=(*found.evidence, ("last_failures", failures))) if failures else found
    evidence = (*found.evidence, ("recovered", True))
    return replace(found, status=Status.INFO, summary=f"burns no more, {found.summary}", evidence=evidence)


def of_prober(standing: Standing | None, flips: Sequence[Flip], now: datetime) -> Iterator[Finding]:
    """The prober's own trouble, as one finding of its own: meanwhile nothing is known of any target. Of flips also that
    it is over."""
    mine = [flip for flip in flips if flip.probe == PROBER]
    if standing is None and mine:
        standing = Standing(probe=PROBER, state=mine[-1].after, since=mine[-1].at, seen=now, why=mine[-1].why)
    if standing is None or standing.since > now or (flips and not mine):
        return
    well = standing.state is ProbeState.UP
    if well and not mine:
        return
    found = Finding(
        check="prober", environment="opsbot", resource="prober", status=Status.INFO if well else Status.UNKNOWN,
        at=now, unit=Unit.COUNT, title="The prober itself", area=AREA, since=standing.since,
    )  # fmt: skip
    if well:
        yield replace(found, summary="works again", evidence=(("recovered", True),))
        return
    yield replace(
        found,
        summary=clip(clean(standing.why), 300) or clean(standing.reason),
        means="What its probes say meanwhile counts neither way; nobody is called for their targets.",
        evidence=(("reason", clean(standing.reason)),),
    )


def _gone(flip: Flip, now: datetime) -> Finding:
    """A probe that was taken out of the configuration before anybody was told."""
    summary = f"not configured any more; it was last {flip.after}"
    found = _plain(Probe(name=flip.probe, check=flip.probe, every=0), "uptime", "Uptime", now)
    return replace(found, status=Status.INFO, summary=summary)


def _changed(one: Seen, flip: Flip, now: datetime) -> Finding:
    found = _standing(one, now)
    if found.status is not Status.OK or one.standing is None:
        return found
    over = [outage for outage in one.outages if outage.end is not None and outage.end <= now]
    lasted = f" after {span(over[-1].end - over[-1].start)}" if over and over[-1].end else ""
    reason = over[-1].reason if over else flip.reason
    why = f" ({reason})" if reason else ""
    summary = f"up again{lasted}{why}"
    evidence = (*found.evidence, ("recovered", True))
    return replace(found, status=Status.INFO, summary=summary, since=one.standing.since, evidence=evidence)


def _plain(probe: Probe, check: str, title: str, now: datetime) -> Finding:
    told = {"tenant": probe.tenant, "tier": probe.tier, "kind": probe.kind, **dict(probe.labels)}
    return Finding(
        check=check,
        environment=probe.environment or EVERYWHERE,
        resource=probe.name,
        status=Status.OK,
        at=now,
        unit=Unit.PERCENT,
        title=title,
        area=AREA,
        labels=tuple(sorted((name, value) for name, value in told.items() if value)),
        runbook=probe.runbook or None,
        owner=probe.owner,
    )


def _standing(one: Seen, now: datetime) -> Finding:
    standing, share = one.standing, one.window.share
    status = uptime.status_of(one.probe, standing, now)
    # Of one that is degraded, how often it answered at all would only look like a lie.
    told = share * 100 if share is not None and status is not Status.WARNING else None
    found = replace(_plain(one.probe, "uptime", "Uptime", now), status=status, value=told)
    if standing is None:
        return replace(found, summary="no probe has been made yet", value=None)
    if uptime.silent(one.probe, standing, now):
        ago, every = span(now - standing.seen), span(timedelta(seconds=one.probe.every))
        return replace(found, summary=f"last probe {ago} ago, expected every {every}", since=standing.seen, value=None,
                       means="Nobody looks at it: the prober is stopped or stuck.")  # fmt: skip
    return replace(
        found,
        since=None if status is Status.OK else standing.since,
        summary=sentence(one),
        means="" if standing.blamed else _MEANS.get(standing.state, ""),
        evidence=tuple(_evidence(one)),
        series=_course(one.course),
    )


def sentence(one: Seen) -> str:
    """`down: tcp.refused (2 of 2 probes), 10.0.4.7:443 refused the connection`."""
    standing = one.standing
    if standing is None:
        return "no probe has been made yet"
    work = planned(standing.blamed)
    if standing.blamed == PROBER:
        return "not judged while the prober itself is in trouble"
    if standing.blamed and not work:
        return f"not judged while {clean(standing.blamed)} is down"
    if standing.state is ProbeState.UP:
        return "up"
    excuse = f", excused by maintenance {clean(work)}" if work else ""
    state = "cannot be judged" if standing.state is ProbeState.UNSURE else str(standing.state)
    reason, why = (f": {clean(standing.reason)}" if standing.reason else ""), clip(clean(standing.why), 160)
    if why and failed_expectation(standing):
        return f"{state}: {why}{counted(one)}{excuse}"
    return f"{state}{reason}{counted(one)}{excuse}{f', {why}' if why else ''}"


def failed_expectation(standing: Standing) -> bool:
    """Whether an expectation was not met: with what was found, it says more than its reason's word."""
    return standing.reason.startswith("assert.")


def counted(one: Seen) -> str:
    """` (2 of 2 probes)`: how many failed since it began; nothing where single samples are not at hand."""
    going = [outage for outage in one.outages if outage.end is None]
    return f" ({going[-1].failed} of {plural(going[-1].probes, 'probe')})" if going else ""


def _evidence(one: Seen) -> Iterator[tuple[str, str | int | tuple[str, ...]]]:
    standing, probe = one.standing, one.probe
    yield "kind", probe.kind
    if probe.every:
        yield "every", span(timedelta(seconds=probe.every))
    if standing is None or standing.state is ProbeState.UP:
        return
    if standing.reason:
        yield "reason", clean(standing.reason)
    if standing.blamed:
        yield "blamed", clean(standing.blamed)
    if standing.flips:
        yield "changes_in_the_last_hour", standing.flips
    yield from ((clean(name), clip(clean(value), 300)) for name, value in standing.evidence)
    slower = uptime.phases(one.samples, standing.since)
    if slower:
        yield "phases", tuple(map(_phase, slower))
    if failures := tuple(_failure(one))[:_FAILURES_TOLD]:
        yield "last_failures", failures
    if one.certified is not None:
        yield "certificate", f"{clean(one.certified.subject)}, expires {utc(one.certified.not_after)}"
    if expected := (*probe.expect, *probe.degraded):
        yield "expected", expected


def _phase(one: uptime.Slower) -> str:
    now = "not reached" if one.now is None else quantity(one.now, Unit.SECONDS)
    usual = "" if one.usual is None else f", usually {quantity(one.usual, Unit.SECONDS)}"
    return f"{clean(one.phase).replace('_', ' ')} {now}{usual}"


def _failure(one: Seen) -> Iterator[str]:
    for sample in sorted(one.samples, key=lambda sample: sample.at, reverse=True):
        if sample.state in (ProbeState.DOWN, ProbeState.DEGRADED):
            yield f"{utc(sample.at)} {clean(sample.reason) or sample.state}"


def _course(buckets: Sequence[Bucket]) -> Series | None:
    """The slowest of each five minutes; a gap where nothing was answered."""
    if len(buckets) < 2:
        return None
    step = int(buckets[0].length.total_seconds())
    start, end = epoch(buckets[0].start), epoch(buckets[-1].start) + step
    by_start = {epoch(bucket.start): bucket.seconds_max for bucket in buckets if bucket.counts}
    times = range(start, end, step)
    return Series(times=times, values=tuple(by_start.get(at) for at in times), judged=len(times))


def _availability(one: Seen, now: datetime) -> Finding:
    status, worst = uptime.availability_status(one.hours), min(one.hours)
    summary = (
        f"{_percent(worst)} available in the worse of the last {uptime.PERIODS} hours, missing probes not counted as up"
    )
    known = status is not Status.UNKNOWN
    found = _plain(one.probe, "availability", "Availability", now)
    return replace(
        found,
        # One hour is too young to be judged, and no reason to call anybody blind.
        status=status if known else Status.OK,
        value=worst * 100,
        limit=uptime.LEAST * 100,
        rule=f"< {uptime.LEAST:.0%} for {uptime.PERIODS} periods of 1h",
        since=now - uptime.PERIODS * uptime.HOUR if status is Status.CRITICAL else None,
        summary=summary if known else "less than two hours of probes",
    )


def _certificate(one: Seen, now: datetime) -> Finding:
    shown = one.certified
    if shown is None:
        raise ValueError("expected a probe that was shown a certificate")
    status, limit = uptime.certificate_status(shown, now)
    left = (shown.not_after - now) / uptime.DAY
    said = f"expires in {span(shown.not_after - now)}" if left > 0 else f"expired {span(now - shown.not_after)} ago"
    evidence: Evidence = (
        ("subject", clean(shown.subject)), ("issuer", clean(shown.issuer)), ("not_after", utc(shown.not_after)),
        ("fingerprint", clean(shown.fingerprint)), ("path", tuple(map(clean, shown.path))),
        ("verified", shown.verified),
    )  # fmt: skip
    return replace(
        _plain(one.probe, "certificate", "Certificate", now),
        status=status,
        unit=Unit.DAYS,
        value=round(left, 1),
        limit=limit,
        rule=f"<= {limit} d" if limit is not None else "",
        summary=f"the first certificate of its path {said}",
        means="When it has expired, clients refuse to connect." if status is not Status.OK else "",
        evidence=evidence if status is not Status.OK else (),
    )


def _level(one: Seen, now: datetime) -> Finding:
    objective, level = one.probe.slo, one.level
    found = _plain(one.probe, "slo", "Service level", now)
    if objective is None or level is None or level.availability is None:
        return replace(
            found, status=Status.UNKNOWN, summary="nothing could be judged in the window of its service level"
        )
    whole, left = uptime.minutes(objective, level)
    status = uptime.slo_status(level, one.burning)
    return replace(
        found,
        status=status,
        value=level.availability * 100,
        limit=objective.target * 100,
        rule=f">= {_percent(objective.target)} over {span(objective.window)}",
        summary=f"{_budget(whole, left)}{burning(one.burning)}",
        means="" if status is Status.OK else _SPENT if left <= 0 else "Going on like this, the objective will be missed.",
        evidence=(
            ("budget_minutes", round(whole, 1)), ("left_minutes", round(left, 1)), ("good", level.good), ("bad", level.bad),
            ("left_out", level.left_out), ("burning", one.burning.name if one.burning else "no"),
        ),
    )  # fmt: skip


_SPENT = "The objective is missed already, whatever comes."


def budget(whole: float, left: float) -> str:
    """`21 min of 43 min left`, `all 43 min spent`, `43 min spent, and 12 min more`."""
    if left <= 0:
        return f"{_minutes(whole)} spent, and {_minutes(-left)} more" if left < 0 else f"all {_minutes(whole)} spent"
    return f"{_minutes(left)} of {_minutes(whole)} left"


def _budget(whole: float, left: float) -> str:
    """The same as a sentence."""
    if left > 0:
        return f"{_minutes(left)} of {_minutes(whole)} of error budget left"
    over = f", {_minutes(-left)} over" if left < 0 else ""
    return f"the error budget of {_minutes(whole)} is spent{over}"


def burning(burn: slo.Burn | None) -> str:
    """`, going more than 14.4 times as fast as it lasts`, or nothing."""
    return f", going more than {burn.rate:g} times as fast as it lasts" if burn else ""


def hours(length: timedelta) -> str:
    """`24 h` up to two days, then days."""
    return f"{round(length / uptime.HOUR)} h" if uptime.HOUR <= length <= 2 * uptime.DAY else span(length)


def _minutes(number: float) -> str:
    """To the minute where there are many."""
    return span(timedelta(minutes=round(number) if number >= 10 else number))


def _percent(share: float) -> str:
    return quantity(share * 100, Unit.PERCENT)
