"""What the bills come to: this month with its end, services week over week, six weeks and twelve months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from opsbot.checks.spending.course import GROWING, Month, Mover, months, movers, series, totals, week_sums
from opsbot.checks.spending.reading import Billed, Spending
from opsbot.checks.spending.words import dollars, exact, month, percent
from opsbot.evaluate.cost import Bill
from opsbot.model.report import Cell, ChartSpec, Column, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip

MOVERS, WEEKS, MONTHS = 8, 6, 12
SAME = 0.03


def sections(all: Billed) -> tuple[Section, ...]:
    known = [(one, one.bill) for one in all.spending if one.bill is not None]
    return (_month(known), _movers(known), _weeks(known), _months(known))


Known = Sequence[tuple[Spending, Bill]]


def _silent(id: str, title: str, text: str) -> Section:
    return Section(id=id, title=title, status=Status.OK, blocks=(Prose(text=text),))


def _month(known: Known) -> Section:
    rows = tuple(row for one, bill in known if (row := _end(one, bill)))
    if not rows:
        return _silent("month", "This month", "Two weeks of a bill are needed to foresee a month's end.")
    first = next(one.end.month for one, _ in known if one.end)
    columns = (
        Column(title="Payer"),
        Column(title="So far", align="right"),
        Column(title="By its end", align="right"),
        Column(title="Likely from", align="right"),
        Column(title="to", align="right"),
        Column(title="Change", phone=False),
    )
    return Section(
        id="month",
        title=f"{month(first)} by its end",
        status=Status.OK,
        blocks=(Table(columns=columns, rows=rows),),
        aside="80 of 100 months end within the range",
    )


def _end(one: Spending, bill: Bill) -> Row | None:
    end = one.end
    if end is None:
        return None
    before = next((m for m in months([bill]) if m.first < end.month and m.days == m.of and m.cost > 0), None)
    change = f"{_change(end.p50 / before.cost - 1)} than {month(before.first)}" if before else ""
    texts = (end.spent, end.p50, end.p10, end.p90)
    return Row(
        cells=(
            Cell(text=clean(one.payer.name), trend=week_sums(totals(bill)[:-GROWING], WEEKS)),
            *(Cell(text=exact(amount, one.currency)) for amount in texts),
            Cell(text=change),
        )
    )


def _change(share: float) -> str:
    if abs(share) < 0.005:
        return "no more"
    return f"{percent(abs(share))} {'more' if share > 0 else 'less'}"


def _movers(known: Known) -> Section:
    found = [(one, mover) for one, bill in known for mover in movers(bill, WEEKS)]
    moved = [(one, mover) for one, mover in found if _moved(one, mover)]
    moved.sort(key=lambda pair: -abs(pair[1].change))
    if not moved:
        text = "No service's week differs much from the one before." if found else "Two whole weeks are needed."
        return _silent("movers", "Movers", text)
    columns = (
        Column(title="Service"),
        Column(title="Last week", align="right"),
        Column(title="Week before", align="right", phone=False),
        Column(title="Change", align="right"),
        Column(title="Payer", phone=False),
    )
    rows = tuple(_mover(one, mover) for one, mover in moved[:MOVERS])
    return Section(
        id="movers",
        title="Movers",
        status=Status.OK,
        blocks=(Table(columns=columns, rows=rows),),
        aside="whole weeks that are billed to their end; trend of six weeks",
    )


def _moved(one: Spending, mover: Mover) -> bool:
    return abs(mover.change) > max(7 * one.sensitivity.floor_usd / 2, SAME * mover.before)


def _mover(one: Spending, mover: Mover) -> Row:
    share = (
        f" ({mover.change / mover.before:+.0%})"
        if mover.before > 0.01 * abs(mover.week) and mover.before > 0
        else " (new)"
    )
    sign = "+" if mover.change > 0 else ""
    return Row(
        cells=(
            Cell(text=clip(mover.service, 40), trend=mover.weeks),
            Cell(text=exact(mover.week, one.currency)),
            Cell(text=exact(mover.before, one.currency)),
            Cell(text=f"{sign}{exact(mover.change, one.currency)}{share}"),
            Cell(text=clean(one.payer.name)),
        )
    )


def _weeks(known: Known) -> Section:
    charts = tuple(_chart(one, bill) for one, bill in known[:4] if bill.cost.shape[1] >= 2)
    if not charts:
        return _silent("weeks", "Six weeks", "No bill is known yet.")
    return Section(id="weeks", title="Six weeks", status=Status.OK, blocks=charts, aside="the whole bill by day")


def _chart(one: Spending, bill: Bill) -> ChartSpec:
    daily = totals(bill)[-WEEKS * 7 :]
    first = bill.morning - timedelta(days=len(daily))
    sums = week_sums(totals(bill)[:-GROWING], 2)
    name = clean(one.payer.name)
    return ChartSpec(
        title=_told(name, sums, one.currency),
        detail=f"Amortized cost by day (UTC), {one.currency}, with fees, tax and credits. The last two days may grow.",
        alt=f"The bill of {name}, {len(daily)} days.",
        series=series(daily, first),
        unit=Unit.USD if one.currency == "USD" else Unit.COUNT,
        label=name,
        bars=True,
    )


def _told(name: str, sums: tuple[float | None, ...], currency: str) -> str:
    before, last = sums
    if last is None:
        return f"{name}: less than a week is known."
    if not before:
        return f"{name} cost {dollars(last, currency)} in the last whole week."
    return f"{name} cost {dollars(last, currency)} in the last whole week, {_change(last / before - 1)} than before."


def _months(known: Known) -> Section:
    if not known:
        return _silent("months", "Twelve months", "No bill is known yet.")
    columns = (
        Column(title="Month"),
        *(Column(title=clip(clean(one.payer.name), 30), align="right") for one, _ in known[:4]),
        Column(title="Known", phone=False),
    )
    by_payer = [{m.first: m for m in months([bill], MONTHS)} for _, bill in known[:4]]
    firsts = sorted({first for mine in by_payer for first in mine}, reverse=True)[:MONTHS]
    rows = []
    for first in firsts:
        cells = [_cost(mine.get(first), one) for mine, (one, _) in zip(by_payer, known, strict=False)]
        rows.append(Row(cells=(Cell(text=f"{month(first)} {first.year}"), *cells, Cell(text=_known(first, by_payer)))))
    return Section(
        id="months",
        title="Twelve months",
        status=Status.OK,
        blocks=(Table(columns=columns, rows=tuple(rows)),),
        aside="as far back as bills were read",
    )


def _cost(found: Month | None, one: Spending) -> Cell:
    return Cell(text="" if found is None else exact(found.cost, one.currency))


def _known(first: date, by_payer: Sequence[dict[date, Month]]) -> str:
    parts = [mine[first] for mine in by_payer if first in mine]
    least = min(parts, key=lambda one: one.days)
    return "whole" if least.days == least.of else f"{least.days} of {least.of} days"
