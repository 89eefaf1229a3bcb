"""Everything that looks like an anomaly on one morning, at most one a service and account.

Beside the rows above their limits there are shapes that say by themselves how much to expect, and so need less evidence:
a weekend worked through, a leaf never seen, an erratic leaf that does not come down any more, use left uncovered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from opsbot.evaluate.cost.anomaly import Kind
from opsbot.evaluate.cost.commitment import Ended, uncovered
from opsbot.evaluate.cost.companions import COMPANION_SHARE, COMPANIONS
from opsbot.evaluate.cost.scan import GROWN, LAGS, YOUNG, Candidate, Look, back, risen, seen_before
from opsbot.evaluate.cost.season import weekday
from opsbot.evaluate.cost.tail import HORIZONS, WILD
from opsbot.evaluate.cost.tree import LEAF, Tree
from opsbot.samples import Values

WEEKEND_SIGMAS = 4.5
# Days an erratic leaf must stay up, and by how much above the highest such stretch of its past.
DRIVING_SIGMAS = 2.5
LIFTED_DAYS, LIFTED = 8, 1.5
# What comes and goes is below a fifth of its mean on two days of five.
LOW, OFTEN = 0.2, 0.4
_NAMED = {Kind.WEEKEND: 2, Kind.COMMITMENT: 1}


def candidates(tree: Tree, look: Look, spread: Values, commitments: Iterable[Ended]) -> list[Candidate]:
    """The best candidate of each account x service: one that knows what it is, or the strongest.

    `spread` is each row's usual relative error of a single day.
    """
    best: dict[int, Candidate] = {}
    every = (
        *risen(tree, look),
        *left_running(tree, look, spread),
        *fresh(tree, look),
        *lifted(tree, look, spread),
        *uncovered(tree, look, commitments),
    )
    for found in (*every, *_driven(tree, look, every)):
        scope = int(tree.service[found.row])
        if scope not in best or _rank(found) > _rank(best[scope]):
            best[scope] = found
    return list(best.values())


def _driven(tree: Tree, look: Look, every: Iterable[Candidate]) -> Iterator[Candidate]:
    """What drives a service that only rises along with others: larger, but too noisy to be seen on its own."""
    for found in every:
        hosts = _hosts(tree, found.top)
        excess, sigma = look.excess[found.horizon, hosts], look.sigma[found.horizon, hosts]
        with np.errstate(invalid="ignore"):
            drives = (excess > DRIVING_SIGMAS * sigma) & (excess > found.daily / COMPANION_SHARE)
        if not drives.any():
            continue
        row = hosts[int(np.argmax(np.where(drives, excess, -np.inf)))]
        if not seen_before(look, found.horizon, row):
            daily = float(look.excess[found.horizon, row])
            yield Candidate(row=row, top=row, horizon=found.horizon, score=found.score, daily=daily)


def _hosts(tree: Tree, row: int) -> list[int]:
    """The leaves beside a leaf, in its account and region, that its service rises along with."""
    account, service, region = tree.keys[row][:3]
    drivers = {name for name, along in COMPANIONS.items() if service in along}
    if not drivers:
        return []
    keys = ((place, tree.keys[place]) for place in tree.leaf_rows.tolist())
    return [place for place, key in keys if key[1] in drivers and key[0] == account and key[2] == region]


def _rank(found: Candidate) -> tuple[int, float]:
    return (0 if found.kind is None else _NAMED.get(found.kind, 0), found.score)


def left_running(tree: Tree, look: Look, spread: Values) -> Iterator[Candidate]:
    """A weekend that looks like the week."""
    place = {5: 0, 6: 1}.get(int(weekday(np.asarray([look.day]))[0]))
    if place is None or (base := look.bases.get(look.day - 1 - place)) is None:
        return
    rows = len(base.level)
    days = np.arange(look.day - place, look.day + 1)
    dip = base.level * (base.week[:, :5].mean(axis=1) - base.week[:, weekday(days)].mean(axis=1))
    excess = look.excess[place, :rows]
    with np.errstate(invalid="ignore"):
        over = (dip > 0.25 * base.level) & (excess > 0.65 * dip) & (excess < 1.5 * dip)
        over &= (excess >= look.floor) & (excess > WEEKEND_SIGMAS * look.sigma[place, :rows])
    over &= tree.branching()[:rows] & (look.age[:rows] > GROWN) & (spread[:rows] < WILD)
    for row in np.flatnonzero(over).tolist():
        if not seen_before(look, place, row):
            score = 0.95 * float(excess[row] / (WEEKEND_SIGMAS * look.sigma[place, row]))
            yield Candidate(
                row=int(tree.service[row]),
                top=_largest_dip(tree, row, dip, excess),
                horizon=place,
                score=score,
                daily=float(excess[row]),
                kind=Kind.WEEKEND,
            )


def _largest_dip(tree: Tree, row: int, dip: Values, excess: Values) -> int:
    """Of the service's leaves that kept running, the one that usually saves most by resting."""
    leaves = tree.below(int(tree.service[row]))
    leaves = leaves[leaves < len(dip)]
    running = np.where(excess[leaves] > 0.4 * dip[leaves], dip[leaves], -np.inf)
    return int(leaves[np.argmax(running)])


def fresh(tree: Tree, look: Look) -> Iterator[Candidate]:
    """Leaves without a past: at once, unless the family around them only shifted."""
    idle = (look.clean[:, -29:-3].mean(axis=1) < 0.1 * look.floor) & np.isinf(look.limit[0])
    young = (tree.level == LEAF) & ((look.age <= YOUNG) | idle)
    for row in np.flatnonzero(young & (look.cost[:, -1] >= look.floor)).tolist():
        daily = float(look.cost[row, -1])
        since = int(look.age[row]) if look.age[row] <= YOUNG else 3
        horizon = next((place for place, lag in enumerate(LAGS) if lag >= since), len(HORIZONS) - 1)
        family = tree.family(row)
        if young[family].all() or _family_rose(tree, look, row, horizon, daily):
            score = daily / look.floor
            yield Candidate(row=row, top=row, horizon=horizon, score=score, daily=daily, kind=Kind.NEW)


def _family_rose(tree: Tree, look: Look, row: int, horizon: int, daily: float) -> bool:
    above = int(tree.region[row])
    for place in range(horizon, len(HORIZONS)):
        rise = look.mean[place, above]
        if rise > max(0.5 * look.mean[place, row], 0.75 * look.limit[place, above]):
            return bool(look.last[horizon, above] >= 0.5 * daily and not back(look, place, above))
    return False


def lifted(tree: Tree, look: Look, spread: Values) -> Iterator[Candidate]:
    """Leaves that come and go, and now do not go any more: the lowest of eight days is above all such days before."""
    lowest = look.clean[:, -LIFTED_DAYS:].min(axis=1)
    rows = (tree.level == LEAF) & (look.age > GROWN) & (spread > WILD) & (lowest >= look.floor)
    horizon = int(np.flatnonzero(LAGS > LIFTED_DAYS)[0])
    for row in np.flatnonzero(rows).tolist():
        past = look.clean[row, -LIFTED_DAYS - 120 : -LIFTED_DAYS]
        if len(past) < 60 or look.day - int(LAGS[horizon]) not in look.bases:
            continue
        if (past < LOW * past.mean()).mean() < OFTEN:
            continue
        before = float(sliding_window_view(past, LIFTED_DAYS).min(axis=1).max())
        if lowest[row] > LIFTED * max(before, 1e-9) and not _fallen(tree, look, horizon, row):
            score = min(3.0, float(lowest[row]) / (LIFTED * max(before, look.floor)))
            yield Candidate(row=row, top=row, horizon=horizon, score=score, daily=float(lowest[row]))


def _fallen(tree: Tree, look: Look, horizon: int, row: int) -> bool:
    """Whether siblings fell by as much as it is up."""
    family = tree.family(row)
    fall = np.minimum(np.nan_to_num(look.excess[horizon, family]), 0.0).sum()
    return bool(look.clean[row, -LIFTED_DAYS:].mean() + fall < 0.5 * look.clean[row, -LIFTED_DAYS:].mean())
