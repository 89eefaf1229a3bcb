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

from opsbot.evaluate.cost.season import Base, weekday
from opsbot.evaluate.cost.tail import HORIZONS, Errors
from opsbot.evaluate.cost.tree import LEAF, Rows, Tree
from opsbot.samples import Values

LAGS = np.asarray([lag for lag, _ in HORIZONS])
# Robust sigmas an excess must reach by horizon; more for sums of many leaves, where more goes wrong at once.
SIGMAS = np.asarray([4.6, 4.6, 4.6, 4.6, 4.8, 5.2, 5.5])
GROUP = 1.1
CEILING = 3.5
PERCENT = 0.04
SLOW = 4
WEEKEND_SIGMAS = 3.3
YOUNG, GROWN = 15, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen on one morning. `day` is yesterday's ordinal, the last column of `cost` and `clean`.

    `clean` is the cost without the excess of anomalies already told. `mean`, `excess`, `limit`, `sigma` and `last` are
    horizons x rows in money per day: mean excess of the window, the same less its usual bias, what chance could do,
    its standard deviation, and the excess of the last day or two. `age` is days since a row was first seen.
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
    floor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A node above its limit: `row` the node, `top` its most risen leaf, `horizon` the test that saw it best."""

    row: int
    top: int
    horizon: int
    score: float
    daily: float
    fresh: bool = False
    weekend: bool = False


def windows(cost: Values, day: int, bases: Mapping[int, Base]) -> tuple[Values, Values]:
    """Mean excess per day and its scale, horizons x rows, of the windows that end on the ordinal `day`.

    The last column of `cost` is that day. NaN where the base is not known. Errors grow with what is expected, so the
    scale is mostly that: a quiet weekend has a small one.
    """
    excess = np.full((len(HORIZONS), len(cost)), np.nan)
    scale = np.full_like(excess, 1e-6)
    for place, (lag, width) in enumerate(HORIZONS):
        base = bases.get(day - lag)
        if base is not None:
            expected = base.expected(np.arange(day - width + 1, day + 1), len(cost))
            excess[place] = (cost[:, -width:] - expected).mean(axis=1)
            scale[place] = 0.85 * expected.mean(axis=1)
            scale[place, : len(base.scale)] += 0.15 * base.scale
    return excess, np.maximum(scale, 1e-6)


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
    sigma = np.sqrt((errors.spread * scale) ** 2 + doubt**2 + (0.01 * scale) ** 2)
    factor = strict * SIGMAS[:, None] * np.where(grouped, GROUP, 1.0)[None, :]
    with np.errstate(invalid="ignore", over="ignore"):
        # Costs vary by factors: five sigmas of 50 % are not 250 % but e^2.
        chance = np.expm1(np.minimum(factor * np.log1p(sigma / scale), 20.0)) * scale
        limit = np.maximum(chance, errors.tail * scale)
        # However wild its past: far above all of 60 days is news.
        capped = np.minimum(limit, np.maximum(CEILING * errors.most * scale, factor * sigma))
    return sigma, np.where(np.isnan(capped), np.inf, capped)


def candidates(tree: Tree, look: Look) -> list[Candidate]:
    """The strongest candidate of each account x service."""
    best: dict[int, Candidate] = {}
    for found in (*_risen(tree, look), *_left_running(tree, look), *_fresh(tree, look)):
        scope = int(tree.service[found.row])
        if scope not in best or found.score > best[scope].score:
            best[scope] = found
    return list(best.values())


def _risen(tree: Tree, look: Look) -> Iterator[Candidate]:
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
    if _back(look, horizon, row) or _seen_before(look, horizon, row):
        return None
    score = float(look.excess[horizon, row] / look.limit[horizon, row])
    if tree.level[row] == LEAF:
        if _paid_for(tree, look, horizon, row, size):
            return None
        return Candidate(row=row, top=row, horizon=horizon, score=score, daily=size)
    leaves = tree.below(row)
    top = int(leaves[np.argmax(np.nan_to_num(look.mean[horizon, leaves], nan=-np.inf))])
    return Candidate(row=row, top=top, horizon=horizon, score=0.9 * score, daily=size)


def _paid_for(tree: Tree, look: Look, horizon: int, row: int, size: float) -> bool:
    """Whether siblings fell by so much that less than 60 % of the rise, or less than the floor, remains."""
    family = tree.family(row)
    excess, sigma = look.excess[horizon, family], look.sigma[horizon, family]
    fallen = float(excess[excess < -2.5 * sigma].sum())
    rise = float(look.excess[horizon, row])
    return rise + fallen < 0.6 * rise or size + fallen < 0.85 * look.floor


def _back(look: Look, horizon: int, row: int) -> bool:
    """Whether the row only returns to where it sat for a fortnight within the last three months."""
    until = len(look.clean[row]) - LAGS[horizon]
    past = look.clean[row, max(0, until - 90) : until]
    if len(past) < 30:
        return False
    levels = np.median(sliding_window_view(past, 14), axis=1)
    last = float(look.last[horizon, row])
    return last - max(0.0, float(levels.max() - levels[-1])) < 0.4 * last


def _seen_before(look: Look, horizon: int, row: int) -> bool:
    """Whether it rose like this at least twice in 120 days: a job on some days, a fee on the first."""
    lag, width = HORIZONS[horizon]
    past = look.cost[row, max(0, look.cost.shape[1] - lag - 120) :]
    until = len(past) - lag
    if until < 40:
        return False
    usual = np.median(sliding_window_view(np.concatenate([np.full(28, np.median(past[:28])), past]), 28), axis=1)
    width = min(width, 3)
    over = np.convolve(past - usual[: len(past)], np.ones(width) / width, "valid")
    rise = past[-width:].mean() - usual[until - 1]
    before = over[: until - width + 1]
    high = np.flatnonzero(before >= 0.75 * rise)
    episodes = 1 + int((np.diff(high) > 4).sum()) if len(high) else 0
    return bool(episodes >= 2 and before.max() > 0.42 * rise)


def _left_running(tree: Tree, look: Look) -> Iterator[Candidate]:
    """A weekend that looks like the week: less is needed to believe it, because it says how much to expect."""
    place = {5: 0, 6: 1}.get(int(weekday(np.asarray([look.day]))[0]))
    if place is None or (base := look.bases.get(look.day - 1 - place)) is None:
        return
    rows = len(base.level)
    days = np.arange(look.day - place, look.day + 1)
    dip = base.level * (base.week[:, :5].mean(axis=1) - base.week[:, weekday(days)].mean(axis=1))
    excess = look.excess[place, :rows]
    with np.errstate(invalid="ignore"):
        over = (dip > 0.15 * base.level) & (excess > 0.65 * dip) & (excess < 1.5 * dip)
        over &= (excess >= look.floor) & (excess > WEEKEND_SIGMAS * look.sigma[place, :rows])
    over &= tree.branching()[:rows] & (look.age[:rows] > GROWN)
    for row in np.flatnonzero(over):
        if not _seen_before(look, place, int(row)):
            leaves = tree.below(int(row))
            top = int(leaves[np.argmax(np.nan_to_num(look.mean[place, leaves], nan=-np.inf))])
            score = float(excess[row] / (WEEKEND_SIGMAS * look.sigma[place, row]))
            yield Candidate(
                row=int(row), top=top, horizon=place, score=0.95 * score, daily=float(excess[row]), weekend=True
            )


def _fresh(tree: Tree, look: Look) -> Iterator[Candidate]:
    """Leaves without a past: at once, unless the family around them only shifted."""
    idle = (look.cost[:, -29:-3].mean(axis=1) < 0.1 * look.floor) & np.isinf(look.limit[0])
    young = (tree.level == LEAF) & ((look.age <= YOUNG) | idle)
    for row in np.flatnonzero(young & (look.cost[:, -1] >= look.floor)):
        daily = float(look.cost[row, -1])
        since = 3 if idle[row] else int(look.age[row])
        horizon = next((place for place, lag in enumerate(LAGS) if lag >= since), len(HORIZONS) - 1)
        family = tree.family(int(row))
        settled = family[~young[family]]
        if len(settled) and not _family_rose(tree, look, int(row), horizon, daily):
            continue
        score = daily / look.floor
        yield Candidate(row=int(row), top=int(row), horizon=horizon, score=score, daily=daily, fresh=True)


def _family_rose(tree: Tree, look: Look, row: int, horizon: int, daily: float) -> bool:
    above = int(tree.region[row])
    for place in range(horizon, len(HORIZONS)):
        rise = look.mean[place, above]
        if rise > max(0.5 * look.mean[place, row], 3.0 * look.sigma[place, above]):
            return bool(look.last[horizon, above] >= 0.5 * daily and not _back(look, place, above))
    return False
