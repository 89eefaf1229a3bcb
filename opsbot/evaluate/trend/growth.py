"""Growth that comes in leaps: uploads, imports, releases, with nothing between. Its past days are dealt again.

Such a history has no pace that a line could have: its next leap may be tomorrow. Blocks of past days are drawn twice
(which days are typical, then how they follow one another), so that the doubt of a short history widens the odds
(after Rubin's Bayesian bootstrap, 1981, Ann. Statist. 9:130); some ways know the recent days only.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from opsbot.evaluate.trend.history import Indices
from opsbot.evaluate.trend.paths import WAYS, normals
from opsbot.samples import Values

BLOCK = 5
RECENT_SHARE = 0.35
RECENT_DAYS = 14
TAMED_SHARE = 0.3
TAMED_AT = 6.0
DOUBT = 0.6
SHRINKS = 0.5


def by_leaps(values: Values) -> bool:
    """Whether the values gather their changes, most of them none or small beside a few: no noise that turns back."""
    change = np.diff(values)
    if change.size < 4:
        return False
    half, most = np.quantile(np.abs(change), [0.5, 0.9])
    idle = float(np.mean(change == 0))
    if idle < 0.2 and most <= 5.5 * half:
        return False
    centred = change - np.median(change)
    tame = np.clip(centred, -most, most) if most > 0 else centred
    power = float(tame @ tame)
    return power > 0 and float(tame[1:] @ tame[:-1]) > -0.35 * power


def idle_share(values: Values) -> float:
    """Share of days without any change."""
    return float(np.mean(np.diff(values) == 0)) if values.size > 1 else 0.0


def deal(values: Values, horizon: int) -> Values:
    """`WAYS` x `horizon` values after the last one; `values` has no gaps."""
    change = np.diff(values)
    # A clean-up is no growth backwards: half of it, for the next one may be far.
    change = np.where(change < 0, change * SHRINKS, change)
    cap = TAMED_AT * float(np.mean(np.abs(change)))
    tamed = uniforms(1, 6)[:, :1] < TAMED_SHARE
    picked = _picked(change.size, horizon)
    drawn = np.where(tamed, np.clip(change, -cap, cap)[picked], change[picked])
    paced = drawn * np.exp(DOUBT * normals(WAYS, 1, 3))
    dealt: Values = values[-1] + np.cumsum(paced, axis=1)
    return dealt


@lru_cache(maxsize=16)
def uniforms(columns: int, seed: int) -> Values:
    """Numbers in [0, 1), the same in every process."""
    drawn: Values = np.random.default_rng(seed).random((WAYS, columns))
    drawn.flags.writeable = False
    return drawn


def _picked(days: int, horizon: int) -> Indices:
    """Which past day each future day repeats."""
    blocks, wanted = -(-days // BLOCK), -(-horizon // BLOCK)
    random = uniforms(_rounded(blocks), 1)[:, :blocks]
    starts = (random * days).astype(np.int64)
    recent = uniforms(1, 5)[:, 0] < RECENT_SHARE
    window = min(days, max(RECENT_DAYS, days // 4))
    starts[recent] = days - window + (random[recent] * window).astype(np.int64)
    again = (uniforms(_rounded(wanted), 2)[:, :wanted] * blocks).astype(np.int64)
    chosen = np.take_along_axis(starts, again, axis=1)
    at = (chosen[:, :, None] + np.arange(BLOCK)).reshape(WAYS, -1)[:, :horizon]
    # A block that would run past the last day turns back at it.
    turned: Indices = np.maximum(np.where(at >= days, 2 * days - 1 - at, at), 0)
    return turned


def _rounded(columns: int) -> int:
    return -(-columns // 32) * 32
