"""One morning's look at every node: where is the excess more than its own past allows, and more than the floor?

Windows of one day to a week are held against bases of a day to a month ago, so a spike, a step and a leak are one test.
A rise that a sibling's fall pays for (one usage type replaced by another) is none, nor is a return to an old level, nor
one that the node has shown at least twice before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from opsbot.evaluate.cost.anomaly import Kind
from opsbot.evaluate.cost.season import Base, weekday
from opsbot.evaluate.cost.tail import HORIZONS, WILD, Errors
from opsbot.evaluate.cost.tree import LEAF, Rows, Tree
from opsbot.samples import Values

LAGS = np.asarray([lag for lag, _ in HORIZONS])
# Robust sigmas an excess must reach by horizon; more for sums of many leaves, where more goes wrong at once.
SIGMAS = np.asarray([4.3, 4.3, 4.6, 4.7, 5.1, 5.8, 6.4])
GROUP = 1.2
CEILING = 3.5
PERCENT = 0.04
# A row is tested a thousand times a year: -log of the chance that one test of a lone row may err; and a usual bill's rows.
FAMILY, USUAL_ROWS = 3.0, 80
# For rows that are wild by nature.
WILD_FACTOR = 1.7
SLOW = 4
# Days after which a leaf, and a node, has a past to be judged by.
YOUNG, GROWN = 15, 40
RARELY = 0.15
# How much of a rise an earlier one must have been to be its precedent.
ALIKE, ALIKE_WILD = 0.75, 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen on one morning. `day` is yesterday's ordinal, the last column of `cost` and `clean`.

    `clean` is the cost without the excess of anomalies already told. `mean`, `excess`, `limit`, `sigma` and `last` are
    horizons x rows in money per day: mean excess of the window, the same less its usual bias, what chance could do,
    its standard deviation, and the excess of the last day or two. `age` is days since a row was first seen;
    `wild` rows are off by nature, and a lesser rise is a precedent for them.
    """

    day: int
    cost: Values
    clean: Values
    mean: Values
    excess: Values
    limit: Values
    sigma: Values
    last: Values
    bases: Mapping[int, Base]
    age: Rows
    wild: NDArray[np.bool_]
    floor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A node above its limit: `row` the node, `top` its most risen leaf, `horizon` the test that saw it best.

    `kind` is set where the test that found it knows what it is.
    """

    row: int
    top: int
    horizon: int
    score: float
    daily: float
    kind: Kind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Horizons x rows, money per day: excess of each window, what was expected in it, and the scale of its errors."""

    excess: Values
    expected: Values
    scale: Values


def windows(cost: Values, day: int, bases: Mapping[int, Base]) -> Windows:
    """The windows that end on the ordinal `day`, the last column of `cost`; NaN where the base is not known.

    Errors grow with what is expected, so the scale is mostly that: a quiet weekend has a small one.
    """
    excess = np.full((len(HORIZONS), len(cost)), np.nan)
    expected, scale = np.zeros_like(excess), np.full_like(excess, 1e-6)
    for place, (lag, width) in enumerate(HORIZONS):
        base = bases.get(day - lag)
        if base is not None:
            known = base.expected(np.arange(day - width + 1, day + 1), len(cost))
            excess[place] = (cost[:, -width:] - known).mean(axis=1)
            expected[place] = known.mean(axis=1)
            scale[place] = 0.85 * expected[place]
            scale[place, : len(base.scale)] += 0.15 * base.scale
    return Windows(excess=excess, expected=expected, scale=np.maximum(scale, 1e-6))


def latest(cost: Values, day: int, bases: Mapping[int, Base]) -> Values:
    """The excess of the last day or two against each horizon's base: is it there now?"""
    last = np.full((len(HORIZONS), len(cost)), -np.inf)
    for place, (lag, _) in enumerate(HORIZONS):
        base = bases.get(day - lag)
        if base is not None:
            width = 1 if lag == 1 else 2
            over = cost[:, -width:] - base.expected(np.arange(day - width + 1, day + 1), len(cost))
            mean = over.mean(axis=1)
            quick = np.maximum(over[:, -1], mean)
            last[place] = quick if place < SLOW else np.maximum(mean, np.minimum(over[:, -1], 2 * mean))
    return last


def limits(
    errors: Errors, scale: Values, doubt: Values, grouped: NDArray[np.bool_], strict: float
) -> tuple[Values, Values]:
    """(sigma, limit) in money per day. `doubt` is what yesterday's incompleteness adds, horizons x rows."""
    own = np.hypot(errors.spread * scale, 0.01 * scale)
    sigma = np.hypot(own, doubt)
    factor = strict * SIGMAS[:, None] * np.where(grouped, GROUP, 1.0)[None, :]
    with np.errstate(invalid="ignore", over="ignore"):
        # Costs vary by factors: five sigmas of 50 % are not 250 % but e^2.
        chance = np.expm1(np.minimum(factor * np.log1p(own / scale), 20.0)) * scale
        limit = np.maximum(np.hypot(chance, factor * doubt), strict * errors.tail * scale)
        # However wild its past: far above all of 60 days is news.
        capped = np.minimum(limit, np.maximum(CEILING * errors.most * scale, factor * sigma))
    capped *= np.where(errors.spread[0] > WILD, WILD_FACTOR, 1.0)[None, :]
    return sigma, np.where(np.isnan(capped), np.inf, capped)


def strictness(rows: int) -> float:
    """The factor on all limits that keeps false alerts per bill alike, however many rows could raise one."""
    return float(np.sqrt((np.log(max(rows, 1)) + FAMILY) / (np.log(USUAL_ROWS) + FAMILY)))


def risen(tree: Tree, look: Look) -> Iterator[Candidate]:
    """Every row and horizon above its limit that nothing explains."""
    slow = (np.arange(len(HORIZONS)) >= SLOW)[:, None]
    size = np.maximum(look.excess, look.last)
    with np.errstate(invalid="ignore"):
        over = (look.excess > look.limit) & (size >= np.where(slow, 0.85, 1.0) * look.floor)
        over &= look.last > 0.5 * np.maximum(look.excess, 0.8 * look.floor)
        over &= (look.excess > 0.3 * look.floor) & (look.excess > PERCENT * look.cost[:, -28:].mean(axis=1))
    over &= tree.branching() & np.where(tree.level == LEAF, look.age > YOUNG, look.age > GROWN)
    for horizon, row in np.argwhere(over):
        found = _judged(tree, look, int(horizon), int(row), float(size[horizon, row]))
        if found is not None:
            yield found


def _judged(tree: Tree, look: Look, horizon: int, row: int, size: float) -> Candidate | None:
    if back(look, horizon, row) or seen_before(look, horizon, row):
        return None
    score = float(look.excess[horizon, row] / look.limit[horizon, row])
    if tree.level[row] == LEAF:
        if _paid_for(tree, look, horizon, row, size):
            return None
        return Candidate(row=row, top=row, horizon=horizon, score=score, daily=size)
    return Candidate(row=row, top=top(tree, look, horizon, row), horizon=horizon, score=0.9 * score, daily=size)


def top(tree: Tree, look: Look, horizon: int, row: int) -> int:
    """The leaf of a node that rose most."""
    leaves = tree.below(row)
    return int(leaves[np.argmax(np.nan_to_num(look.mean[horizon, leaves], nan=-np.inf))])


def _paid_for(tree: Tree, look: Look, horizon: int, row: int, size: float) -> bool:
    """Whether siblings fell by so much that less than 60 % of the rise, or less than the floor, remains."""
    family = tree.family(row)
    excess, sigma = look.excess[horizon, family], look.sigma[horizon, family]
    fallen = float(excess[excess < -2.5 * sigma].sum())
    rise = float(look.excess[horizon, row])
    return rise + fallen < 0.6 * rise or size + fallen < 0.85 * look.floor


def back(look: Look, horizon: int, row: int) -> bool:
    """Whether the row only returns to where it sat for a fortnight within the last two months."""
    past = _flat(look, horizon, row, look.clean[row])[: -int(LAGS[horizon])][-60:]
    if len(past) < 30:
        return False
    highest = float(np.median(sliding_window_view(past, 14), axis=1).max())
    base = look.bases[look.day - int(LAGS[horizon])]
    level = float(base.level[row]) if row < len(base.level) else 0.0
    last = float(look.last[horizon, row])
    return last - max(0.0, highest - level) < 0.5 * last


def seen_before(look: Look, horizon: int, row: int) -> bool:
    """Whether it rose like this at least twice in 120 days: a job on some days, a fee on the first.

    With the shape of the week taken out; and without, where such days are rare: a fee knows no weekend.
    """
    unexplained, billed = look.clean[row], look.cost[row]
    alike = ALIKE_WILD if look.wild[row] else ALIKE
    flat = _flat(look, horizon, row, unexplained)
    if _repeated(flat, horizon, alike) or _repeated(unexplained, horizon, alike, rare=RARELY):
        return True
    # What was told before is no precedent, unless it keeps coming back.
    return _monthly(_flat(look, horizon, row, billed), horizon) or _repeated(
        billed, horizon, alike, rare=RARELY, times=4
    )


def _monthly(series: Values, horizon: int) -> bool:
    """Whether the last two months rose as much on the same day, give or take two."""
    lag, width = HORIZONS[horizon]
    if len(series) < 66 + 14:
        return False
    usual = float(np.median(series[-lag - 14 : -lag]))
    rise = float(series[-min(width, 3) :].mean()) - usual
    months = (series[-1 - days - 2 : len(series) + 2 - days].max() - usual for days in (30, 61))
    return all(month >= 0.75 * rise for month in months)


def _repeated(series: Values, horizon: int, alike: float, *, rare: float = 1.0, times: int = 2) -> bool:
    lag, width = HORIZONS[horizon]
    past = series[-lag - 120 :]
    until = len(past) - lag
    if until < 40:
        return False
    usual = np.median(sliding_window_view(np.concatenate([np.full(28, np.median(past[:28])), past]), 28), axis=1)
    width = min(width, 3)
    over = np.convolve(past - usual[: len(past)], np.ones(width) / width, "valid")
    rise = past[-width:].mean() - usual[until - 1]
    before = over[: until - width + 1]
    high = np.flatnonzero(before >= alike * rise)
    episodes = 1 + int((np.diff(high) > 4).sum()) if len(high) else 0
    return bool(episodes >= times and len(high) <= rare * len(before))


def _flat(look: Look, horizon: int, row: int, series: Values) -> Values:
    """A row's days without the shape of its week."""
    base = look.bases[look.day - int(LAGS[horizon])]
    if row >= len(base.level):
        return series
    flat: Values = series / base.week[row, weekday(np.arange(look.day + 1 - len(series), look.day + 1))]
    return flat
