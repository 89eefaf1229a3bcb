"""How much of a day is shown on the mornings after it, learnt from what was shown and what it became.

Yesterday is 45 to 97 % complete by kind of usage, the day before nearly so. Each leaf's own share is pooled with the
share of its usage type in all accounts, and so are the doubts about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.samples import Values

LAGS = 2
SETTLED = 5
MEMORY = 30
# What a morning shows of the last days before anything is learnt, and how far that may be wrong.
USUAL, DOUBT = (0.9, 0.99), (0.1, 0.02)
POOLED = 4.0
# Fewer leaves than this cannot say that a morning is behind.
FEWEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`shown[k]` of day -1-k is on the bill, by row; `doubt` its standard deviation."""

    shown: Values
    doubt: Values


def behind(shown: Values, expected: Values, usual: Values) -> float:
    """By how much more or less of yesterday is billed than usual, as a share; from leaves that hardly vary."""
    if len(shown) < FEWEST:
        return 0.0
    shift = float(np.median(shown / expected - usual))
    return float(np.clip(shift * len(shown) / (len(shown) + 2.0), -0.3, 0.1))


@dataclass(slots=True)
class Completeness:
    """Remembers what recent mornings showed of their last two days, by row of the tree."""

    _shown: dict[int, Values] = field(default_factory=dict)
    _ratios: tuple[list[Values], list[Values]] = field(default_factory=lambda: ([], []))
    _kinds: dict[str, int] = field(default_factory=dict)

    def learn(self, today: int, cost: Values) -> None:
        """`today` is the morning's ordinal; `cost` ends with yesterday. Days five back count as final."""
        self._shown[today] = cost[:, -LAGS:].copy()
        if cost.shape[1] > SETTLED:
            final = cost[:, -SETTLED]
            for lag in range(1, LAGS + 1):
                past = self._shown.get(today - SETTLED + lag)
                if past is not None and past.shape[1] >= lag:
                    self._compare(lag, past[:, -lag], final)
        self._shown.pop(today - SETTLED - 1, None)

    def _compare(self, lag: int, then: Values, final: Values) -> None:
        now = final[: len(then)]
        # A morning on which a day was missing altogether says nothing about what mornings usually show.
        if then.sum() <= 0.5 * now.sum():
            return
        ratio = np.full(len(final), np.nan)
        real = now > 1e-6
        ratio[: len(then)][real] = np.clip(then[real] / now[real], 0.0, 1.3)
        kept = self._ratios[lag - 1]
        kept.append(ratio)
        del kept[:-MEMORY]

    def share(self, kinds: list[str]) -> Share:
        """What to expect of each row; `kinds` is its usage type."""
        codes = np.asarray([self._kinds.setdefault(kind, len(self._kinds)) for kind in kinds], np.int64)
        pairs = [self._lag(lag, codes) for lag in range(LAGS)]
        return Share(shown=np.stack([pair[0] for pair in pairs]), doubt=np.stack([pair[1] for pair in pairs]))

    def _lag(self, lag: int, codes: NDArray[np.int64]) -> tuple[Values, Values]:
        kept = self._ratios[lag]
        if len(kept) < 3:
            return np.full(len(codes), USUAL[lag]), np.full(len(codes), DOUBT[lag])
        seen = np.full((len(kept), len(codes)), np.nan)
        for place, ratio in enumerate(kept):
            seen[place, : len(ratio)] = ratio
        count, middle = _median(seen)
        # Some mornings are behind as a whole: that part is found on the morning itself and is no doubt of the leaf.
        behind = _median((seen - middle).T)[1] if seen.shape[1] >= FEWEST else np.zeros(len(seen))
        _, spread = _median(np.abs(seen - middle - np.nan_to_num(behind)[:, None]))
        own = count / (count + POOLED)
        shown = own * np.nan_to_num(middle) + (1 - own) * _pooled(codes, middle, count >= 5, USUAL[lag])
        doubt = np.where(count >= 8, 1.4826 * np.nan_to_num(spread), 0.6 * DOUBT[lag])
        return np.clip(shown, 0.2, 1.05), doubt


def _median(seen: Values) -> tuple[Values, Values]:
    """Count and median of each column; NaN is no value and sorts last."""
    ordered = np.sort(seen, axis=0)
    count = np.isfinite(seen).sum(axis=0)
    middle = ordered[np.maximum((count - 1) // 2, 0), np.arange(seen.shape[1])]
    return count.astype(np.float64), middle


def _pooled(codes: NDArray[np.int64], middle: Values, known: NDArray[np.bool_], usual: float) -> Values:
    """The middle of what is known of each row's kind."""
    pooled = np.full(int(codes.max(initial=-1)) + 1, usual)
    order = np.lexsort((middle[known], codes[known]))
    kinds, starts, sizes = np.unique(codes[known][order], return_index=True, return_counts=True)
    pooled[kinds] = middle[known][order][starts + (sizes - 1) // 2]
    return pooled[codes]
