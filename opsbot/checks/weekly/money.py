"""The section "cost": the month against its budget, what moved the bill, six weeks and twelve months."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from opsbot.checks.spending import telling
from opsbot.checks.spending.names import part
from opsbot.checks.spending.names import service as called
from opsbot.checks.spending.words import dollars, exact, month, percent, short
from opsbot.checks.weekly.spent import Moved, Paced, Spent
from opsbot.checks.weekly.week import Week
from opsbot.model.finding import Series
from opsbot.model.period import epoch
from opsbot.model.report import Ahead, Block, Cell, Charts, ChartSpec, Column, Facts, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip
from opsbot.render.format import month as month_name
from opsbot.samples import Values

DAY = 86400
MOVERS, WEEKS, MONTHS = 6, 6, 12
_A_MONTH = 2_629_800
_LEAST_MONTHS = 3
# Less than this in a week is nobody's decision.
_WORTH = 5.0


def section(week: Week) -> Section:
    spent = week.spent
    if not spent.days or spent.until is None:
        return Section(
            id="cost_analysis", title="Cost", status=Status.UNKNOWN if spent.payers else Status.OK,
            blocks=(Prose(text=_unknown(spent)),),
        )  # fmt: skip
    return Section(
        id="cost_analysis",
        title="Cost",
        status=_status(spent),
        blocks=tuple(_blocks(week)),
        aside=f"bills through {short(spent.until)}; the last two days are estimates",
    )


def _unknown(spent: Spent) -> str:
    if spent.payers:
        return "No bill of this week is known: the last one was read before it. The job cost_anomalies reads bills every morning."
    return (
        "No bill is known: set payer = true on the environment that pays, and let the job cost_anomalies read its bill."
    )


def _status(spent: Spent) -> Status:
    over = spent.paced is not None and spent.paced.over
    return Status.WARNING if over or any(life.open for _, life in spent.lives) else Status.OK


def _blocks(week: Week) -> Iterator[Block]:
    spent = week.spent
    yield _facts(week)
    if spent.paced is not None and (drawn := pace(spent, spent.paced)) is not None:
        yield drawn
    yield from _movers(week)
    charts = [chart for chart in (_weeks(week), _months(spent)) if chart is not None]
    if charts:
        yield Charts(specs=tuple(charts))
    if spent.left_out:
        names = clip(", ".join(map(clean, spent.left_out)), 120)
        yield Prose(text=f"Not added up, in another currency: {names}.")


def _facts(week: Week) -> Facts:
    spent = week.spent
    course = spent.course(None, week.calendar)
    pairs = [
        (
            week.calendar.name,
            f"{_sum(spent, course.now)}{_against(spent, course.before, course.now, week.calendar.name_before)}",
        )
    ]
    if course.year is not None:
        pairs.append(
            ("Last year", f"{exact(course.year, spent.currency)} in the same days{_grown(course.now, course.year)}")
        )
    paced = spent.paced
    if paced is not None and paced.end is not None:
        end = paced.end
        over = end.p50 - paced.limit
        stands = f"{dollars(abs(over))} {'over' if over > 0 else 'under'} its {dollars(paced.limit)} ({clip(clean(paced.name), 40)})"
        pairs.append(
            (
                f"{month(end.month)}",
                f"ends near {dollars(end.p50)} ({dollars(end.p10)} to {dollars(end.p90)}), {stands}",
            )
        )
    elif paced is None:
        pairs.append(("Budget", "none for all of this; [[budgets]] in config.toml sets one"))
    return Facts(pairs=tuple(pairs))


def _sum(spent: Spent, now: float | None) -> str:
    part_of = "" if spent.days == 7 else f" in the {spent.days} days that are billed"
    return f"{exact(now or 0.0, spent.currency)}{part_of}"


def _against(spent: Spent, before: float | None, now: float | None, name: str) -> str:
    return f", {exact(before, spent.currency)} in {name}{_grown(now, before)}" if before is not None else ""


def _grown(now: float | None, before: float | None) -> str:
    if not before or now is None:
        return ""
    share = now / before - 1
    return ": the same" if abs(share) < 0.005 else f": {percent(abs(share))} {'more' if share > 0 else 'less'} now"


def pace(spent: Spent, paced: Paced) -> ChartSpec | None:
    """How far the month is from an even pace of its budget, day by day, and where it is heading.

    Fees and tax come in one piece on some day: they are taken off the budget, and use is held against the rest.
    """
    if paced.end is None or spent.until is None or spent.until < paced.end.month:
        return None
    first = paced.end.month
    length = monthrange(first.year, first.month)[1]
    days = slice((first - paced.first).days, (spent.until - paced.first).days + 1)
    use = np.nancumsum(spent.of()[days])
    fees = float(np.nansum(paced.daily[days])) - float(use[-1])
    even = (paced.limit - fees) / length
    off = use - even * np.arange(1, len(use) + 1)
    over = paced.end.p50 - paced.limit
    start = _midnight(first)
    apart = f", after {dollars(fees, spent.currency)} of fees and tax" if fees >= 1 else ""
    return ChartSpec(
        title=_crossed(off, first, over, spent),
        detail=f"Spent so far less an even daily pace to {dollars(paced.limit)}{apart}; {spent.currency}. "
        "The band holds 80 of 100 ways the month may end.",
        alt=f"Distance from an even budget pace: now {_signed(float(off[-1]))}, at the month's end {_signed(over)}.",
        series=Series(
            times=range(start, start + DAY * len(off), DAY),
            values=tuple(round(float(v), 2) for v in off),
            judged=len(off),
        ),
        unit=Unit.USD,
        label="over pace" if off[-1] > 0 else "under pace",
        limit=0.0,
        limit_text=f"budget {dollars(paced.limit, spent.currency)}",
        since=_since(off, first),
        ahead=_ahead(paced, float(off[-1]), start + DAY * len(off), length - len(off)) if len(off) < length else None,
    )


def _midnight(day: date) -> int:
    return epoch(datetime.combine(day, time(), UTC))


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{dollars(value)}"


def _begun(off: Values) -> int | None:
    """From which day on it has been above pace without a break; None where it is not."""
    if not len(off) or off[-1] <= 0:
        return None
    below = np.flatnonzero(off <= 0)
    return int(below[-1]) + 1 if len(below) else 0


def _crossed(off: Values, first: date, over: float, spent: Spent) -> str:
    """Where it stands and where it is heading, as one sentence; the two may differ."""
    name, begun = month(first), _begun(off)
    heading = f"{name} is heading for {dollars(abs(over), spent.currency)} {'over' if over > 0 else 'under'} budget"
    if begun is None:
        return f"Spend is below an even budget pace{', but' if over > 0 else ', and'} {heading}."
    if over > 0:
        return f"Spend has been above budget pace since {short(first + timedelta(days=begun))}, and {heading}."
    return f"Spend is {dollars(float(off[-1]), spent.currency)} above an even pace, but {heading}."


def _since(off: Values, first: date) -> datetime | None:
    begun = _begun(off)
    return None if begun is None else datetime.combine(first + timedelta(days=begun), time(), UTC)


def _ahead(paced: Paced, off: float, start: int, left: int) -> Ahead | None:
    """Straight from today to each likely end: the bill's own shape within a month says no more."""
    if paced.end is None:
        return None
    share = np.arange(1, left + 1) / left

    def way(total: float) -> tuple[float, ...]:
        return tuple(round(float(v), 2) for v in off + (total - paced.limit - off) * share)

    times = range(start, start + DAY * left, DAY)
    return Ahead(times=times, low=way(paced.end.p10), middle=way(paced.end.p50), high=way(paced.end.p90))


def _movers(week: Week) -> Iterator[Block]:
    moved = [one for one in week.spent.moved(week.calendar) if abs(one.change) >= _WORTH]
    if not moved:
        yield Prose(text=f"No service of any environment moved the bill by {dollars(_WORTH)} or more.")
        return
    grown = sum(one.change for one in moved if one.change > 0)
    columns = (
        Column(title="What moved the bill"),
        Column(title=week.calendar.name_before.removeprefix("the "), align="right", phone=False),
        Column(title=week.calendar.name, align="right"),
        Column(title="Change", align="right"),
        Column(title="Share of rise", align="right", phone=False),
    )
    yield Table(columns=columns, rows=tuple(_mover(week, one, grown) for one in moved[:MOVERS]))


def _mover(week: Week, one: Moved, grown: float) -> Row:
    currency = week.spent.currency
    change = f"{'▲' if one.change > 0 else '▼'} {exact(abs(one.change), currency)}"
    share = percent(one.change / grown) if one.change > 0 and grown else ""
    texts = (
        f"{clean(one.environment)}, {clip(one.service, 36)}",
        exact(one.before, currency),
        exact(one.now, currency),
        change,
        share,
    )
    return Row(cells=tuple(Cell(text=text) for text in texts), note=_why(week.spent, one))


def _why(spent: Spent, moved: Moved) -> str:
    """The anomaly that lies behind it, if one does."""
    for one, life in spent.lives:
        for cause in life.anomaly.causes:
            place = one.accounts.environment(cause.account, cause.region).name
            if place == moved.environment and called(cause.service) == moved.service and life.open:
                return f"Cost anomaly in {part(cause)}: {telling.amount_over(one, life)}"
    return ""


def _weeks(week: Week) -> ChartSpec | None:
    spent = week.spent
    course = spent.course(None, week.calendar)
    known = course.weeks[-WEEKS:]
    if sum(value is not None for value in known) < 2:
        return None
    start = _midnight(week.calendar.first_day - timedelta(weeks=WEEKS - 1))
    part_of = "whole weeks" if spent.days == 7 else f"the first {spent.days} days of each"
    return _bars("Six weeks", f"Cost by week, {part_of}.", start, 7 * DAY, known, spent, week.calendar.name)


def _months(spent: Spent) -> ChartSpec | None:
    """Of each calendar month that is known to its end, and the one that is not."""
    if spent.first is None or spent.until is None:
        return None
    sums = [(first, value) for first, value in _by_month(spent.whole, spent.first) if value is not None][-MONTHS:]
    if len(sums) < _LEAST_MONTHS:
        return None
    middle = _midnight(sums[-1][0]) + 14 * DAY
    start = middle - _A_MONTH * (len(sums) - 1)
    name = f"{_plain(len(sums))} months"
    last = f"Cost by calendar month; {month_name(sums[-1][0], year=False)} is not over."
    drawn = _bars(
        name, last, start, _A_MONTH, tuple(value for _, value in sums), spent, month_name(sums[-1][0], year=False)
    )
    # The month that is not over is drawn hollow.
    return replace(drawn, series=replace(drawn.series, judged=len(sums) - 1))


def _plain(number: int) -> str:
    words = {12: "Twelve", 6: "Six"}
    return words.get(number, str(number))


def _by_month(daily: Values, first: date) -> Iterator[tuple[date, float | None]]:
    """From the first whole month on."""
    months: dict[date, list[float]] = {}
    for place, value in enumerate(daily):
        day = first + timedelta(days=place)
        months.setdefault(day.replace(day=1), []).append(float(value))
    for begun, values in months.items():
        known = [value for value in values if value == value]
        whole = begun >= first and len(known) == len(values)
        yield begun, sum(known) if whole else None


def _bars(
    title: str, detail: str, start: int, step: int, values: Sequence[float | None], spent: Spent, label: str
) -> ChartSpec:
    last = values[-1]
    return ChartSpec(
        title=title,
        detail=detail,
        alt=f"{title}: the last one {exact(last or 0.0, spent.currency)}.",
        series=Series(times=range(start, start + step * len(values), step), values=tuple(values), judged=len(values)),
        unit=Unit.USD if spent.currency == "USD" else Unit.COUNT,
        label=label,
        bars=True,
    )
