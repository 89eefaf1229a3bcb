"""The verdict on all probes as one sentence, and the two sentences after it."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.checks.uptime import Probed
from opsbot.checks.uptime_findings import budget, failed_expectation, hours
from opsbot.checks.uptime_seen import Seen
from opsbot.evaluate import slo, uptime
from opsbot.model.finding import Finding
from opsbot.model.probe import ProbeState
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import brief, clean, clip, count, plural, quantity, span
from opsbot.render.headline import LIMIT

_ROOM = 46
_TROUBLES = (
    ("uptime", Status.CRITICAL, "is down", "are down"),
    ("availability", Status.CRITICAL, "is barely available", "are barely available"),
    ("slo", Status.CRITICAL, "spends its error budget", "spend their error budgets"),
    ("certificate", Status.CRITICAL, "has a certificate about to expire", "have certificates about to expire"),
    ("prober", Status.UNKNOWN, "cannot judge: its own machine is in trouble", ""),
    ("uptime", Status.WARNING, "is degraded", "are degraded"),
    ("slo", Status.WARNING, "spends its error budget", "spend their error budgets"),
    ("certificate", Status.WARNING, "has a certificate that expires soon", "have certificates that expire soon"),
    ("uptime", Status.UNKNOWN, "says nothing", "say nothing"),
    ("slo", Status.UNKNOWN, "has no known service level", "have no known service level"),
)


def uptime_headline(all: Probed) -> str:
    """`api is down: tcp.refused since 14:02 (2 of 2 probes)`, `3 of 12 probes are down: a, b and c`, `All 12 probes are up`."""
    if all.flips:
        return _changed(all)
    return _stands(all) if all.seen else "Nothing was checked: no probe is configured"


def uptime_lede(all: Probed) -> str:
    """The worst in a sentence, then what all of it amounts to."""
    if not all.seen:
        return ""
    if all.flips:
        return _reasons(all)
    return " ".join(part for part in (_worst(all), _whole(all)) if part)


def _stands(all: Probed) -> str:
    for check, status, one, many in _TROUBLES:
        found = [f for f in all.findings if f.check == check and f.status is status]
        if len(found) == 1:
            # A level that is spent and one that goes fast are the same verdict; the finding says which.
            return _alone(found[0], all) if check == "uptime" else clip(f"{_name(found[0])} {one}", LIMIT)
        if found:
            return f"{count(len(found))} of {plural(len(all.seen), 'probe')} {many}: {names(found)}"
    number = len(all.seen)
    waiting = sum(bool(one.standing and one.standing.blamed) for one in all.seen)
    return (
        f"All {count(number)} probes are up" if number > 1 else "The one probe is up" if not waiting else "All is well"
    )


def _alone(found: Finding, all: Probed) -> str:
    """With its reason, since when, and how many failed."""
    one = next(one for one in all.seen if one.probe.name == found.resource)
    standing = one.standing
    name = clip(clean(found.resource), 36)
    if found.check == "slo":
        return _spends(name, one)
    if standing is None or (found.status is Status.UNKNOWN and standing.state is not ProbeState.UNSURE):
        return clip(f"{name}: {found.summary}", LIMIT)
    word = "cannot be judged" if standing.state is ProbeState.UNSURE else f"is {standing.state}"
    told = clip(clean(standing.why), 36) if failed_expectation(standing) else clean(standing.reason)
    reason = f": {told}" if told else ""
    going = [outage for outage in one.outages if outage.end is None]
    failed = f" ({going[-1].failed} of {plural(going[-1].probes, 'probe')})" if going else ""
    return clip(f"{name} {word}{reason} since {brief(standing.since, all.zone, all.now)}{failed}", LIMIT)


def _spends(name: str, one: Seen) -> str:
    """`api burns its error budget fast: 37 min of 43 min left`."""
    if one.probe.slo is None or one.level is None or one.level.availability is None:
        return f"{name} has no known service level"
    how = slo.SAID[one.burning.reason] if one.burning else "has spent its error budget"
    return clip(f"{name} {how}: {budget(*uptime.minutes(one.probe.slo, one.level))}", LIMIT)


def _changed(all: Probed) -> str:
    own = [f for f in all.findings if f.check == "prober"]
    bad = [f for f in all.findings if f.status in (Status.CRITICAL, Status.WARNING, Status.UNKNOWN) and f not in own]
    budgets = [f for f in bad if f.check == "slo"]
    # A probe that changed is the news, and its budget a part of it.
    bad = [f for f in bad if f not in budgets] or budgets
    back = [f for f in all.findings if ("recovered", True) in f.evidence and f not in own]
    if not bad and own and (own[0].status is Status.UNKNOWN or not back):
        return _own(own[0])
    if not bad:
        if len(back) == 1:
            return clip(f"{_name(back[0])} {'is ' if back[0].check != 'slo' else ''}{back[0].summary}", LIMIT)
        if back:
            return f"{plural(len({f.resource for f in back}), 'probe')} are {_again(back)}: {names(back)}"
        return clip(f"{_name(all.findings[0])}: {all.findings[0].summary}", LIMIT)
    also = f"; {count(len(back))} {_again(back)}" if back else ""
    down = [f for f in bad if f.status is Status.CRITICAL]
    if len(bad) == 1:
        return clip(_alone(bad[0], all), LIMIT - len(also)) + also
    if bad == budgets:
        return clip(f"{plural(len(bad), 'probe')} spend their error budgets: {names(bad)}", LIMIT - len(also)) + also
    worst = max((f.status for f in bad), key=lambda status: status.rank)
    word = {Status.CRITICAL: "down", Status.WARNING: "degraded"}.get(worst, "not known")
    told = down or [f for f in bad if f.status is worst]
    if len(told) == 1:
        return clip(f"{_alone(told[0], all)}", LIMIT - 18) + f"; {count(len(bad) - 1)} more"
    return clip(f"{plural(len(told), 'probe')} are {word}: {names(told)}", LIMIT - len(also)) + also


def _again(back: Sequence[Finding]) -> str:
    """A probe is up again; a budget that burns no more was never down."""
    return "well again" if any(f.check == "slo" for f in back) else "up again"


def _own(found: Finding) -> str:
    """The prober's own trouble, and that it is over."""
    return (
        "The prober works again"
        if found.status is Status.INFO
        else clip(f"Nothing can be probed: {found.summary}", LIMIT)
    )


def names(found: Sequence[Finding]) -> str:
    """As many as the line takes: `api, shop and 498 others`."""
    told: list[str] = []
    for finding in found:
        if told and sum(map(len, told)) + 2 * len(told) + len(_name(finding)) > _ROOM - 14:
            break
        told.append(_name(finding))
    left = len(found) - len(told)
    if left:
        return f"{', '.join(told)} and {count(left)} {'other' if left == 1 else 'others'}"
    return f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]


def _name(found: Finding) -> str:
    return clip(clean(found.resource), 30)


def _reasons(all: Probed) -> str:
    """What was seen of the one that changed; of several their findings tell."""
    standing = all.seen[0].standing
    if len(all.findings) > 1 or standing is None or not standing.why or all.findings[0].check == "slo":
        return ""
    why = clip(clean(standing.why), 240).rstrip(".")
    return f"{why[:1].upper()}{why[1:]}."


def _worst(all: Probed) -> str:
    troubles = [f for f in all.findings if f.status in (Status.CRITICAL, Status.WARNING)]
    if not troubles:
        return ""
    first = max(troubles, key=lambda f: (f.status.rank, f.check == "uptime"))
    since = f", for {span(all.now - first.since)}" if first.since else ""
    name = f"{_name(first)}, "
    more = len({f.resource for f in troubles}) - 1
    others = f" {plural(more, 'other probe')} need{'s' if more == 1 else ''} a look." if more else ""
    return clip(f"Worst: {name}{clip(first.summary, 160)}{since}.{others}", 300)


def _whole(all: Probed) -> str:
    total = uptime.Tally(**{kind: sum(getattr(one.window, kind) for one in all.seen) for kind in uptime.KINDS})
    up = sum(bool(one.standing and one.standing.state is ProbeState.UP) for one in all.seen)
    answered = f"of {count(total.judged)} probes were answered as they must be"
    share = "nothing could be judged" if total.share is None else f"{_percent(total.share)} {answered}"
    outages = sum(len(one.outages) for one in all.seen)
    said = f", {plural(outages, 'incident')}" if outages else ""
    return f"{count(up)} of {plural(len(all.seen), 'target')} up; {share} in {hours(all.window.length)}{said}."


def _percent(share: float) -> str:
    return quantity(share * 100, Unit.PERCENT)
