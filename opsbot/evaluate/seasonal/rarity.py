"""How rare a number is beside those before it: what lets one threshold serve every series.

Within what was seen the share of greater numbers counts; beyond the highest hundredth that share goes on falling
exponentially, at the pace of the excesses seen there (peaks over a threshold: Pickands 1975, Ann. Statist. 3:119).
"""

from __future__ import annotations

from bisect import bisect_left
from math import log10

from opsbot.evaluate.seasonal.ordered import Ordered

FEWEST = 30
TOP_SHARE, TOP_FEWEST = 100, 5
_LN10 = 2.302585092994046


def decades(seen: Ordered, number: float) -> float:
    """-log10 of the share of numbers at or above this one; 0 with fewer than 30 to compare with."""
    size = len(seen)
    if size < FEWEST:
        return 0.0
    above = size - bisect_left(seen.ranked, number)
    top = max(TOP_FEWEST, size // TOP_SHARE)
    if above >= top:
        return -log10((above + 1) / (size + 2))
    return _beyond(seen, number, top)


def _beyond(seen: Ordered, number: float, top: int) -> float:
    size = len(seen)
    highest = seen.ranked[size - top :]
    edge = highest[0]
    # Equal numbers have no excess: a thousandth of them keeps the first different one finite.
    excess = max(sum(highest) / top - edge, 0.0) + 1e-9 + 1e-3 * abs(highest[-1])
    return -log10((top + 1) / (size + 2)) + (number - edge) / excess / _LN10
