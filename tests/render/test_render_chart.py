"""Pictures: their size, their price, what they show, and what happens where there is nothing to show."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image

from opsbot.model.finding import Series
from opsbot.model.report import ChartSpec
from opsbot.model.status import Verdict
from opsbot.model.units import Unit
from opsbot.render import chart
from opsbot.render.tokens import DARK, LIGHT
from opsbot.render.trend import HEIGHT, WIDTH, trend
from tests.render.morning import NOW, series

SPEC = ChartSpec(
    title="CPU has been above 80 % since 05:00.",
    detail="",
    alt="",
    series=series(46, 93, NOW - timedelta(hours=3)),
    unit=Unit.PERCENT,
    label="backend",
    limit=80.0,
    since=NOW - timedelta(hours=3),
)


def near(png: bytes, colour: str) -> int:
    """How many pixels are close to a colour."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return int((np.abs(pixels - wanted).max(axis=2) < 24).sum())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_is_small_and_twice_its_size(theme: str) -> None:
    png = chart.render(SPEC, theme)  # type: ignore[arg-type]
    assert Image.open(io.BytesIO(png)).size == (1120, 300)
    assert len(png) < 30 * 1024


def test_a_chart_wears_its_theme() -> None:
    light, dark = chart.render(SPEC, "light"), chart.render(SPEC, "dark")
    assert near(light, LIGHT.paper) > 200_000
    assert near(dark, DARK.paper) > 200_000
    assert near(dark, LIGHT.paper) < 3000
    assert (
        min(near(light, LIGHT.series), near(light, LIGHT.action), near(dark, DARK.series), near(dark, DARK.action))
        > 300
    )


def test_the_limit_is_drawn_and_the_breach_filled_where_it_was_crossed() -> None:
    with_limit, without = chart.render(SPEC, "light"), chart.render(replace(SPEC, limit=None), "light")
    filled = "#e2c0c6"  # the action colour at a quarter over the tint
    assert near(with_limit, filled) > 2000 > near(without, filled)
    below = replace(SPEC, upward=False)
    assert near(chart.render(below, "light"), filled) > 20_000


def test_gaps_stay_open_and_lonely_points_are_seen() -> None:
    start = NOW.timestamp() - 86400
    times = range(int(start), int(start) + 300 * 288, 300)
    holes = Series(
        times=times, values=tuple(50.0 if n < 40 or n == 140 or n > 250 else None for n in range(288)), judged=288
    )
    drawn = near(chart.render(replace(SPEC, series=holes, limit=None, since=None), "light"), LIGHT.series)
    whole = replace(holes, values=(50.0,) * 288)
    assert drawn < 0.7 * near(chart.render(replace(SPEC, series=whole, limit=None, since=None), "light"), LIGHT.series)


def test_money_is_not_mathematics() -> None:
    spec = replace(SPEC, label=r"$x_{\frac", unit=Unit.USD)
    assert chart.safely(spec, "light").note == ""


@pytest.mark.parametrize("label", ["سلام" * 20, "中文", "😀", "a\nb", "<b>", "\x1b[31m", ""])
def test_no_label_stops_a_chart(label: str) -> None:
    assert chart.safely(replace(SPEC, label=label), "light").png


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ((None, None, None), "No chart: the series has no points."),
        ((math.nan, math.inf), "No chart: the series has no points."),
        ((1.0,), "No chart: fewer than two points."),
        ((), "No chart: fewer than two points."),
        ((1e308, 1e308, 5.0), "No chart: the values are too large to draw."),
    ],
)
def test_a_chart_that_cannot_be_drawn_becomes_a_note(values: tuple[float | None, ...], note: str) -> None:
    spec = replace(SPEC, series=Series(times=range(len(values)), values=values, judged=len(values)), since=None)
    assert chart.safely(spec, "light") == chart.Drawn(b"", note)


@pytest.mark.parametrize("limit", [0.0, -1e9, 1e14, math.nan, math.inf, None])
@pytest.mark.parametrize("level", [0.0, -5.0, 1e-12, 1e14])
def test_any_level_and_limit_is_drawn_or_noted(level: float, limit: float | None) -> None:
    flat = Series(times=range(0, 3000, 300), values=(level,) * 10, judged=0)
    drawn = chart.safely(replace(SPEC, series=flat, limit=limit, since=None), "light")
    assert bool(drawn.png) != bool(drawn.note)


def test_a_trend_is_word_sized_and_marks_what_is_bad() -> None:
    calm, bad = trend((1.0, 2.0, None, 3.0), 2.5), trend((1.0, 2.0, None, 3.0), 2.5, Verdict.ACTION)
    assert Image.open(io.BytesIO(calm)).size == (2 * WIDTH, 2 * HEIGHT)
    assert len(calm) < 2048
    assert calm != bad


@pytest.mark.parametrize("values", [(), (1.0,), (None, None), (math.nan, math.inf), (1e308, -1e308)])
def test_a_trend_of_nothing_is_nothing(values: tuple[float | None, ...]) -> None:
    assert trend(values) == b""


def test_a_trend_shows_where_it_usually_was() -> None:
    """From seven points on, and not where a limit is drawn: two grounds would say nothing."""
    level = (1.0, 2.0, 1.5, 2.0, 1.2, 1.8, 1.6)

    def ground(values: tuple[float, ...], limit: float | None = None) -> bool:
        opaque = np.asarray(Image.open(io.BytesIO(trend(values, limit))).convert("RGBA"))[..., 3]
        return int(((opaque > 20) & (opaque < 70)).sum()) > 8 * WIDTH

    assert ground((*level, 9.0))
    assert not ground(level[:5])
    assert not ground((*level, 9.0), 5.0)
