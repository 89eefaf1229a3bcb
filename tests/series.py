"""Series in promtool's notation: `50x3 95x4 _` is 50 four times, 95 five times, then a gap; `0+5x3` is 0 5 10 15."""

from __future__ import annotations

import re

import numpy as np

from opsbot.samples import Grid, Values

_ITEM = re.compile(r"(?P<value>_|-?\d+(?:\.\d+)?)(?P<by>[+-]\d+(?:\.\d+)?)?(?:x(?P<more>\d+))?")


def points(text: str) -> Values:
    """One row of values; `axn` stands for n + 1 points, `_` for a missing one."""
    row: list[float] = []
    for item in text.split():
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"expected an item such as 50x3, 0+5x3 or _, got {item!r}")
        value = np.nan if match["value"] == "_" else float(match["value"])
        row += [value + float(match["by"] or 0) * place for place in range(int(match["more"] or 0) + 1)]
    return np.array(row, dtype=np.float64)


def grid(*rows: str, step: int = 300, start: int = 1_700_000_100) -> Grid:
    """Rows of one length on one time axis."""
    return Grid(start=start // step * step, step=step, values=np.vstack([points(row) for row in rows]))
