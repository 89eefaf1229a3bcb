"""Points that came irregularly, put on one sample a day: what the forecast takes."""

from __future__ import annotations

import numpy as np

from opsbot.samples import Values

DAY = 86_400


def daily(seconds: Values, values: Values, *, step: int = DAY) -> tuple[int, Values]:
    """(first day's start in epoch seconds, the median of each `step`); NaN for a day without a finite point.

    Points may come in any order and any number a day. Nothing finite gives (0, an empty row).
    """
    seconds, values = np.asarray(seconds, dtype=float), np.asarray(values, dtype=float)
    kept = np.isfinite(seconds) & np.isfinite(values)
    if not kept.any():
        return 0, np.empty(0)
    days = np.floor(seconds[kept] / step).astype(np.int64)
    order = np.argsort(days, kind="stable")
    days, points = days[order], values[kept][order]
    there, starts = np.unique(days, return_index=True)
    row: Values = np.full(int(days[-1] - days[0]) + 1, np.nan)
    row[there - days[0]] = [np.median(part) for part in np.split(points, starts[1:])]
    return int(days[0]) * step, row
