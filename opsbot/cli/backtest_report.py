"""A replay as a report, so that it reads like every other one, in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.backtest import Alarm, Came, CostReplay, MetricReplay, Said, Track
from opsbot.evaluate.cost.tell import money
from opsbot.evaluate.seasonal import Anomaly, sentence
from opsbot.evaluate.trend import quantiles
from opsbot.evaluate.trend.sentence import percent
from opsbot.model.finding import Series
from opsbot.model.period import Period, epoch, from_epoch
from opsbot.model.report import (
    Ahead,
    Block,
    Cell,
    Charts,
    ChartSpec,
    Column,
    Mark,
    Prose,
    Report,
    Row,
    Section,
    Table,
)
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import day, plural, quantity, short_day
from opsbot.samples import Values

DAY = 86_400
# Points a chart is made from at most; pictures of single moments; rows of a table.
_POINTS, _PICTURES, _ROWS = 20_000, 12, 200
_FANS, _AHEAD, _LEVELS = 6, 90, np.array([0.1, 0.5, 0.9])
_BARS = 120
# A range that should hold 80 % of the time may hold a little less by chance.
_GOOD = 0.7
_CAME = {
    Came.HIT: Status.OK, Came.SOONER: Status.CRITICAL, Came.LATER: Status.WARNING, Came.OPEN: None, Came.OVER: None,
}  # fmt: skip


def of_metric(replay: MetricReplay, times: NDArray[np.int64], values: Values, unit: Unit, name: str) -> Report:
    """What would have been told of a metric, with a picture of the whole and of each moment."""
    told = len(replay.anomalies)
    headline = f"{plural(told, 'anomaly', 'anomalies')} would have been told in {replay.days:,.0f} days"
    if not replay.learnt:
        headline = f"Nothing could be told: {replay.days:.1f} days of data, learning takes 2"
    status = Status.UNKNOWN if not replay.learnt else Status.WARNING if told else Status.OK
    series = _grid(times, values)
    marks = tuple(Mark(at=from_epoch(one.time), text=str(place)) for place, one in _numbered(replay.anomalies))
    whole = _chart(series, unit, f"{name}: {plural(told, 'anomaly', 'anomalies')}, each at its number.", marks=marks)
    near = tuple(_near(series, one, place, unit) for place, one in list(_numbered(replay.anomalies))[:_PICTURES])
    return Report(
        title="Backtest, metric",
        period=Period(start=from_epoch(replay.first), end=from_epoch(replay.last)),
        headline=headline,
        lede=f"At most {replay.how.alerts_per_month} a month, judged from the past alone; the first 2 days are learning.",
        status=status,
        sections=(
            _section("told", "What would have been told", status, (whole, *_anomalies(replay, unit))),
            *([_section("moments", "Each moment", Status.INFO, (Charts(specs=near, others=told - len(near)),))] if near else []),
        ),
    )  # fmt: skip


def _numbered(found: tuple[Anomaly, ...]) -> Iterator[tuple[int, Anomaly]]:
    return enumerate(found, 1)


def _section(id: str, title: str, status: Status, blocks: tuple[Block, ...]) -> Section:
    return Section(id=id, title=title, status=status, blocks=blocks)


def _anomalies(replay: MetricReplay, unit: Unit) -> Iterator[Block]:
    if not replay.anomalies:
        yield Prose(text="Nothing would have been told.")
        return
    heads = ("Time (UTC)", "Value", "Usual", "Score")
    rows = tuple(
        Row(
            cells=(
                Cell(text=f"{place}. {from_epoch(one.time):%Y-%m-%d %H:%M}"), Cell(text=quantity(one.value, unit)),
                Cell(text=quantity(one.usual, unit)), Cell(text=f"{one.score:.2f}"),
            ),
            note=sentence(one),
        )
        for place, one in list(_numbered(replay.anomalies))[:_ROWS]
    )  # fmt: skip
    yield Table(
        columns=tuple(
            Column(title=head, align="right" if head in ("Value", "Usual", "Score") else "left") for head in heads
        ),
        rows=rows,
    )


def _grid(times: NDArray[np.int64], values: Values) -> Series:
    """Points on even steps; of several in one step the one farthest from the middle is kept, for it is looked for."""
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    gaps = np.diff(times)
    step = int(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 300
    step = max(step, int(times[-1] - times[0]) // _POINTS + 1)
    slots = (times - times[0]) // step
    row = np.full(int(slots[-1]) + 1, np.nan)
    for place in np.argsort(np.abs(values - np.median(values)), kind="stable"):
        row[slots[place]] = values[place]
    start = int(times[0])
    drawn = tuple(None if value != value else value for value in row.tolist())
    return Series(times=range(start, start + step * len(drawn), step), values=drawn, judged=len(drawn))


def _chart(series: Series, unit: Unit, title: str, *, detail: str = "", marks: tuple[Mark, ...] = ()) -> ChartSpec:
    return ChartSpec(title=title, detail=detail, alt=title, series=series, unit=unit, label="", marks=marks)


def _near(series: Series, one: Anomaly, place: int, unit: Unit) -> ChartSpec:
    """A day before and after it."""
    step = series.times.step
    at = (one.time - series.times[0]) // step
    first, last = max(0, at - DAY // step), min(len(series.values), at + DAY // step + 1)
    if last - first < 2:
        first, last = max(0, at - 24), min(len(series.values), at + 25)
    cut = Series(times=series.times[first:last], values=series.values[first:last], judged=last - first)
    title = (
        f"{place}: {quantity(one.value, unit)}, {short_day(from_epoch(one.time), 'UTC')} {from_epoch(one.time):%H:%M}"
    )
    return _chart(cut, unit, title, detail=sentence(one), marks=(Mark(at=from_epoch(one.time), text=str(place)),))


def of_capacity(track: Track, unit: Unit, name: str) -> Report:
    """What was said at each month's end, and what came of it."""
    judged = sum(track.count(came) for came in (Came.HIT, Came.SOONER, Came.LATER))
    hits = track.count(Came.HIT)
    headline = f"{hits} of {plural(judged, 'forecast')} came as said" if judged else _unjudged(track)
    wrong = track.count(Came.SOONER) > 0 or hits < _GOOD * judged
    status = Status.UNKNOWN if not judged else Status.WARNING if wrong else Status.OK
    return Report(
        title="Backtest, capacity",
        period=Period(start=_moment(track.first), end=_moment(track.last + timedelta(days=1))),
        headline=headline,
        lede=_lede(track),
        status=status,
        sections=(
            _section("said", "What was said, and what came", status, (_record(track, unit, name), *_said(track, unit))),
            *([_section("forecasts", "Forecasts", Status.INFO, _pictures(track, unit))] if track.said else []),
        ),
    )  # fmt: skip


def _unjudged(track: Track) -> str:
    return "No forecast can be judged yet" if track.said else "Nothing could be said: fewer than 14 days"


def _lede(track: Track) -> str:
    counts = (
        (track.count(Came.SOONER), "reached sooner than said"), (track.count(Came.LATER), "later"),
        (track.count(Came.OPEN), "still open"), (track.count(Came.OVER), "made when the limit was reached already"),
    )  # fmt: skip
    told = ", ".join(f"{number} {what}" for number, what in counts if number)
    odds = ", ".join(
        f"{score:.2f} for {days} days"
        for score, days in ((track.brier_30d, 30), (track.brier_90d, 90))
        if score is not None
    )
    return " ".join(
        filter(
            None,
            (
                f"{told[:1].upper()}{told[1:]}." if told else "",
                f"Error of the odds (0 is perfect): {odds}." if odds else "",
            ),
        )
    )


def _record(track: Track, unit: Unit, name: str) -> ChartSpec:
    over = np.flatnonzero(track.values >= track.limit)
    reached = track.first + timedelta(days=int(over[0])) if over.size else None
    limit = quantity(track.limit, unit)
    said = f"reached {limit} first on {day(_moment(reached), 'UTC')}." if reached else f"never reached {limit}."
    chart = _chart(_days(track.first, track.values), unit, f"{name} {said}")
    marks = (Mark(at=_moment(reached), text="reached"),) if reached else ()
    return replace(chart, limit=track.limit, marks=marks)


def _days(first: date, values: Values, judged: int | None = None) -> Series:
    start = epoch(_moment(first))
    drawn = tuple(None if value != value else value for value in values.tolist())
    return Series(
        times=range(start, start + DAY * len(drawn), DAY), values=drawn, judged=len(drawn) if judged is None else judged
    )


def _said(track: Track, unit: Unit) -> Iterator[Block]:
    heads = ("Said on", "Value", "30 d", "90 d", "80 % range", "Reached", "Came")
    aligns = ("left", "right", "right", "right", "left", "left", "left")
    rows = tuple(Row(cells=tuple(_forecast(one, unit))) for one in track.said[-_ROWS:])
    yield Table(
        columns=tuple(Column(title=head, align=align) for head, align in zip(heads, aligns, strict=True)), rows=rows
    )


def _forecast(one: Said, unit: Unit) -> Iterator[Cell]:
    found = one.outlook
    yield Cell(text=one.made.isoformat())
    yield Cell(text=quantity(found.current, unit))
    yield Cell(text=percent(found.p_breach_30d))
    yield Cell(text=percent(found.p_breach_90d))
    yield Cell(text=_range(one))
    yield Cell(text=one.reached.isoformat() if one.reached else "no")
    yield Cell(text=str(one.came), status=_CAME[one.came])


def _range(one: Said) -> str:
    early, late = one.day(one.outlook.p10), one.day(one.outlook.p90)
    return "not expected" if early is None else f"{early} to {late}" if late else f"from {early}"


def _pictures(track: Track, unit: Unit) -> tuple[Block, ...]:
    return Prose(text="The newest first. What came is dashed beside the fan."), _fans(track, unit)


def _fans(track: Track, unit: Unit) -> Charts:
    """The last forecasts, each with what came after it."""
    specs = tuple(_fan(track, one, unit) for one in reversed(track.said[-_FANS:]))
    return Charts(specs=specs, others=len(track.said) - len(specs))


def _fan(track: Track, one: Said, unit: Unit) -> ChartSpec:
    made = (one.made - track.first).days + 1
    first = max(0, made - 2 * _AHEAD)
    values = track.values[first : made + _AHEAD]
    start = track.first + timedelta(days=first)
    spread = quantiles(track.values[:made], period=7, horizon=_AHEAD, levels=_LEVELS)
    known = np.flatnonzero(np.isfinite(track.values[:made]))
    after = epoch(_moment(track.first)) + DAY * made
    ahead = Ahead(
        times=range(after, after + DAY * _AHEAD, DAY), low=tuple(spread[:, 0].tolist()), middle=tuple(spread[:, 1].tolist()),
        high=tuple(spread[:, 2].tolist()),
    )  # fmt: skip
    title = f"{day(_moment(one.made), 'UTC')}: {one.came}"
    chart = _chart(
        _days(start, values, made - first), unit, title, detail=f"said: {_range(one)}; reached: {one.reached or 'no'}"
    )
    return replace(chart, limit=track.limit, ahead=ahead if known.size else None)


def of_cost(replay: CostReplay, name: str) -> Report:
    """What would have been told of a bill, on which morning, and when it was over."""
    told = len(replay.alarms)
    judged = replay.mornings > 0
    headline = (
        f"{plural(told, 'cost anomaly', 'cost anomalies')} would have been told in {plural(replay.mornings, 'morning')}"
    )
    status = Status.UNKNOWN if not judged else Status.WARNING if told else Status.OK
    return Report(
        title="Backtest, cost",
        period=Period(start=_moment(replay.first), end=_moment(replay.first + timedelta(days=replay.daily.size))),
        headline=headline if judged else f"Nothing could be told: {replay.daily.size} days of data, learning takes 60",
        lede="The record holds what was billed in the end; how incomplete a day looked the morning after is not in it.",
        status=status,
        sections=(_section("told", "What would have been told", status, (_bill(replay, name), *_alarms(replay))),),
    )


def _bill(replay: CostReplay, name: str) -> ChartSpec:
    """The daily sum: bars where they can still be told apart."""
    cut = max(0, replay.daily.size - _BARS)
    from_day = replay.first + timedelta(days=cut)
    marks = tuple(
        Mark(at=_moment(alarm.told[0]), text=str(place)) for place, alarm in enumerate(replay.alarms, 1)
    )  # fmt: skip
    title = f"{name}: usage a day, each anomaly at the morning it would have been told first."
    if any(mark.at < _moment(from_day) for mark in marks):
        return _chart(_days(replay.first, replay.daily), Unit.USD, title, marks=marks)
    return replace(_chart(_days(from_day, replay.daily[cut:]), Unit.USD, title, marks=marks), bars=True)


def _alarms(replay: CostReplay) -> Iterator[Block]:
    if not replay.alarms:
        yield Prose(text="Nothing would have been told.")
        return
    heads = ("Service", "Told", "Began", "Closed", "Kind", "Impact")
    rows = tuple(_alarm(alarm, place, replay.currency) for place, alarm in enumerate(replay.alarms[:_ROWS], 1))
    yield Table(
        columns=tuple(Column(title=head, align="right" if head == "Impact" else "left") for head in heads), rows=rows
    )


def _alarm(alarm: Alarm, place: int, currency: str) -> Row:
    found = alarm.anomaly
    again = f", {len(alarm.told)} times" if len(alarm.told) > 1 else ""
    cells = (
        f"{place}. {found.service}", f"{alarm.told[0]}{again}", f"{found.start}", f"{alarm.closed or 'open'}", f"{found.kind}",
        money(found.impact, currency),
    )  # fmt: skip
    return Row(cells=tuple(Cell(text=text) for text in cells), note=found.why)


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
