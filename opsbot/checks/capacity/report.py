"""The capacity report's parts, in their order: time left, what to decide, what only costs, what is paid and not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from opsbot.checks.capacity import unused, words
from opsbot.checks.capacity.drawn import charts
from opsbot.checks.capacity.judge import Judged
from opsbot.checks.capacity.looked import Forecasts
from opsbot.checks.capacity.method import method
from opsbot.checks.capacity.track import Track
from opsbot.model.finding import Finding
from opsbot.model.report import Block, Cell, Column, FindingList, Prose, Row, Section, Table
from opsbot.model.status import Status, worst
from opsbot.render.format import clean, clip, count, plural

ROWS, COSTS, UNKNOWNS, ADVICE = 20, 12, 20, 8
AHEAD = 90
WORTH_A_ROW = 0.1
"""Odds of ninety days from which a resource is listed by name."""
_TOLD = (Status.CRITICAL, Status.WARNING)


def capacity_sections(all: Forecasts) -> tuple[Section, ...]:
    """Every part in its place; one with nothing to say says so."""
    return (
        _time_left(all),
        _decide(all),
        _endless(all),
        unused.section(all),
        _no_data(all),
        _not_forecast(all),
        _recommendations(all),
        method(all),
    )


def near(all: Forecasts) -> Sequence[Judged]:
    """What reaches its limit within ninety days with odds worth a row, or needs somebody."""
    return [
        one
        for one in all.limited
        if one.over or one.status in _TOLD or (one.outlook and one.outlook.p_breach_90d >= WORTH_A_ROW)
    ]


def _time_left(all: Forecasts) -> Section:
    rows, limited = near(all), all.limited
    drawn = charts(all, rows or limited[:4])
    return Section(
        id="time_left",
        title="Time left",
        status=worst(one.status for one in limited),
        blocks=(*(_table(all, rows) if rows else _calm(limited)), *drawn),
        aside=f"{count(len(rows))} of {plural(len(limited), 'resource')} with a limit, within {AHEAD} days",
    )


def _calm(limited: Sequence[Judged]) -> tuple[Block, ...]:
    if not limited:
        return (Prose(text="Nothing with a limit could be forecast."),)
    nearest = max(limited, key=lambda one: one.share or 0.0)
    text = f"Nothing is expected to reach its limit within {AHEAD} days. The fullest is {words.full(nearest)} with "
    return (Prose(text=f"{text}{words.now(nearest)}."),)


_COLUMNS = (
    Column(title="Resource"),
    Column(title="Now", align="right"),
    Column(title="A week", align="right", phone=False),
    Column(title="Reached", align="right"),
    Column(title="80 % range", align="right", phone=False),
    Column(title="P(90 d)", align="right", phone=False),
    Column(title="Act by", align="right"),
)


def _table(all: Forecasts, rows: Sequence[Judged]) -> Iterator[Block]:
    yield Table(columns=_COLUMNS, rows=tuple(_row(all, one) for one in rows[:ROWS]))
    if len(rows) > ROWS:
        yield Prose(text=f"{plural(len(rows) - ROWS, 'more resource')} with more time: in the JSON of this run.")


def _row(all: Forecasts, one: Judged) -> Row:
    found, today = one.outlook, all.today
    odds = words.odds(found.p_breach_90d) if found and not one.over else ""
    act = "now" if one.over or (one.act_by and one.act_by <= today) else words.spoken(one.act_by, today)
    cells = (
        words.place(one), words.share(one), words.pace(one), _reached(all, one), words.spread(one, today), odds,
        act if one.status in _TOLD or one.act_by else "",
    )  # fmt: skip
    first, *rest = cells
    said = one.track.limit.said if one.track.limit else ""
    stands = f"{one.track.source.title}: {words.amount(one, one.now)} of {words.amount(one, one.limit)}, {said}"
    note = f"{stands}. {_sentence(one.track.source.advice)}." if one.status in _TOLD else f"{stands}."
    return Row(cells=(Cell(text=first, status=one.status), *(Cell(text=text or "–") for text in rest)), note=note)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _reached(all: Forecasts, one: Judged) -> str:
    if one.over:
        return "now"
    middle = one.days[1]
    if middle is None:
        return "open" if one.days[0] else "no date"
    return f"{words.spoken(middle, all.today)}, {max((middle - all.today).days, 0)} d"


def _decide(all: Forecasts) -> Section:
    keys = {one.track.key: place for place, one in enumerate(all.judged)}
    told = [one for one in all.findings if one.status in _TOLD]
    told.sort(key=lambda one: (-one.status.rank, keys.get(one.key, 0)))
    if not told:
        return _silent("exceptions", "Needs a decision", "Nothing has to be decided now.")
    blocks = (FindingList(findings=tuple(told[:ROWS]), others=max(0, len(told) - ROWS)),)
    status = worst(one.status for one in told)
    return Section(id="exceptions", title="Needs a decision", status=status, blocks=blocks, aside="the worst first")


def _endless(all: Forecasts) -> Section:
    growing = [one for one in all.endless if one.more_usd >= 0.01]
    title, known = "Only the price limits it", len(all.endless)
    if not growing:
        text = "Nothing without a limit grows." if known else "Nothing without a limit was found."
        return _silent("growth_cost", title, text)
    more = sum(one.more_usd for one in growing)
    others = len(growing) - COSTS
    rest = (Prose(text=f"{plural(others, 'other')} grow by less."),) if others > 0 else ()
    return Section(
        id="growth_cost",
        title=title,
        status=Status.OK,
        blocks=(Table(columns=_GROWING, rows=tuple(_grows(one) for one in growing[:COSTS])), *rest),
        aside=f"{count(len(growing))} of {count(known)} grow: {words.usd(more)} a month more in {AHEAD} days",
    )


_GROWING = (
    Column(title="Resource"),
    Column(title="What", phone=False),
    Column(title="Now", align="right"),
    Column(title="A week", align="right"),
    Column(title="A month now", align="right", phone=False),
    Column(title=f"More in {AHEAD} d", align="right"),
)


def _grows(one: Judged) -> Row:
    price = (one.track.source.usd or 0.0) * (one.now or 0.0)
    texts = (
        words.place(one),
        one.track.source.title,
        words.now(one),
        words.pace(one),
        words.usd(price),
        words.usd(one.more_usd),
    )
    return Row(cells=tuple(Cell(text=text) for text in texts))


def _no_data(all: Forecasts) -> Section:
    blind = [one for one in all.findings if one.status is Status.UNKNOWN]
    if not blind:
        return _silent("no_data", "No data", "Everything that was looked for was found.")
    shown = FindingList(findings=tuple(blind[:UNKNOWNS]), others=max(0, len(blind) - UNKNOWNS))
    return Section(id="no_data", title="No data", status=Status.UNKNOWN, blocks=(shown,), aside=_of(blind))


def _of(blind: Sequence[Finding]) -> str:
    return plural(len({one.environment for one in blind}), "environment")


def _not_forecast(all: Forecasts) -> Section:
    untold = [one for one in all.untold if one.status is not Status.UNKNOWN]
    if not untold:
        return _silent("not_forecast", "Not forecast", "Everything with enough history was forecast.")
    groups = Counter((one.track.environment.name, one.track.source.title, one.why) for one in untold)
    rows = tuple(_grouped(untold, key, number) for key, number in sorted(groups.items())[:UNKNOWNS])
    left = len(groups) - UNKNOWNS
    more = (Prose(text=f"{plural(left, 'more kind')} of them: in the JSON of this run."),) if left > 0 else ()
    return Section(
        id="not_forecast",
        title="Not forecast",
        status=Status.OK,
        blocks=(Table(columns=(Column(title="Resource"), Column(title="Why")), rows=rows), *more),
        aside=f"{count(len(untold))} of {plural(len(all.judged), 'series', 'series')}",
    )


def _grouped(untold: Sequence[Judged], key: tuple[str, str, str], number: int) -> Row:
    environment, title, why = key
    first = next(one for one in untold if (one.track.environment.name, one.track.source.title, one.why) == key)
    text = words.full(first) if number == 1 else f"{clip(clean(environment), 28)} {title}, {count(number)} of them"
    return Row(cells=(Cell(text=text), Cell(text=clip(clean(why), 160))))


def _recommendations(all: Forecasts) -> Section:
    wanted = [one for one in near(all) if one.status in _TOLD]
    rows = [*(_do(all, one) for one in wanted[:ADVICE]), *unused.advice(all)[:3], *_dearest(all)]
    if not rows:
        return _silent("recommendations", "Recommendations", "Nothing to recommend.")
    columns = (Column(title="Where"), Column(title="Worth", align="right"))
    return Section(
        id="recommendations", title="Recommendations", status=Status.OK, blocks=(Table(columns=columns, rows=tuple(rows)),)
    )  # fmt: skip


def _do(all: Forecasts, one: Judged) -> Row:
    late = one.over or one.act_by is None or one.act_by <= all.today
    by = "act now" if late else f"act by {words.spoken(one.act_by, all.today)}"
    return _advice(one.track, words.full(one), by)


def _dearest(all: Forecasts) -> list[Row]:
    worth = [one for one in all.endless if one.more_usd >= 1.0][:3]
    return [_advice(one.track, words.full(one), f"{words.usd(one.more_usd)} a month") for one in worth]


def _advice(track: Track, where: str, by: str) -> Row:
    return Row(cells=(Cell(text=where), Cell(text=by)), note=f"{_sentence(track.source.advice)}.")


def _silent(id: str, title: str, text: str) -> Section:
    return Section(id=id, title=title, status=Status.OK, blocks=(Prose(text=text),))
