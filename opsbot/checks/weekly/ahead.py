"""The section "capacity": what runs out first, as the capacity job said last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date

from opsbot.checks.capacity.words import odds, spoken
from opsbot.checks.spending.words import short
from opsbot.checks.weekly.forecasts import Filling, Outlooks
from opsbot.checks.weekly.kpi import loudest
from opsbot.checks.weekly.week import Week
from opsbot.model.report import Cell, Column, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, plural, quantity

ROWS = 6
_COLUMNS = (
    Column(title="Resource"),
    Column(title="Now", align="right"),
    Column(title="Reached", align="right"),
    Column(title="80 % range", align="right", phone=False),
    Column(title="P(90 d)", align="right", phone=False),
    Column(title="Act by", align="right"),
)


def section(week: Week) -> Section:
    all_of_it = week.outlooks
    if all_of_it.made is None:
        return Section(id="capacity", title="Capacity", status=Status.OK, blocks=(Prose(text=_nothing(all_of_it)),))
    aside = f"as forecast on {short(all_of_it.made)}: {plural(all_of_it.of, 'resource')} with a limit"
    if not all_of_it.near:
        text = "Nothing is expected to reach its limit within ninety days."
        return Section(id="capacity", title="Capacity", status=Status.OK, blocks=(Prose(text=text),), aside=aside)
    today = week.now.astimezone(UTC).date()
    left = len(all_of_it.near) - ROWS
    rest = (
        (Prose(text=f"{plural(left, 'more resource')} with more time: opsbot run capacity_trends."),)
        if left > 0
        else ()
    )
    return Section(
        id="capacity", title="Capacity", status=loudest([one.status for one in all_of_it.near]),
        blocks=(_table(all_of_it.near[:ROWS], today), *rest), aside=aside,
    )  # fmt: skip


def _nothing(found: Outlooks) -> str:
    if not found.kept:
        return "Forecasts are not kept here, so nothing is known."
    return "No forecast of the last ten days is known: the job capacity_trends makes them every Monday."


def _table(near: Sequence[Filling], today: date) -> Table:
    return Table(columns=_COLUMNS, rows=tuple(_row(one, today) for one in near))


def _row(one: Filling, today: date) -> Row:
    said = one.said
    spread = (
        "–"
        if said.p10 is None
        else f"from {spoken(said.p10, today)}"
        if said.p90 is None
        else f"{spoken(said.p10, today)}–{spoken(said.p90, today)}"
    )
    act = "now" if one.act_by and one.act_by <= today else spoken(one.act_by, today) or "–"
    texts = (
        "–" if one.share is None else quantity(one.share, Unit.PERCENT), spoken(said.p50, today) or "no date", spread,
        odds(said.p_breach_90d), act,
    )  # fmt: skip
    name = f"{clip(clean(one.environment), 28)} {clip(clean(one.resource), 40)}"
    stands = f"{quantity(said.current, one.source.unit)} of {quantity(said.limit, one.source.unit)}"
    note = (
        f"{one.source.title}: {stands}; {one.source.advice}"
        if one.status is not Status.OK
        else f"{one.source.title}: {stands}"
    )
    return Row(cells=(Cell(text=name, status=one.status), *(Cell(text=text) for text in texts)), note=note)
