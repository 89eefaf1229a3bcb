"""One series against its limit, as a small PNG; the only file that imports matplotlib, and only when a chart is drawn.

The finding is text beside the picture; the picture holds axes, data, the limit where it lies and the moment the
breach began. Everything in it is placed in CSS pixels and drawn at twice their number.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from opsbot.model.period import epoch, from_epoch
from opsbot.model.report import ChartSpec
from opsbot.render.axis import moments, nice
from opsbot.render.format import brief, clock, quantity
from opsbot.render.tokens import THEMES, Theme, ThemeName

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCALE = 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 116, 18, 22
_PT = 8.3  # 11 px: the smallest text
_ROOM = 15  # characters that fit between the line's end and the edge
_LARGEST = 1e15
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, or the note that stands in its place."""

    png: bytes
    note: str = ""


@lru_cache(maxsize=64)
def safely(spec: ChartSpec, theme: ThemeName, zone: str = "UTC", width: int = 560, height: int = 150) -> Drawn:
    """The chart, or a note where it cannot be drawn: a report without a picture beats no report."""
    try:
        return Drawn(render(spec, theme, width, height, zone=zone))
    except ValueError as error:
        return Drawn(b"", f"No chart: {error}.")
    except Exception:  # noqa: BLE001  matplotlib may fail in any way on data from outside; the text still carries the finding
        return Drawn(b"", "No chart: it could not be drawn.")


def render(spec: ChartSpec, theme: ThemeName, width: int = 560, height: int = 150, *, zone: str = "UTC") -> bytes:
    """PNG at twice `width` x `height`. Raises ValueError for a series with nothing to draw."""
    times, values = _points(spec)
    colours, final = THEMES[theme], _final(spec, values)
    figure, axes = _canvas(colours, width, height)
    _scales(axes, spec, times, values, zone, colours)
    _breach(axes, spec, times, values, colours)
    _line(axes, spec, times, values, final, colours)
    _since(axes, spec, times, zone, colours)
    _end_labels(axes, spec, float(values[final]), colours, height)
    return _png(figure)


def _final(spec: ChartSpec, values: Values) -> int:
    """The last settled point: the one that was judged, where there is one."""
    held = np.flatnonzero(np.isfinite(values))
    settled = held[held < spec.series.judged]
    return int((settled if len(settled) else held)[-1])


def _points(spec: ChartSpec) -> tuple[NDArray[np.int64], Values]:
    times = np.asarray(spec.series.times, dtype=np.int64)
    values = np.asarray([np.nan if v is None else v for v in spec.series.values], dtype=np.float64)
    drawn = values[np.isfinite(values)]
    if len(times) != len(values) or len(times) < 2:
        raise ValueError("fewer than two points")
    if not len(drawn):
        raise ValueError("the series has no points")
    if np.abs(drawn).max() > _LARGEST or (spec.limit is not None and not abs(spec.limit) <= _LARGEST):
        raise ValueError("the values are too large to draw")
    return times, np.where(np.isfinite(values), values, np.nan)


def _canvas(colours: Theme, width: int, height: int) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _fonts()
    figure = Figure(figsize=(width / 96, height / 96), dpi=96 * _SCALE, facecolor=colours.paper)
    FigureCanvasAgg(figure)
    box = (_LEFT / width, _BOTTOM / height, 1 - (_LEFT + _RIGHT) / width, 1 - (_TOP + _BOTTOM) / height)
    axes = figure.add_axes(box)
    axes.set_facecolor(colours.paper)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(colours.line)
    axes.spines["bottom"].set_linewidth(1)
    axes.set_xticks([])
    axes.set_yticks([])
    return figure, axes


@lru_cache(maxsize=1)
def _fonts() -> None:
    """Registers the bundled font, once."""
    from matplotlib import font_manager

    # The fallback has no semibold face and says so on every first use; bold stands in for it.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    for name in ("Inter-Regular.ttf", "Inter-SemiBold.ttf"):
        with as_file(files("opsbot.render") / "fonts" / name) as path:
            font_manager.fontManager.addfont(str(path))


def _families(weight: str) -> list[str]:
    """The bundled font first; letters it lacks come from matplotlib's own."""
    return ["Inter SemiBold" if weight == "semibold" else "Inter", "DejaVu Sans"]


def _write(axes: Axes, x: float, y: float, text: str, colour: str, **placed: Any) -> None:
    """A label beside a point. No string is ever read as TeX: `$1,240 vs $980` is money."""
    style = {"ha": "left", "va": "center", "weight": "normal", "xytext": (6, 0)} | placed
    axes.annotate(
        text, (x, y), textcoords="offset points", color=colour, fontsize=_PT, family=_families(style["weight"]),
        annotation_clip=False, parse_math=False, **style,
    )  # fmt: skip


def _scales(axes: Axes, spec: ChartSpec, times: NDArray[np.int64], values: Values, zone: str, colours: Theme) -> None:
    low, high, ticks = nice(float(np.nanmin(values)), float(np.nanmax(values)), spec.limit, spec.unit)
    start, end = int(times[0]), int(times[-1])
    axes.set_ylim(low, high)
    axes.set_xlim(start, end)
    for tick in ticks:
        axes.axhline(tick, color=colours.hair, linewidth=0.9, zorder=0)
        _write(axes, start, tick, quantity(tick, spec.unit), colours.ink3, ha="right", xytext=(-5, 0))
    for moment in moments(start, end, zone):
        _write(axes, moment, low, clock(from_epoch(moment), zone), colours.ink3, ha="center", va="top", xytext=(0, -5))


def _breach(axes: Axes, spec: ChartSpec, times: NDArray[np.int64], values: Values, colours: Theme) -> None:
    """The side of the limit where trouble lies, tinted; and filled where the line went there."""
    if spec.limit is None:
        return
    low, high = axes.get_ylim()
    axes.axhspan(spec.limit, high if spec.upward else low, color=colours.action, alpha=0.05, linewidth=0)
    with np.errstate(invalid="ignore"):
        beyond = values > spec.limit if spec.upward else values < spec.limit
    axes.fill_between(
        times,
        spec.limit,
        values,
        where=beyond.tolist(),
        color=colours.action,
        alpha=0.24,
        linewidth=0,
        interpolate=True,
    )
    axes.axhline(spec.limit, color=colours.action, linewidth=0.9, dashes=(4, 3))


def _line(axes: Axes, spec: ChartSpec, times: NDArray[np.int64], values: Values, final: int, colours: Theme) -> None:
    """Settled points solid, the young tail dashed; gaps stay open, and a point alone between gaps is a dot."""
    settled = max(0, min(spec.series.judged, len(values)))
    solid = np.where(np.arange(len(values)) < settled, values, np.nan)
    young = np.where(np.arange(len(values)) >= settled - 1, values, np.nan)
    axes.plot(times, solid, color=colours.series, linewidth=1.5, solid_joinstyle="round")
    axes.plot(times, young, color=colours.series, linewidth=1.2, dashes=(2, 1.6))
    held = np.isfinite(values)
    alone = held & ~np.r_[False, held[:-1]] & ~np.r_[held[1:], False]
    axes.plot(times[alone], values[alone], "o", markersize=2, color=colours.series)
    axes.plot(
        [times[final]],
        [values[final]],
        "o",
        markersize=4.2,
        color=colours.series,
        mec=colours.paper,
        mew=1,
        clip_on=False,
        zorder=5,
    )


def _since(axes: Axes, spec: ChartSpec, times: NDArray[np.int64], zone: str, colours: Theme) -> None:
    if spec.since is None:
        return
    since, high = epoch(spec.since), axes.get_ylim()[1]
    start, end = int(times[0]), int(times[-1])
    label = f"since {brief(spec.since, zone, from_epoch(end))}"
    if not start <= since <= end:
        _write(axes, start, high, label, colours.ink2, xytext=(0, 7))
        return
    axes.axvline(since, color=colours.ink2, linewidth=0.8)
    late = since > start + 0.8 * (end - start)
    side = {"ha": "right", "xytext": (3, 7)} if late else {"xytext": (-2, 7)}
    _write(axes, since, high, label, colours.ink2, **side)


def _last(spec: ChartSpec, value: float) -> str:
    """The end label: the value judged, with its name where the bundled font can write it and there is room."""
    judged = quantity(value, spec.unit)
    named = f"{spec.label} {judged}"
    return named if spec.label and spec.label.isascii() and spec.label.isprintable() and len(named) <= _ROOM else judged


def _limit_label(spec: ChartSpec) -> str:
    return "" if spec.limit is None else f"limit {quantity(spec.limit, spec.unit)}"


def _end_labels(axes: Axes, spec: ChartSpec, newest: float, colours: Theme, height: int) -> None:
    """At the right edge, pushed apart until neither covers the other."""
    low, high = axes.get_ylim()
    edge = axes.get_xlim()[1]
    points = 0.75 * (height - _TOP - _BOTTOM) / (high - low)  # typographic points for one unit of y
    shift = 0.0
    if spec.limit is not None:
        apart = (newest - spec.limit) * points
        if abs(apart) < 10:
            shift = (10 - abs(apart)) / 2 * (1 if apart >= 0 else -1)
        _write(axes, edge, spec.limit, _limit_label(spec), colours.action, xytext=(7, -shift))
    _write(axes, edge, newest, _last(spec, newest), colours.series, weight="semibold", xytext=(7, shift))


def _png(figure: Figure) -> bytes:
    """A palette PNG, a third of the size of RGB.

    Maximum coverage, because median cut drops rare colours, and here the rare ones mean something.
    """
    canvas: Any = figure.canvas
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture = picture.quantize(96, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
