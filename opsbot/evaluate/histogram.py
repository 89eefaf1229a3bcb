"""Latencies as counts in logarithmic buckets: small, mergeable, and any quantile within 4 % of the exact one.

Bucket `i` holds seconds in (UNIT * GROWTH**(i-1), UNIT * GROWTH**i]; everything up to UNIT is in bucket 0, everything
above an hour in the last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from opsbot.model.uptime import Counts

UNIT = 0.0001
GROWTH = 1.08
ERROR = (GROWTH - 1) / (GROWTH + 1)
_LAST = math.ceil(math.log(3600 / UNIT) / math.log(GROWTH))
_SCALE = 1 / math.log(GROWTH)


def index(seconds: float) -> int:
    """Which bucket a latency falls into. Raises ValueError for NaN and for what is below zero."""
    if not seconds >= 0:
        raise ValueError(f"expected seconds from zero on, got {seconds}")
    return 0 if seconds <= UNIT else min(math.ceil(math.log(seconds / UNIT) * _SCALE - 1e-9), _LAST)


def of(seconds: Iterable[float]) -> Counts:
    """The histogram of single latencies."""
    return tuple(sorted(Counter(map(index, seconds)).items()))


def merge(histograms: Iterable[Counts]) -> Counts:
    """One histogram of all; the same whatever the order."""
    total: Counter[int] = Counter()
    for counts in histograms:
        for place, count in counts:
            total[place] += count
    return tuple(sorted(total.items()))


def quantile(counts: Counts, q: float) -> float | None:
    """The latency that a share `q` (0 to 1) stays at or below, in seconds; None of nothing."""
    wanted = q * sum(count for _, count in counts)
    seen = 0
    for place, count in counts:
        seen += count
        if seen >= wanted and count:
            return _middle(place)
    return None


def share_within(counts: Counts, seconds: float) -> float | None:
    """Which share was at most `seconds`, to a bucket's width; None of nothing."""
    total = sum(count for _, count in counts)
    limit = index(seconds)
    return sum(count for place, count in counts if place <= limit) / total if total else None


def _middle(place: int) -> float:
    """The value that is off by at most ERROR from everything in the bucket."""
    return UNIT if place == 0 else 2 * UNIT * GROWTH**place / (GROWTH + 1)
