"""A scene as a small PNG, for mail; the only file that imports matplotlib, and only when a picture is drawn.

Everything is placed in CSS pixels and drawn at twice their number.
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
from PIL import Image

from opsbot.model.report import ChartSpec
from opsbot.render import plot
from opsbot.render.plot import Size
from opsbot.render.scene import Area, Dot, Label, Scene, Stroke
from opsbot.render.tokens import THEMES, ThemeName

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

_SCALE = 2
_POINT = 0.75  # typographic points in a CSS pixel
_TEXT = 8.3  # 11 px: the smallest text
_ALIGN = {"start": "left", "middle": "center", "end": "right"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, or the note that stands in its place."""

    png: bytes
    note: str = ""


@lru_cache(maxsize=64)
def safely(spec: ChartSpec, theme: ThemeName, zone: str = "UTC", size: Size = "large") -> Drawn:
    """The chart, or a note where it cannot be drawn: a report without a picture beats no report."""
    try:
        return Drawn(render(spec, theme, zone=zone, size=size))
    except ValueError as error:
        return Drawn(b"", f"No chart: {error}.")
    except Exception:  # noqa: BLE001  matplotlib may fail in any way on data from outside; the text still carries the finding
        return Drawn(b"", "No chart: it could not be drawn.")


def render(spec: ChartSpec, theme: ThemeName, *, zone: str = "UTC", size: Size = "large") -> bytes:
    """PNG at twice the scene's size. Raises ValueError for a series with nothing to draw."""
    return paint(plot.scene(spec, zone, size), theme)


def paint(scene: Scene, theme: ThemeName) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import Affine2D

    _fonts()
    colours = THEMES[theme]
    figure = Figure(figsize=(scene.width / 96, scene.height / 96), dpi=96 * _SCALE, facecolor=colours.paper)
    FigureCanvasAgg(figure)
    pixels = Affine2D().scale(_SCALE, -_SCALE).translate(0, _SCALE * scene.height)
    left, top, right, bottom = scene.frame
    clip = Rectangle((left, top - 1), right + 3 - left, bottom + 2 - top, transform=pixels)
    for place, shape in enumerate(scene.shapes):
        colour = getattr(colours, shape.ink)
        artist = (
            _write(figure, shape, colour, pixels) if isinstance(shape, Label) else _draw(shape, colour, colours.paper)
        )
        artist.set_zorder(place)
        if not isinstance(shape, Label):
            artist.set_transform(pixels)
            figure.add_artist(artist)
        if isinstance(shape, Area) or (isinstance(shape, Stroke) and shape.clipped):
            artist.set_clip_path(clip)
    return _png(figure)


def _draw(shape: Stroke | Area | Dot, colour: str, paper: str) -> Artist:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Polygon

    match shape:
        case Stroke():
            xs, ys = zip(*shape.points, strict=True)
            wide = shape.width * _POINT
            # Dashes are told in widths of the line.
            dash: Any = (0, tuple(length / shape.width for length in shape.dash)) if shape.dash else "-"
            return Line2D(xs, ys, color=colour, linewidth=wide, linestyle=dash, solid_joinstyle="round",
                          solid_capstyle="butt")  # fmt: skip
        case Area():
            return Polygon(
                shape.points, closed=True, facecolor="none" if shape.edge else colour,
                edgecolor=colour if shape.edge else "none", alpha=None if shape.edge else shape.opacity,
                linewidth=_POINT if shape.edge else 0,
            )  # fmt: skip
        case Dot():
            return Circle(shape.at, shape.radius, facecolor=colour, edgecolor=paper if shape.ringed else "none",
                          linewidth=_POINT if shape.ringed else 0)  # fmt: skip


def _write(figure: Figure, label: Label, colour: str, pixels: Transform) -> Artist:
    """No string is ever read as TeX: `$1,240 vs $980` is money."""
    x, y = label.at
    return figure.text(
        x, y - 0.6, label.text, transform=pixels, color=colour, fontsize=_TEXT, ha=_ALIGN[label.anchor],
        va="center_baseline", family=["Inter SemiBold" if label.bold else "Inter", "DejaVu Sans"],
        weight="semibold" if label.bold else "normal", parse_math=False,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _fonts() -> None:
    """Registers the bundled font, once; letters it lacks come from matplotlib's own."""
    from matplotlib import font_manager

    # The fallback has no semibold face and says so on every first use; bold stands in for it.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    for name in ("Inter-Regular.ttf", "Inter-SemiBold.ttf"):
        with as_file(files("opsbot.render") / "fonts" / name) as path:
            font_manager.fontManager.addfont(str(path))


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
