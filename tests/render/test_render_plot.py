"""Where things stand in a picture: bars, what was expected, what is ahead, what happened; and that pictures never break."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.model.finding import Series
from opsbot.model.report import Ahead, Band, ChartSpec, Mark
from opsbot.model.units import Unit
from opsbot.render import chart, letters, plot, svg
from opsbot.render.axis import ticks
from opsbot.render.extent import figures
from opsbot.render.scene import Area, Dot, Label, Scene, apart
from tests.render.drawn import DAY, TODAY, bill, forecast
from tests.render.test_render_chart import SPEC

Same = Callable[[str, str], None]


def labels(scene: Scene) -> list[str]:
    return [shape.text for shape in scene.shapes if isinstance(shape, Label)]


# golden ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spec", "size"),
    [
        ("health", SPEC, "large"),
        ("capacity", forecast(), "large"),
        ("capacity_small", forecast(), "small"),
        ("cost", bill(), "large"),
        ("cost_phone", bill(), "phone"),
    ],
)
def test_golden_pictures(name: str, spec: ChartSpec, size: plot.Size, golden: Same) -> None:
    golden(f"chart_{name}.svg", svg.safely(spec, "light", "Europe/Berlin", size).svg.replace("><", ">\n<") + "\n")


def test_golden_characters(golden: Same) -> None:
    falling = forecast(slope=-0.35, begin=80, limit=20, upward=False)
    drawn = [
        line
        for spec in (SPEC, forecast(), falling, bill())
        for line in (*letters.drawn(spec, "UTC", 78), *letters.told(spec, "UTC"), "")
    ]
    golden("charts.txt", "\n".join(drawn) + "\n")


# what is drawn -----------------------------------------------------------------------------------------------------


def bars(scene: Scene) -> dict[str, int]:
    """Bars by how they look."""
    drawn = [shape for shape in scene.shapes if isinstance(shape, Area) and len(shape.points) == 4]
    return {
        "pale": sum(shape.ink == "series" and shape.opacity < 1 and not shape.edge for shape in drawn),
        "loud": sum(shape.ink == "action" and shape.opacity == 1 and not shape.edge for shape in drawn),
        "hollow": sum(shape.edge for shape in drawn),
    }


@pytest.mark.parametrize(
    ("spec", "looks"),
    [
        pytest.param(bill(), {"pale": 27, "loud": 2, "hollow": 1}, id="above what was expected, yesterday unsettled"),
        pytest.param(replace(bill(), band=None), {"pale": 29, "loud": 0, "hollow": 1}, id="nothing was expected"),
        pytest.param(replace(bill(), band=None, limit=200.0), {"pale": 28, "loud": 1, "hollow": 1}, id="above a limit"),
        pytest.param(
            replace(bill(), since=TODAY - timedelta(days=2)), {"pale": 28, "loud": 1, "hollow": 1}, id="begun later"
        ),
        pytest.param(
            replace(bill(), series=replace(bill().series, judged=30)),
            {"pale": 27, "loud": 3, "hollow": 0},
            id="all settled",
        ),
    ],
)
def test_bars_say_what_they_are(spec: ChartSpec, looks: dict[str, int]) -> None:
    assert bars(plot.scene(spec)) == looks


def test_bars_stand_on_zero() -> None:
    high = replace(bill(), band=None, since=None, series=replace(bill().series, values=(90.0,) * 29 + (99.0,)))
    scene = plot.scene(high)
    assert labels(scene)[0] == "$0"
    grounds = {max(y for _, y in shape.points) for shape in scene.shapes if isinstance(shape, Area)}
    assert grounds == {scene.frame[3]}


@pytest.mark.parametrize(
    ("spec", "day"),
    [
        pytest.param(forecast(), "4 Jan", id="rising"),
        pytest.param(
            forecast(slope=-0.35, begin=80, limit=20, upward=False, seed=5), None, id="falling, later than drawn"
        ),
        pytest.param(forecast(slope=-0.5, begin=80, limit=20, upward=False, seed=5), "11 Dec", id="falling"),
        pytest.param(forecast(slope=0.0), None, id="flat"),
        pytest.param(forecast(limit=60), None, id="over already"),
        pytest.param(replace(forecast(), limit=None), None, id="no limit"),
    ],
)
def test_the_day_the_limit_is_met_is_told_where_it_is_met(spec: ChartSpec, day: str | None) -> None:
    scene = plot.scene(spec)
    met = [shape for shape in scene.shapes if isinstance(shape, Dot) and shape.ink == "action"]
    told = [shape.text for shape in scene.shapes if isinstance(shape, Label) and shape.ink == "action" and shape.bold]
    assert told == ([day] if day else [])
    assert len(met) == len(told)


def test_a_forecast_never_flattens_what_was_measured() -> None:
    wild = forecast()
    assert wild.ahead
    steep = replace(wild, ahead=replace(wild.ahead, high=tuple(high * 1000 for high in wild.ahead.high)))
    assert "100 %" in labels(plot.scene(steep))
    assert "150 %" not in labels(plot.scene(steep))


def test_what_happened_is_named_above_its_moment_and_names_do_not_collide() -> None:
    marks = tuple(Mark(at=TODAY - timedelta(days=days), text=f"release 4.{days}") for days in (3, 4, 50, 200))
    scene = plot.scene(replace(forecast(), marks=marks))
    named = [shape for shape in scene.shapes if isinstance(shape, Label) and shape.text.startswith("release")]
    assert {shape.text for shape in named} == {
        "release 4.50",
        "release 4.4",
        "release 4.3",
    }  # day 200 is not in the picture
    for one, other in pairwise(sorted(named, key=lambda shape: (shape.at[1], shape.at[0]))):
        assert one.at[1] != other.at[1] or other.at[0] - one.at[0] >= 6 * len(one.text)


def test_more_points_than_pixels_cost_no_more() -> None:
    many = Series(
        times=range(0, 60 * 20_000, 60),
        values=tuple(math.sin(n / 900) * 40 + 50 + n % 7 for n in range(20_000)),
        judged=20_000,
    )
    assert len(svg.safely(replace(SPEC, series=many, since=None), "light").svg) < 40_000


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (forecast(), "Now 74.2 %, limit 90 %, 84.3 % to 106 % on 19 Jan."),
        (bill(), "Last $258.00."),
        (replace(SPEC, series=Series(times=range(0), values=(), judged=0)), "No chart: fewer than two points."),
    ],
)
def test_a_chart_without_room_is_told_in_figures(spec: ChartSpec, said: str) -> None:
    assert figures(spec, "UTC") == said


# axes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "zone", "most", "texts"),
    [
        pytest.param(1, "UTC", 7, ["06:00", "12:00", "18:00"], id="a day has hours"),
        pytest.param(6, "UTC", 7, ["21 Oct", "22 Oct", "23 Oct", "24 Oct", "25 Oct"], id="a week has days"),
        pytest.param(30, "UTC", 7, ["26 Oct", "2 Nov", "9 Nov", "16 Nov"], id="a month has Mondays"),
        pytest.param(
            150, "UTC", 7, ["Nov", "Dec", "Jan 2027", "Feb", "Mar"], id="a winter has months and tells the year"
        ),
        pytest.param(
            150, "Europe/Berlin", 5, ["Nov", "Dec", "Jan 2027", "Feb", "Mar"], id="in a zone with another winter time"
        ),
        pytest.param(800, "UTC", 7, ["Jan 2027", "Jul", "Jan 2028", "Jul"], id="two years"),
        pytest.param(4000, "UTC", 7, ["Jan 2028", "Jan 2030", "Jan 2032", "Jan 2034", "Jan 2036"], id="ten years"),
    ],
)
def test_a_time_axis_has_round_places(days: int, zone: str, most: int, texts: list[str]) -> None:
    start = int(TODAY.timestamp()) - 31 * DAY
    told = [text for _, text in ticks(start, start + days * DAY, zone, most)]
    assert told == texts
    assert len(told) <= most + 1


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12), st.floats(1, 40))
@settings(max_examples=200, deadline=None)
def test_labels_keep_apart_and_inside(wanted: list[float], gap: float) -> None:
    placed = apart(sorted(wanted), [gap] * (len(wanted) - 1), -100.0, 100.0)
    assert all(other - one >= gap - 1e-6 for one, other in pairwise(placed))
    assert placed[0] >= -100 - 1e-6
    assert placed[-1] <= max(100, -100 + gap * (len(wanted) - 1)) + 1e-6


def test_labels_that_do_not_collide_stay_where_they_belong() -> None:
    assert apart([10.0, 40.0, 41.0], [13.0, 13.0], 0.0, 100.0) == [10.0, 34.0, 47.0]


# anything ----------------------------------------------------------------------------------------------------------

tame = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 5e-324, 1.0, 100.0])
numbers = st.none() | tame | st.sampled_from([math.nan, math.inf, -math.inf])
limits = st.none() | tame | st.sampled_from([math.nan, math.inf, 1e308])


@st.composite
def specs(draw: st.DrawFn) -> ChartSpec:
    size, step = draw(st.integers(0, 40)), draw(st.sampled_from([60, 300, DAY]))
    start = draw(st.integers(0, 2**31))
    row = st.lists(numbers, min_size=size, max_size=size).map(tuple)
    ahead = draw(st.integers(0, 10))
    way = st.lists(tame, min_size=ahead, max_size=ahead).map(tuple)
    after = start + size * step
    return ChartSpec(
        title=draw(st.text()), detail="", alt="", label=draw(st.text(max_size=20)), unit=draw(st.sampled_from(list(Unit))),
        series=Series(times=range(start, after, step), values=draw(row), judged=draw(st.integers(-1, 50))),
        limit=draw(limits), upward=draw(st.booleans()), bars=draw(st.booleans()),
        since=draw(st.none() | st.just(TODAY)),
        band=draw(st.none() | st.builds(Band, low=row, high=row)),
        ahead=draw(st.none() | st.builds(Ahead, times=st.just(range(after, after + ahead * step, step)), low=way, middle=way, high=way)),
        marks=draw(st.lists(st.builds(Mark, at=st.just(TODAY), text=st.text(max_size=60)), max_size=4).map(tuple)),
    )  # fmt: skip


@given(specs(), st.sampled_from(["large", "small", "phone"]), st.sampled_from(["UTC", "Europe/Berlin", "nowhere"]))
@settings(max_examples=100, deadline=None)
def test_anything_is_drawn_or_noted(spec: ChartSpec, size: plot.Size, zone: str) -> None:
    drawn = svg.safely(spec, "dark", zone, size)
    assert bool(drawn.svg) != bool(drawn.note)
    assert drawn == svg.safely(spec, "dark", zone, size)
    if drawn.svg:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn.svg).iter()}
        assert tags <= {"svg", "clipPath", "rect", "path", "circle", "text"}
        assert "nan" not in drawn.svg.partition("<text")[0]
    lines = letters.drawn(spec, zone, 78)
    assert lines
    assert all(len(line) <= 78 for line in lines)


@pytest.mark.parametrize("spec", [forecast(), bill()], ids=["forecast", "bill"])
@pytest.mark.parametrize("size", ["large", "small"])
def test_a_picture_for_mail_is_small_and_the_same_every_time(spec: ChartSpec, size: plot.Size) -> None:
    png = chart.render(spec, "light", size=size)
    assert len(png) <= 30 * 1024
    assert png == chart.render(spec, "light", size=size)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(replace(bill(), band=Band(low=(1.0,), high=(2.0,))), id="expected of other days"),
        pytest.param(replace(forecast(), ahead=Ahead(times=range(0, DAY, DAY), low=(1.0,), middle=(1.0,), high=(1.0,))), id="ahead of the past"),
        pytest.param(replace(forecast(), ahead=Ahead(times=range(2**31, 2**31 + DAY, DAY), low=(), middle=(1.0,), high=(1.0,))), id="half a fan"),
        pytest.param(replace(forecast(), limit=math.inf), id="a limit beyond all numbers"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_noted_not_drawn(broken: ChartSpec) -> None:
    assert svg.safely(broken, "light").note.startswith("No chart: ")
    assert chart.safely(broken, "light").note == svg.safely(broken, "light").note
    assert letters.drawn(broken, "UTC", 78) == (svg.safely(broken, "light").note,)
