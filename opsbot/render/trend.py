"""Word-sized trends: a line without axes beside a number, its last point marked. Reads on light and on dark paper."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

from opsbot.model.status import Verdict

WIDTH, HEIGHT = 92, 22
_DRAW, _SAVE = 3, 2  # drawn at three times, kept at two: the line gets soft edges
_INK, _BAD, _LIMIT = (113, 130, 155), (204, 61, 80), (194, 71, 90, 200)
_USUAL = (128, 144, 166, 44)
_MOST = 96
# A band of what is usual takes so many points before the last one, and leaves out as many tenths at each end.
_LEAST, _TAIL = 6, 0.1

Point = tuple[float, float]


@lru_cache(maxsize=256)
def trend(values: tuple[float | None, ...], limit: float | None = None, verdict: Verdict = Verdict.OK) -> bytes:
    """A transparent PNG, or no bytes where there are fewer than two points to join."""
    thin = _thinned(values)
    known = [v for v in thin if v is not None]
    if len(known) < 2 or max(map(abs, known)) > 1e15:
        return b""
    bounds = [*known, *([limit] if limit is not None and math.isfinite(limit) else [])]
    low, high = min(bounds), max(bounds)
    picture = Image.new("RGBA", (WIDTH * _DRAW, HEIGHT * _DRAW), (128, 144, 166, 0))
    brush = ImageDraw.Draw(picture)
    if limit is not None and math.isfinite(limit):
        _dashes(brush, _y(limit, low, high))
    elif len(known) > _LEAST:
        _band(brush, known[:-1], low, high)
    _strokes(brush, thin, low, high, _BAD if verdict is Verdict.ACTION else _INK)
    return _png(picture)


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    """At most 96 points: the most extreme of each stretch, because the peaks are what a trend is looked at for."""
    clean = [None if v is None or not math.isfinite(v) else v for v in values]
    size = max(1, -(-len(clean) // _MOST))
    stretches = [[v for v in clean[i : i + size] if v is not None] for i in range(0, len(clean), size)]
    return [max(stretch, key=abs) if stretch else None for stretch in stretches]


def _y(value: float, low: float, high: float) -> float:
    margin = 4 * _DRAW
    return HEIGHT * _DRAW - margin - (value - low) / ((high - low) or 1.0) * (HEIGHT * _DRAW - 2 * margin)


def _dashes(brush: ImageDraw.ImageDraw, y: float) -> None:
    for x in range(0, WIDTH * _DRAW, 6 * _DRAW):
        brush.line((x, y, x + 3 * _DRAW, y), fill=_LIMIT, width=1)


def _band(brush: ImageDraw.ImageDraw, before: Sequence[float], low: float, high: float) -> None:
    """Where it usually was before the last point: a line that only zigzags there has not moved."""
    ranked = sorted(before)
    tail = round(_TAIL * (len(ranked) - 1))
    top, bottom = _y(ranked[-1 - tail], low, high), _y(ranked[tail], low, high)
    brush.rectangle((0, top - _DRAW, (WIDTH - 4) * _DRAW, bottom + _DRAW), fill=_USUAL)


def _strokes(
    brush: ImageDraw.ImageDraw, values: Sequence[float | None], low: float, high: float, dot: tuple[int, int, int]
) -> None:
    step = (WIDTH - 8) * _DRAW / max(1, len(values) - 1)
    run: list[Point] = []
    last: Point = (0.0, 0.0)
    for place, value in enumerate([*values, None]):
        if value is not None:
            last = (2 * _DRAW + place * step, _y(value, low, high))
            run.append(last)
        elif run:
            brush.line(run, fill=(*_INK, 255), width=4, joint="curve")
            run = []
    radius = 2.5 * _DRAW
    brush.ellipse((last[0] - radius, last[1] - radius, last[0] + radius, last[1] + radius), fill=(*dot, 255))


def _png(picture: Image.Image) -> bytes:
    small = picture.resize((WIDTH * _SAVE, HEIGHT * _SAVE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.quantize(48, method=Image.Quantize.FASTOCTREE).save(out, "PNG", optimize=True)
    return out.getvalue()
