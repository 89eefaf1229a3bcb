"""A scene as SVG, for pages: sharp at any size, a few kilobytes, and no drawing library to load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from opsbot.model.report import ChartSpec
from opsbot.render import plot
from opsbot.render.plot import Size
from opsbot.render.scene import Area, Dot, Label, Point, Scene, Shape, Stroke
from opsbot.render.tokens import SANS, THEMES, Theme, ThemeName

# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, or the note that stands in its place."""

    svg: str
    note: str = ""


@lru_cache(maxsize=256)
def safely(spec: ChartSpec, theme: ThemeName, zone: str = "UTC", size: Size = "large") -> Picture:
    """The chart, or a note where there is nothing to draw."""
    try:
        return Picture(write(plot.scene(spec, zone, size), theme))
    except ValueError as error:
        return Picture("", f"No chart: {error}.")
    except Exception:  # noqa: BLE001  a report without a picture beats no report; the text still carries the finding
        return Picture("", "No chart: it could not be drawn.")


def write(scene: Scene, theme: ThemeName) -> str:
    """One image without scripts or outside references, the same bytes for the same scene."""
    colours, wide, high = THEMES[theme], scene.width, scene.height
    left, top, right, bottom = scene.frame
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
        f'font-family="{escape(SANS)}" font-size="11">'
        f'<clipPath id="f"><path d="M{_n(left)} {_n(top - 1)}H{_n(right + 3)}V{_n(bottom + 1)}H{_n(left)}Z"/></clipPath>'
        f'<rect width="{wide}" height="{high}" fill="{colours.paper}"/>'
    )
    return head + "".join(part for shape in scene.shapes for part in _shape(shape, colours)) + "</svg>"


def _shape(shape: Shape, colours: Theme) -> Iterator[str]:
    colour = getattr(colours, shape.ink)
    match shape:
        case Stroke():
            dash = f' stroke-dasharray="{_n(shape.dash[0])} {_n(shape.dash[1])}"' if shape.dash else ""
            clip = ' clip-path="url(#f)"' if shape.clipped else ""
            yield f'<path d="{_path(shape.points)}" fill="none" stroke="{colour}" stroke-width="{_n(shape.width)}"'
            yield f' stroke-linejoin="round"{dash}{clip}/>'
        case Area():
            paint = f'fill="none" stroke="{colour}"' if shape.edge else f'fill="{colour}"'
            faint = f' fill-opacity="{shape.opacity:g}"' if shape.opacity < 1 else ""
            yield f'<path d="{_path(shape.points)}Z" {paint}{faint} clip-path="url(#f)"/>'
        case Dot():
            ring = f' stroke="{colours.paper}"' if shape.ringed else ""
            yield f'<circle cx="{_n(shape.at[0])}" cy="{_n(shape.at[1])}" r="{_n(shape.radius)}" fill="{colour}"{ring}/>'
        case Label():
            anchor = f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
            bold = ' font-weight="600"' if shape.bold else ""
            yield f'<text x="{_n(shape.at[0])}" y="{_n(shape.at[1] + 4)}" fill="{colour}"{anchor}{bold}>'
            yield f"{escape(_UNWRITABLE.sub('', shape.text))}</text>"


def _path(points: tuple[Point, ...]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(number: float) -> str:
    """A tenth of a pixel is finer than anybody sees."""
    return f"{number:.1f}".removesuffix(".0")
