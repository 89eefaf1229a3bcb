"""The section "incidents": what people worked on, and what they were told of for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from opsbot.checks.weekly.told import GRAVE, Needless, Told
from opsbot.checks.weekly.week import Week
from opsbot.model.incident import Incident, times
from opsbot.model.report import Block, Cell, Column, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.render.format import brief, clean, clip, count, plural, span

ROWS = 5
_LONG_AGO = timedelta(days=8)


def section(week: Week) -> Section:
    told = week.told
    return Section(
        id="incidents", title="Incidents and pages", status=_status(told), blocks=tuple(_blocks(week)), aside=_aside(told)
    )  # fmt: skip


def _status(told: Told) -> Status:
    """One that is not over needs somebody; one that is over is told."""
    if any(one.state.active and one.priority in GRAVE for one in told.incidents or ()):
        return Status.CRITICAL
    return (
        Status.WARNING if any(one.priority in GRAVE or one.state.active for one in told.incidents or ()) else Status.OK
    )


def _aside(told: Told) -> str:
    parts = [] if told.incidents is None else [plural(len(told.incidents), "incident")]
    if told.fired:
        needless = sum(one.times for one in told.needless)
        parts += [plural(told.fired, "alert"), f"{count(needless)} that nobody needed"]
    return ", ".join(parts)


def _blocks(week: Week) -> Iterator[Block]:
    told = week.told
    if told.incidents is None:
        yield Prose(text="Incidents are not kept here, so nothing is known of them.")
    elif not told.incidents:
        yield Prose(text="No incident was opened this week.")
    else:
        yield Table(columns=_INCIDENTS, rows=tuple(_incident(week, one) for one in told.incidents[:ROWS]))
        if len(told.incidents) > ROWS:
            yield Prose(text=f"and {count(len(told.incidents) - ROWS)} more: opsbot incident list.")
    yield from _alerts(week)


_INCIDENTS = (
    Column(title="Incident"),
    Column(title="Opened", align="right"),
    Column(title="Acknowledged", align="right", phone=False),
    Column(title="Lasted", align="right"),
)


def _incident(week: Week, one: Incident) -> Row:
    took = times(one)
    grave = one.priority in GRAVE
    lasted = "open" if took.resolve is None else span(took.resolve)
    cells = (
        Cell(text=f"{one.priority} {clip(clean(one.title), 60)}", status=Status.WARNING if grave else Status.INFO),
        Cell(text=brief(one.opened_at, week.zone, week.now + _LONG_AGO)),
        Cell(text="not yet" if took.acknowledge is None else f"in {span(took.acknowledge)}"),
        Cell(text=lasted, status=Status.WARNING if took.resolve is None else None),
    )
    parts = (clean(one.environment), one.id, f"fixed by: {clip(clean(one.fix), 120)}" if one.fix else "")
    return Row(cells=cells, note="; ".join(filter(None, parts)))


def _alerts(week: Week) -> Iterator[Block]:
    told = week.told
    if told.fired is None:
        yield Prose(text="Alerts are not kept here, so nothing is known of pages.")
        return
    if not told.fired and not told.open:
        yield Prose(text="No alert fired this week.")
        return
    if told.needless:
        yield Table(columns=_NEEDLESS, rows=tuple(_needless(one) for one in told.needless[:ROWS]))
        if len(told.needless) > ROWS:
            yield Prose(text=f"and {plural(len(told.needless) - ROWS, 'more kind')} of them.")
    elif not told.fired:
        yield Prose(text="No alert fired this week.")
    else:
        yield Prose(
            text=f"{plural(told.fired, 'alert')} fired; each of them was taken in hand, led to an incident or fires still."
        )
    if told.open:
        yield Prose(
            text=f"{plural(len(told.open), 'alert')} {'fires' if len(told.open) == 1 else 'fire'} still: opsbot alerts."
        )


_NEEDLESS = (
    Column(title="Told for nothing"),
    Column(title="Times", align="right"),
    Column(title="Longest", align="right"),
)


def _needless(one: Needless) -> Row:
    cells = (
        Cell(text=f"{clip(clean(one.environment), 28)} {clip(clean(one.title), 40)}"),
        Cell(text=count(one.times)),
        Cell(text=span(one.longest)),
    )
    return Row(cells=cells, note=f"{plural(one.resources, 'resource')}; ended by itself, and nobody took it in hand")
