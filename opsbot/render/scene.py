"""What a picture is made of, in CSS pixels from the top left: said once, painted as SVG for pages and as PNG for mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Names of a theme's colours, so that one scene serves light and dark paper.
Ink = Literal["paper", "ink2", "ink3", "line", "hair", "series", "action"]
Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line through points; `dash` is drawn and left out in turn. `clipped` stays inside the scene's frame."""

    points: tuple[Point, ...]
    ink: Ink
    width: float = 1.0
    dash: tuple[float, float] | None = None
    clipped: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A filled outline, closed by itself, always inside the frame; `edge` draws the outline instead, in full colour."""

    points: tuple[Point, ...]
    ink: Ink
    opacity: float = 1.0
    edge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    at: Point
    ink: Ink
    radius: float
    ringed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Text whose middle line runs through `at`."""

    at: Point
    text: str
    ink: Ink
    anchor: Anchor = "start"
    bold: bool = False


Shape = Stroke | Area | Dot | Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`frame` is where the data lie: left, top, right, bottom. Later shapes cover earlier ones."""

    width: int
    height: int
    frame: tuple[float, float, float, float]
    shapes: tuple[Shape, ...]


def apart(wanted: list[float], gaps: list[float], low: float, high: float) -> list[float]:
    """Places next to the wanted ones, given in order, that keep their gaps, between `low` and `high` where that is possible.

    Least squares under an order: pool adjacent violators (Ayer et al. 1955, Ann. Math. Statist. 26:641).
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    pools: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=True):
        mean, size = place - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    even = [min(max(mean, low), max(low, high - offsets[-1])) for mean, size in pools for _ in range(size)]
    return [place + offset for place, offset in zip(even, offsets, strict=True)]
