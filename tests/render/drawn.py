"""A report that holds every kind of picture: forecasts side by side, a bill in bars, scores and cells with trends."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opsbot.model.finding import Series
from opsbot.model.period import epoch
from opsbot.model.report import (
    Ahead,
    Band,
    Cell,
    Charts,
    ChartSpec,
    Column,
    Mark,
    Report,
    Row,
    Score,
    Scorecard,
    Section,
    Table,
)
from opsbot.model.status import Status
from opsbot.model.units import Unit
from tests.render.morning import WINDOW

DAY = 86_400
TODAY = datetime(2026, 11, 20, tzinfo=UTC)


def forecast(
    *, slope: float = 0.35, begin: float = 40.0, limit: float = 90.0, upward: bool = True, seed: int = 1
) -> ChartSpec:
    """A hundred days of a share that runs full, sixty days ahead."""
    chance, end, days, ahead = random.Random(seed), epoch(TODAY), 100, 60
    values = tuple(round(begin + slope * day + chance.gauss(0, 1.2), 3) for day in range(days))
    middle = [values[-1] + slope * (day + 1) for day in range(ahead)]
    doubt = [1.0 + 0.9 * math.sqrt(day + 1) + 0.05 * day for day in range(ahead)]
    return ChartSpec(
        title="meridian", detail=f"Aurora storage, limit {limit:g} %", alt="meridian, Aurora storage", unit=Unit.PERCENT,
        series=Series(times=range(end - (days - 1) * DAY, end + DAY, DAY), values=values, judged=days),
        label="", limit=limit, upward=upward,
        ahead=Ahead(
            times=range(end + DAY, end + (ahead + 1) * DAY, DAY), middle=tuple(middle),
            low=tuple(mid - wide for mid, wide in zip(middle, doubt, strict=True)),
            high=tuple(mid + wide for mid, wide in zip(middle, doubt, strict=True)),
        ),
    )  # fmt: skip


def bill() -> ChartSpec:
    """Thirty days in dollars, the last three far above what was expected, yesterday not settled."""
    chance, days, end = random.Random(3), 30, epoch(TODAY) - DAY
    times = range(end - (days - 1) * DAY, end + DAY, DAY)
    expected = [72.0 if datetime.fromtimestamp(at, UTC).weekday() < 5 else 58.0 for at in times]
    values = [round(usual + chance.gauss(0, 4), 2) for usual in expected]
    values[-3:] = [148.0, 207.0, 258.0]
    return ChartSpec(
        title="harbor Lambda is $400 over in 3 days and rising.", detail="Daily unblended cost. 19 Nov is an estimate.",
        alt="harbor Lambda, daily cost", unit=Unit.USD, label="", bars=True,
        series=Series(times=times, values=tuple(values), judged=days - 1),
        band=Band(low=tuple(usual - 12 for usual in expected), high=tuple(usual + 12 for usual in expected)),
        since=TODAY - timedelta(days=3), marks=(Mark(at=TODAY - timedelta(days=4, hours=-22), text="deploy 2.9.1"),),
    )  # fmt: skip


def card() -> Scorecard:
    climbing = tuple(10_000 + 100.0 * week for week in range(12))
    return Scorecard(
        scores=(
            Score(name="Availability", value="99.94 %", target="99.9 %", status=Status.OK, change="0.03 pt worse",
                  trend=(99.9, 99.95, None, 99.97, 99.94)),
            Score(name="Spend", value="$11,842", target="$11,200", status=Status.WARNING, change="6.1 % worse", trend=climbing),
            Score(name="Security findings", value="0", target="0", status=Status.OK),
        )
    )  # fmt: skip


def table() -> Table:
    columns = (Column(title="Resource"), Column(title="7 days", phone=False), Column(title="Crosses", align="right"))
    cells = (
        Cell(text="meridian storage", status=Status.CRITICAL),
        Cell(text="", trend=(70.0, 72.0, 75.0, 81.0)),
        Cell(text="4 Dec"),
    )
    return Table(columns=columns, rows=(Row(cells=cells, note="Archive old partitions"),))


def many() -> Charts:
    names = ("meridian", "valemont", "summit", "tidewater", "oakfield")
    return Charts(
        specs=tuple(replace(forecast(seed=n, slope=0.4 - 0.09 * n), title=name) for n, name in enumerate(names)),
        others=37,
    )


def report() -> Report:
    marked = replace(
        forecast(),
        title="meridian storage reaches 90 % on 4 January.",
        marks=(Mark(at=TODAY - timedelta(days=44), text="clean-up"),),
    )
    return Report(
        title="Capacity", period=WINDOW, headline="meridian storage fills first, on 4 December", lede="One needs a decision.",
        status=Status.CRITICAL,
        sections=(
            Section(id="scores", title="Scorecard", status=Status.WARNING, blocks=(card(),)),
            Section(id="left", title="Time left", status=Status.CRITICAL, blocks=(table(), many())),
            Section(id="cost", title="Cost", status=Status.CRITICAL, blocks=(bill(), marked)),
        ),
    )  # fmt: skip
