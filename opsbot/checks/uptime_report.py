"""The uptime report's parts: what is wrong, all probes worst first, 90 days, latency, service levels, incidents, account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from opsbot.checks.uptime import Probed
from opsbot.checks.uptime_account import account
from opsbot.checks.uptime_findings import budget, hours
from opsbot.checks.uptime_seen import Seen
from opsbot.evaluate import slo, uptime
from opsbot.evaluate.standing import PROBER
from opsbot.model.finding import Finding
from opsbot.model.maintenance import planned
from opsbot.model.probe import ProbeState
from opsbot.model.report import (
    Block,
    Cell,
    ChartSpec,
    Column,
    FindingList,
    Prose,
    Row,
    Score,
    Scorecard,
    Section,
    Strip,
    Strips,
    Table,
)
from opsbot.model.status import Status, worst
from opsbot.model.units import Unit
from opsbot.model.uptime import Standing
from opsbot.render.format import NO_DATA, brief, clean, clip, count, day, plural, quantity, span

ROWS, STRIPS, INCIDENTS, CHARTS = 60, 40, 30, 3
FLIPS = 30
_SHORT_NAME = 60
_WORDS = {
    ProbeState.UP: "up",
    ProbeState.DEGRADED: "degraded",
    ProbeState.DOWN: "down",
    ProbeState.UNSURE: "unsure",
}


def uptime_sections(all: Probed) -> tuple[Section, ...]:
    """Every part in its place; with flips a single one, that tells of them."""
    if all.flips:
        return (_changes(all),)
    if not all.seen:
        text = "No probe is configured: add a [[probes]] table to config.toml."
        return (Section(id="probes", title="Probes", status=Status.OK, blocks=(Prose(text=text),)),)
    return (
        _attention(all),
        _no_data(all),
        _table(all),
        _strips(all),
        _latency(all),
        _levels(all),
        _incidents(all),
        account(all),
    )


def ordered(all: Probed) -> list[Seen]:
    """Worst first, as their findings say it."""
    by_name: dict[str, list[Status]] = {}
    for finding in all.findings:
        by_name.setdefault(finding.resource, []).append(finding.status)
    known = {one.probe.name: one for one in all.seen}
    statuses = {name: worst(by_name.get(name, ())) for name in known}
    shares = {name: one.window.share for name, one in known.items()}
    return [known[name] for name in uptime.by_badness(statuses, shares)]


def _told(all: Probed, *statuses: Status) -> list[Finding]:
    found = [finding for finding in all.findings if finding.status in statuses]
    return sorted(found, key=lambda f: (-f.status.rank, _CHECKS.index(f.check), f.resource))


_CHECKS = ("prober", "uptime", "slo", "availability", "certificate")


def _changes(all: Probed) -> Section:
    told = sorted(all.findings, key=lambda f: (-f.status.rank, f.resource))
    return Section(
        id="changes",
        title="What changed",
        status=worst(f.status for f in told),
        blocks=(FindingList(findings=tuple(told[:FLIPS]), others=max(0, len(told) - FLIPS)),),
        aside=plural(len({f.resource for f in told}), "probe"),
    )


def _attention(all: Probed) -> Section:
    told = _told(all, Status.CRITICAL, Status.WARNING)
    if not told:
        return _silent("exceptions", "Needs attention", "Nothing is down, degraded or beyond its service level.")
    charts = [_chart(one, all) for one in ordered(all) if _drawable(one)][:CHARTS]
    return Section(
        id="exceptions",
        title="Needs attention",
        status=told[0].status,
        blocks=(FindingList(findings=tuple(told)), *charts),
        aside=f"worst first; {plural(len({f.resource for f in told}), 'probe')}",
    )


def _drawable(one: Seen) -> bool:
    return sum(1 for bucket in one.course if bucket.counts) >= 2


def _chart(one: Seen, all: Probed) -> ChartSpec:
    name = clip(clean(one.probe.name), _SHORT_NAME)
    series = next(f.series for f in all.findings if f.resource == one.probe.name and f.series is not None)
    over = _over(one, all)
    return ChartSpec(
        title=f"{name} {over}.",
        detail="Slowest probe of every 5 min, whole probe from name to last byte; a gap is time without an answer.",
        alt=f"Response time of {name}: {over}.",
        series=series,
        unit=Unit.SECONDS,
        label=name,
        limit=one.probe.slo.latency if one.probe.slo else None,
    )


def _over(one: Seen, all: Probed) -> str:
    if one.window.down:
        lost = timedelta(seconds=one.window.down * one.probe.every) if one.probe.every else None
        said = f", about {span(lost)}" if lost else ""
        return f"did not answer {count(one.window.down)} of {plural(one.window.judged, 'probe')}{said}"
    now, before = one.latency, one.before
    usual = f", {_seconds(before.p95)} the week before" if before else ""
    return f"answered within {_seconds(now.p95)} in 95 of 100 probes{usual}" if now else "was not answered"


def _no_data(all: Probed) -> Section:
    told = _told(all, Status.UNKNOWN)
    if not told:
        return _silent("no_data", "No data", "Every probe that should have been made says something.")
    return Section(
        id="no_data", title="No data", status=Status.UNKNOWN, blocks=(FindingList(findings=tuple(told)),),
        aside="not counted as healthy",
    )  # fmt: skip


def _table(all: Probed) -> Section:
    rows = ordered(all)
    columns = (
        Column(title="Probe"),
        Column(title="Now"),
        Column(title=_length(all), align="right"),
        Column(title="30 d", align="right", phone=False),
        Column(title="p95", align="right"),
        Column(title="Week before", align="right", phone=False),
        Column(title="Budget left", align="right", phone=False),
    )
    left = len(rows) - ROWS
    last = (Row(cells=(Cell(text=f"and {plural(left, 'probe')} more"),)),) if left > 0 else ()
    table = Table(columns=columns, rows=(*(_row(one, all) for one in rows[:ROWS]), *last))
    return Section(id="probes", title="Probes", status=Status.OK, blocks=(table,), aside="worst first")


def _row(one: Seen, all: Probed) -> Row:
    status = uptime.status_of(one.probe, one.standing, all.now)
    return Row(
        cells=(
            Cell(text=clip(clean(one.probe.name), _SHORT_NAME)),
            Cell(text=_now(one.standing, status, all), status=status),
            _share(one.window),
            _share(one.month),
            Cell(text=_seconds(one.latency.p95) if one.latency else ""),
            Cell(text=_seconds(one.before.p95) if one.before else ""),
            _left(one),
        )
    )


def _now(standing: Standing | None, status: Status, all: Probed) -> str:
    if standing is None or (status is Status.UNKNOWN and standing.state is not ProbeState.UNSURE):
        return NO_DATA
    if planned(standing.blamed):
        return "in maintenance"
    if standing.blamed == PROBER:
        return "not known"
    if standing.blamed:
        return f"waits for {clip(clean(standing.blamed), 24)}"
    word = _WORDS[standing.state]
    return word if standing.state is ProbeState.UP else f"{word} {span(all.now - standing.since)}"


def _share(found: uptime.Tally) -> Cell:
    if found.share is None:
        return Cell(text="" if not found.asked else NO_DATA)
    bad = found.share < uptime.WELL
    return Cell(text=_percent(found.share), status=found.status if bad else None)


def _left(one: Seen) -> Cell:
    level = one.level
    if level is None or level.budget_left is None:
        return Cell(text="")
    status = uptime.slo_status(level, one.burning)
    return Cell(text=f"{round(max(level.budget_left, -9.99) * 100)} %", status=None if status is Status.OK else status)


def _strips(all: Probed) -> Section:
    rows = ordered(all)
    known = [one.days[0].start for one in all.seen if one.days]
    first = day(known[0], "UTC") if known else ""
    block = Strips(
        rows=tuple(_strip(one) for one in rows[:STRIPS]), first=first, last="today", others=max(0, len(rows) - STRIPS)
    )
    excused = any(Status.INFO in row.bars for row in block.rows)
    return Section(
        id="days", title=f"{uptime.DAYS} days", status=Status.OK, blocks=(block,),
        aside="a bar a day (UTC); taller is worse" + ("; low: trouble was excused" if excused else ""),
    )  # fmt: skip


def _strip(one: Seen) -> Strip:
    bars = tuple(day.tally.status if day.tally else None for day in one.days)
    total = uptime.Tally(
        **{kind: sum(getattr(day.tally, kind) for day in one.days if day.tally) for kind in uptime.KINDS}
    )
    figure = NO_DATA if total.share is None else _percent(total.share)
    return Strip(
        name=clip(clean(one.probe.name), _SHORT_NAME), bars=bars, figure=figure, words=strip_words(bars), status=worst(
            status for status in bars[-1:] if status
        ),
    )  # fmt: skip


def strip_words(bars: Sequence[Status | None]) -> str:
    """`90 days: 87 well, 2 with trouble, 1 without data`."""
    named = (("well", (Status.OK,)), ("with something excused", (Status.INFO,)), ("with slight trouble", (Status.WARNING,)),
             ("with an outage", (Status.CRITICAL,)), ("without data", (Status.UNKNOWN, None)))  # fmt: skip
    told = [f"{number} {word}" for word, kinds in named if (number := sum(bar in kinds for bar in bars))]
    return f"{plural(len(bars), 'day')}: {', '.join(told)}"


def _latency(all: Probed) -> Section:
    known = sorted((one for one in all.seen if one.latency), key=lambda one: -(one.latency.p95 if one.latency else 0))
    if not known:
        return _silent("latency", "Latency", "No probe was answered.")
    columns = (
        Column(title="Probe"),
        Column(title="p50", align="right"),
        Column(title="p95", align="right"),
        Column(title="p99", align="right"),
        Column(title="p95 the week before", align="right", phone=False),
        Column(title="Change", align="right"),
    )
    rows = tuple(map(_speed, known[: ROWS // 3]))
    left = len(known) - len(rows)
    last = (Row(cells=(Cell(text=f"and {plural(left, 'probe')} more, all of them faster"),)),) if left > 0 else ()
    return Section(
        id="latency", title="Latency", status=Status.OK, blocks=(Table(columns=columns, rows=(*rows, *last)),),
        aside=f"{_length(all)} against the week before; slowest first",
    )  # fmt: skip


def _speed(one: Seen) -> Row:
    now, before = one.latency, one.before
    if now is None:
        raise ValueError("expected a probe that was answered")
    texts = [clip(clean(one.probe.name), _SHORT_NAME), _seconds(now.p50), _seconds(now.p95), _seconds(now.p99)]
    texts += [_seconds(before.p95), _change(now.p95, before.p95)] if before else ["", ""]
    return Row(cells=tuple(Cell(text=text) for text in texts))


def _change(now: float, before: float) -> str:
    """Buckets are 8 % wide, so less than that is none."""
    share = now / before - 1
    if abs(share) < 0.08:
        return "same"
    return f"{abs(share) * 100:.0f} % {'slower' if share > 0 else 'faster'}"


def _levels(all: Probed) -> Section:
    known = [one for one in ordered(all) if one.probe.slo is not None]
    if not known:
        return _silent("slo", "Service levels", "No probe has a service level: set slo in its table.")
    scores = tuple(_score(one, one.probe.slo) for one in known[:ROWS] if one.probe.slo)
    blocks: list[Block] = [Scorecard(scores=scores)]
    if len(known) > ROWS:
        blocks.append(Prose(text=f"And {plural(len(known) - ROWS, 'service level')} more, all of them better."))
    return Section(id="slo", title="Service levels", status=Status.OK, blocks=tuple(blocks))


def _score(one: Seen, objective: slo.Objective) -> Score:
    level, target = one.level, f"{_percent(objective.target)} over {span(objective.window)}"
    name = clip(clean(one.probe.name), _SHORT_NAME)
    if level is None or level.availability is None:
        return Score(name=name, value=NO_DATA, target=target, status=Status.UNKNOWN)
    whole, left = uptime.minutes(objective, level)
    within = f"; good is within {_seconds(objective.latency)}" if objective.latency else ""
    return Score(
        name=name,
        value=_percent(level.availability),
        target=target,
        status=uptime.slo_status(level, one.burning),
        note=f"{budget(whole, left)}{_pace(one.burning)}{within}",
    )


def _pace(burn: slo.Burn | None) -> str:
    return f", burning {burn.name if burn.name != 'slow' else 'slowly'}" if burn else ""


def _incidents(all: Probed) -> Section:
    found = sorted((outage for one in all.seen for outage in one.outages), key=lambda outage: outage.start)
    if not found:
        return _silent("incidents", "Incidents", f"None in {_length(all)}.")
    columns = (
        Column(title="Probe"),
        Column(title="Began"),
        Column(title="Lasted", align="right"),
        Column(title="What"),
        Column(title="Probes failed", align="right", phone=False),
    )
    newest = list(reversed(found))
    rows = [_incident(outage, all) for outage in newest[:INCIDENTS]]
    left = len(found) - INCIDENTS
    rows += [Row(cells=(Cell(text=f"and {count(left)} more"),))] if left > 0 else []
    return Section(
        id="incidents", title="Incidents", status=Status.OK, blocks=(Table(columns=columns, rows=tuple(rows)),),
        aside=f"{count(len(found))} in {_length(all)}, newest first",
    )  # fmt: skip


def _incident(outage: uptime.Outage, all: Probed) -> Row:
    lasted = span((outage.end or all.now) - outage.start)
    status = Status.CRITICAL if outage.state is ProbeState.DOWN else Status.WARNING
    what = f"{outage.state}: {clean(outage.reason)}" if outage.reason else str(outage.state)
    return Row(
        cells=(
            Cell(text=clip(clean(outage.probe), _SHORT_NAME)),
            Cell(text=brief(outage.start, all.zone, all.now)),
            Cell(text=lasted if outage.end else f"{lasted}, going on", status=None if outage.end else status),
            Cell(text=what),
            Cell(text=f"{count(outage.failed)} of {count(outage.probes)}"),
        )
    )


def _length(all: Probed) -> str:
    return hours(all.window.length)


def _seconds(value: float) -> str:
    return quantity(value, Unit.SECONDS)


def _percent(share: float) -> str:
    return quantity(share * 100, Unit.PERCENT)


def _silent(id: str, title: str, text: str) -> Section:
    return Section(id=id, title=title, status=Status.OK, blocks=(Prose(text=text),))
