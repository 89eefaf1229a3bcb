"""One series against its limit as a scene: bars or a line, what was expected, what is ahead, what happened.

The finding is text beside the picture; the picture holds axes, data, the limit where it lies and the moments that matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opsbot.model.period import epoch, from_epoch
from opsbot.model.report import ChartSpec
from opsbot.render.axis import LONG, ticks
from opsbot.render.extent import Extent, Fan, Values, extent, limit_of
from opsbot.render.format import brief, clip, quantity, short_day, tick, width
from opsbot.render.scene import Area, Dot, Ink, Label, Point, Scene, Shape, Stroke, apart

Size = Literal["large", "small", "phone"]
# Width, height, and what the labels at both sides need. A phone's chart is drawn for it: a smaller one cannot be read.
SIZES: dict[Size, tuple[int, int, int, int]] = {
    "large": (560, 150, 50, 116),
    "small": (272, 128, 44, 8),
    "phone": (358, 150, 46, 108),
}
_ROW, _CHARACTER = 13.0, 6.1  # pixels a row of labels needs, and a letter of it
_ROOM, _MARK = 15, 30  # characters of a label at the end, and of what happened
_ROWS = 2
_BAR = 0.72
_LIMIT_DASH, _YOUNG_DASH, _AHEAD_DASH = (4.8, 3.6), (3.2, 2.6), (4.0, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where the data lie, in pixels; `x` and `y` take moments and values there, one or many."""

    left: float
    top: float
    right: float
    bottom: float
    extent: Extent

    def x(self, at: float) -> float:
        seen = self.extent
        return self.left + (at - seen.start) / (seen.end - seen.start) * (self.right - self.left)

    def y(self, value: float) -> float:
        seen = self.extent
        place = self.bottom - (value - seen.bottom) / (seen.top - seen.bottom) * (self.bottom - self.top)
        return min(max(place, -1e4), 1e4)

    def path(self, times: NDArray[np.int64], values: Values) -> tuple[Point, ...]:
        return tuple((self.x(at), self.y(value)) for at, value in zip(times.tolist(), values.tolist(), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A mark with its place: `x` None is before the picture begins."""

    x: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Happened):
    """The middle of its name, in a row counted upwards; `off` by how much its moment lies beside the name."""

    middle: float
    row: int
    off: float


def scene(spec: ChartSpec, zone: str = "UTC", size: Size = "large") -> Scene:
    """The picture in one of three sizes. Raises ValueError for a series with nothing to draw."""
    seen, small = extent(spec, zone), size == "small"
    wide, high, before, after = SIZES[size]
    left, right = max(float(before), *(_wide(tick(value, spec.unit)) for value in seen.ticks)), float(wide - after)
    marks = _placed(_happened(spec, seen, zone, left, right), left, right)
    top = max(10.0, 5 + _ROW * (1 + max((mark.row for mark in marks), default=-1)))
    frame = Frame(left=left, top=top, right=right, bottom=high - 22.0, extent=seen)
    shapes = (
        *_grid(spec, frame, 7 if size == "large" else 5, wide), *_trouble(spec, frame), *_band(spec, frame), *_fan(frame),
        *(_bars(spec, frame) if spec.bars else _line(spec, frame, 1.6 if small else 2.0)), *_limit(spec, frame),
        *_crossing(spec, frame), *_marks(marks, frame), *(() if small else _ends(spec, frame)),
    )  # fmt: skip
    return Scene(width=wide, height=high, frame=(left, frame.top, right, frame.bottom), shapes=shapes)


def _grid(spec: ChartSpec, frame: Frame, most: int, wide: int) -> Iterator[Shape]:
    seen = frame.extent
    for value in seen.ticks:
        y = frame.y(value)
        yield Stroke(points=((frame.left, y), (frame.right, y)), ink="hair", width=1.2)
        yield Label(at=(frame.left - 7, y), text=tick(value, spec.unit), ink="ink3", anchor="end")
    yield Stroke(points=((frame.left, frame.bottom), (frame.right, frame.bottom)), ink="line", clipped=False)
    for at, text in ticks(int(seen.start), int(seen.end), seen.zone, most):
        x = min(frame.x(at), wide - _wide(text) / 2 + 4)  # a label at the edge stays in the picture
        yield Label(at=(x, frame.bottom + 12), text=text, ink="ink3", anchor="middle")


def _trouble(spec: ChartSpec, frame: Frame) -> Iterator[Shape]:
    """The side of the limit where trouble lies, tinted; and filled where a line went there."""
    if spec.limit is None:
        return
    y, edge = frame.y(spec.limit), frame.top if spec.upward else frame.bottom
    yield Area(points=_box(frame.left, y, frame.right, edge), ink="action", opacity=0.05)
    if not spec.bars:
        yield from (_beyond(spec, spec.limit, frame, run) for run in frame.extent.runs if len(run) > 1)


def _box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _beyond(spec: ChartSpec, limit: float, frame: Frame, run: NDArray[np.int64]) -> Area:
    """Between limit and line, where the line is beyond it: elsewhere the outline runs along the limit."""
    times, values = frame.extent.times[run].astype(float), frame.extent.values[run]
    off = values - limit
    over = np.flatnonzero(off[1:] * off[:-1] < 0)
    share = off[over] / (off[over] - off[over + 1])
    met = times[over] + share * (times[over + 1] - times[over])
    outline = np.insert(times, over + 1, met), np.insert(values, over + 1, limit)
    kept = np.maximum(outline[1], limit) if spec.upward else np.minimum(outline[1], limit)
    points = [(frame.x(at), frame.y(value)) for at, value in zip(outline[0].tolist(), kept.tolist(), strict=True)]
    ground = frame.y(limit)
    outlined = ((points[0][0], ground), *_thin(tuple(points)), (points[-1][0], ground))
    return Area(points=outlined, ink="action", opacity=0.24)


def _band(spec: ChartSpec, frame: Frame) -> Iterator[Shape]:
    """What was expected: steps under bars, a ribbon behind a line."""
    seen = frame.extent
    if seen.low is None or seen.high is None:
        return
    held = np.flatnonzero(np.isfinite(seen.low) & np.isfinite(seen.high))
    half = spec.series.times.step / 2 if spec.bars else 0
    for run in np.split(held, np.flatnonzero(np.diff(held) > 1) + 1):
        if len(run):
            sides = [_thin(_steps(frame, run, row, half)) for row in (seen.high, seen.low)]
            yield Area(points=(*sides[0], *reversed(sides[1])), ink="series", opacity=0.17)
            if spec.bars:
                yield from (Stroke(points=side, ink="series", width=0.8) for side in sides)


def _steps(frame: Frame, run: NDArray[np.int64], row: Values, half: float) -> tuple[Point, ...]:
    moments = frame.extent.times[run].tolist()
    shifts = (-half, half) if half else (0.0,)
    return tuple(
        (frame.x(at + shift), frame.y(value))
        for at, value in zip(moments, row[run].tolist(), strict=True)
        for shift in shifts
    )


def _fan(frame: Frame) -> Iterator[Shape]:
    """Where the ways ahead run: 80 % of them in the light part, the middle one dashed."""
    fan = frame.extent.fan
    if fan is None:
        return
    today = frame.x(float(fan.times[0]))
    yield Stroke(points=((today, frame.top), (today, frame.bottom)), ink="line")
    outline = (*frame.path(fan.times, fan.high), *reversed(frame.path(fan.times, fan.low)))
    yield Area(points=outline, ink="series", opacity=0.16)
    yield Stroke(points=frame.path(fan.times, fan.middle), ink="series", width=1.3, dash=_AHEAD_DASH)


def _bars(spec: ChartSpec, frame: Frame) -> Iterator[Shape]:
    """Pale where all was as expected, loud where it was not; hollow where the figure may still grow."""
    seen, step = frame.extent, spec.series.times.step
    ground = frame.y(min(max(0.0, seen.bottom), seen.top))
    half = max(0.6, (frame.x(seen.start + step) - frame.left) * _BAR / 2)
    for place, (at, value) in enumerate(zip(seen.times.tolist(), seen.values.tolist(), strict=True)):
        if value != value:
            continue
        ink: Ink = "action" if _odd(spec, seen, place, value) else "series"
        box = _box(frame.x(at) - half, frame.y(value), frame.x(at) + half, ground)
        if place >= spec.series.judged:
            yield Area(points=box, ink="paper")
            yield Area(points=box, ink=ink, edge=True)
        else:
            yield Area(points=box, ink=ink, opacity=1.0 if ink == "action" else 0.42)


def _odd(spec: ChartSpec, seen: Extent, place: int, value: float) -> bool:
    """Whether a bar is part of the finding: beyond the limit or what was expected, and not before the trouble began."""
    if spec.since is not None and seen.times[place] + spec.series.times.step <= epoch(spec.since):
        return False
    if spec.limit is not None:
        return value > spec.limit if spec.upward else value < spec.limit
    edge = seen.high if spec.upward else seen.low
    return edge is not None and bool(value > edge[place] if spec.upward else value < edge[place])


def _line(spec: ChartSpec, frame: Frame, thick: float) -> Iterator[Shape]:
    """Settled points solid, the young tail dashed; gaps stay open, and a point alone between gaps is a dot."""
    seen, settled = frame.extent, max(0, min(spec.series.judged, len(frame.extent.values)))
    for run in seen.runs:
        if len(run) == 1:
            yield Dot(at=frame.path(seen.times[run], seen.values[run])[0], ink="series", radius=1.3, ringed=False)
            continue
        solid, young = run[run < settled], run[run >= settled - 1]
        if len(solid) > 1:
            yield Stroke(points=_thin(frame.path(seen.times[solid], seen.values[solid])), ink="series", width=thick)
        if len(young) > 1:
            path = frame.path(seen.times[young], seen.values[young])
            yield Stroke(points=_thin(path), ink="series", width=0.8 * thick, dash=_YOUNG_DASH)
    newest = frame.x(float(seen.times[seen.final])), frame.y(seen.last)
    yield Dot(at=newest, ink="series", radius=2.8)


def _thin(path: tuple[Point, ...]) -> tuple[Point, ...]:
    """What is left to see of more points than pixels: of every pixel its first, highest, lowest and last point."""
    if len(path) < 3 * (path[-1][0] - path[0][0]):
        return path
    columns: dict[int, list[int]] = {}
    for place, (x, _) in enumerate(path):
        columns.setdefault(int(x), []).append(place)
    kept: set[int] = set()
    for places in columns.values():
        by_height = sorted(places, key=lambda place: path[place][1])
        kept |= {places[0], by_height[0], by_height[-1], places[-1]}
    return tuple(path[place] for place in sorted(kept))


def _limit(spec: ChartSpec, frame: Frame) -> Iterator[Shape]:
    if spec.limit is not None:
        y = frame.y(spec.limit)
        yield Stroke(points=((frame.left, y), (frame.right, y)), ink="action", width=1.2, dash=_LIMIT_DASH)


def crossing(spec: ChartSpec, fan: Fan) -> float | None:
    """When the middle way meets the limit, in epoch seconds; None if it does not, or was there already."""
    if spec.limit is None:
        return None
    off = (fan.middle - spec.limit) * (1 if spec.upward else -1)
    there = np.flatnonzero(off >= 0)
    if off[0] >= 0 or not len(there):
        return None
    place = int(there[0])
    share = float(off[place - 1] / (off[place - 1] - off[place]))
    return float(fan.times[place - 1] + share * (fan.times[place] - fan.times[place - 1]))


def _crossing(spec: ChartSpec, frame: Frame) -> Iterator[Shape]:
    """The day the limit is met, where it is met."""
    fan = frame.extent.fan
    at = crossing(spec, fan) if fan else None
    if at is None or spec.limit is None:
        return
    x, y, text = frame.x(at), frame.y(spec.limit), short_day(from_epoch(at), frame.extent.zone)
    above = y - 11 if spec.upward else y + 11
    yield Dot(at=(x, y), ink="action", radius=3.3)
    room = x - frame.left > len(text) * _CHARACTER + 8
    yield Label(
        at=(x - 5 if room else x + 6, above), text=text, ink="action", anchor="end" if room else "start", bold=True
    )


def _happened(spec: ChartSpec, seen: Extent, zone: str, left: float, right: float) -> tuple[Happened, ...]:
    """What has a moment of its own, in order of time; what lies outside the picture is not told, but for `since`."""
    # A bar stands on the beginning of its day, and what happened on that day falls into it.
    shift = spec.series.times.step / 2 if spec.bars else 0
    known = [(epoch(mark.at) - shift, clip(mark.text, _MARK)) for mark in spec.marks]
    scale = (right - left) / (seen.end - seen.start)
    begun = [] if spec.since is None else [(epoch(spec.since) - shift, _since(spec.since, seen, zone))]
    inside = [(at, text) for at, text in sorted([*known, *begun]) if seen.start <= at <= seen.end]
    placed = (Happened(x=left + (at - seen.start) * scale, text=text) for at, text in inside)
    return (*(Happened(x=None, text=text) for at, text in begun if at < seen.start), *placed)


def _since(since: datetime, seen: Extent, zone: str) -> str:
    """To the minute on an axis of hours, the day on one of days."""
    if seen.end - seen.start > LONG:
        return f"since {short_day(since, seen.zone)}"
    return f"since {brief(since, zone, from_epoch(float(seen.times[-1])))}"


def _placed(happened: tuple[Happened, ...], left: float, right: float) -> tuple[Placed, ...]:
    """In one row where every name stands above its moment, in two where that brings them nearer."""
    tries = [tuple(_in_rows(happened, rows, left, right)) for rows in range(1, _ROWS + 1)]
    return min(tries, key=lambda marks: (-len(marks), sum(mark.off > 0 for mark in marks)))


def _in_rows(happened: tuple[Happened, ...], rows: int, left: float, right: float) -> Iterator[Placed]:
    for row in range(rows):
        mine = _fitting(happened[row::rows], right - left)
        for each, middle in zip(mine, _middles(mine, left, right), strict=True):
            off = 0.0 if each.x is None else max(0.0, abs(each.x - middle) - _wide(each.text) / 2)
            yield Placed(x=each.x, text=each.text, middle=middle, row=row, off=off)


def _fitting(happened: tuple[Happened, ...], room: float) -> tuple[Happened, ...]:
    kept: list[Happened] = []
    for each in happened:
        room -= _wide(each.text)
        if room >= 0 or not kept:
            kept.append(each)
    return tuple(kept)


def _middles(happened: tuple[Happened, ...], left: float, right: float) -> list[float]:
    if not happened:
        return []
    halves = [_wide(each.text) / 2 for each in happened]
    wanted = [left if each.x is None else each.x for each in happened]
    gaps = [one + other for one, other in pairwise(halves)]
    return apart(wanted, gaps, left + halves[0] - 8, right - halves[-1] + 8)


def _wide(text: str) -> float:
    return width(text) * _CHARACTER + 8


def _marks(marks: tuple[Placed, ...], frame: Frame) -> Iterator[Shape]:
    """A line where it happened, its name above; a hair leads to a name that had to give way."""
    for mark in marks:
        y = frame.top - 8 - _ROW * mark.row
        if mark.x is not None:
            yield Stroke(points=((mark.x, frame.top), (mark.x, frame.bottom)), ink="ink2", width=0.9, clipped=False)
            side = _wide(mark.text) / 2 - 6
            lead = min(max(mark.x, mark.middle - side), mark.middle + side)
            if not any(other.row < mark.row and abs(other.middle - lead) < _wide(other.text) / 2 for other in marks):
                yield Stroke(points=((lead, y + 6), (mark.x, frame.top)), ink="ink3", width=0.7, clipped=False)
        yield Label(at=(mark.middle, y), text=mark.text, ink="ink2", anchor="middle")


def _ends(spec: ChartSpec, frame: Frame) -> Iterator[Shape]:
    """Named at the right edge instead of in a legend, pushed apart until none covers another."""
    wanted = sorted(_named(spec, frame.extent), key=lambda end: -end[0])
    places = apart(
        [min(max(frame.y(value), frame.top), frame.bottom) for value, *_ in wanted],
        [_ROW] * (len(wanted) - 1), frame.top - 6, frame.bottom + 6,
    )  # fmt: skip
    for (_, text, ink, bold), y in zip(wanted, places, strict=True):
        yield Label(at=(frame.right + 9, y), text=text, ink=ink, bold=bold)


def _named(spec: ChartSpec, seen: Extent) -> Iterator[tuple[float, str, Ink, bool]]:
    if spec.limit is not None:
        yield spec.limit, limit_of(spec), "action", False
    if seen.low is not None and seen.high is not None and np.isfinite(seen.low[-1] + seen.high[-1]):
        yield float(seen.low[-1] + seen.high[-1]) / 2, "expected", "series", False
    if seen.fan is None:
        yield seen.last, _last(spec, seen.last), "series", True
        return
    low, middle, high = (float(row[-1]) for row in (seen.fan.low, seen.fan.middle, seen.fan.high))
    yield middle, f"{short_day(from_epoch(seen.end), seen.zone)}: {quantity(middle, spec.unit)}", "series", True
    between = f"{quantity(low, spec.unit)} to {quantity(high, spec.unit)}"
    if len(between) <= _ROOM + 2:
        yield middle, between, "ink3", False


def _last(spec: ChartSpec, value: float) -> str:
    """The end label: the value judged, with its name where the bundled font can write it and there is room."""
    judged = quantity(value, spec.unit)
    named = f"{spec.label} {judged}"
    return named if spec.label and spec.label.isascii() and spec.label.isprintable() and len(named) <= _ROOM else judged
