"""An anomaly from the morning it is told to the morning it is over: measured against what was normal before it.

The base it began from is frozen, so a long step does not become its own excuse; after four weeks it is accepted as the
new normal. Services that are known to rise along with the cause are told with it, not beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from opsbot.evaluate.cost.anomaly import Kind
from opsbot.evaluate.cost.companions import COMPANION_SHARE, COMPANIONS
from opsbot.evaluate.cost.scan import LAGS, Candidate, Look
from opsbot.evaluate.cost.season import Base, weekday
from opsbot.evaluate.cost.tail import HORIZONS
from opsbot.evaluate.cost.tree import Rows, Tree
from opsbot.samples import Values

ACCEPTED_AFTER, FORGOTTEN_AFTER = 28, 60
# Over when two mornings in a row less than this part of its height is left.
LEFT = 0.35
# Told again when it has trebled, at the earliest after this many days.
TREBLED, AGAIN_AFTER = 3.0, 5
# Not told anew on the days it ends, nor for ten days unless it comes back higher by half.
ENDING, COOL, HIGHER = 1, 10, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Days are ordinals; `told` is a morning. `rows` are the leaves it covers, cause first, with `level` and `week` as
    they were before it. `opened` is the
    morning it was first told. `host` is the service row of the incident it only came along with, or -1. `height` is its
    largest excess per day so far and `height_told` that height when people last heard of it. `lift` is what an accepted
    one added for good. The cost of a `wild` row is never cleaned: its peaks are what it is.
    """

    service: int
    rows: Rows
    level: Values
    week: Values
    start: int
    opened: int
    told: int
    height: float
    height_told: float
    score: float
    horizon: int
    kind: Kind | None
    wild: bool
    host: int = -1
    quiet: int = 0
    end: int | None = None
    accepted: bool = False
    lift: Values | None = None

    @property
    def cause(self) -> int:
        return int(self.rows[0])

    def expected(self, days: Rows) -> Values:
        """Its leaves x days, as before it began."""
        known: Values = self.level[:, None] * self.week[:, weekday(days)]
        return known


def opened(tree: Tree, look: Look, found: Candidate) -> Incident:
    """Where it began and what it covers, as far as this morning shows."""
    rows = _covered(tree, look, found)
    before = look.day - int(LAGS[found.horizon])
    level, week = _before(look.bases[before], rows, fresh=found.kind is Kind.NEW)
    days = np.arange(before + 1, look.day + 1)
    excess = look.cost[rows, -len(days) :] - level[:, None] * week[:, weekday(days)]
    total = excess.sum(axis=0)
    # The start that leaves most of the excess inside, at two fifths of a day's height for every day it claims.
    start = int(np.argmax(np.cumsum((total - 0.4 * total[-3:].mean())[::-1])[::-1]))
    height = float(total[max(start, len(total) - 3) :].mean())
    first = int(days[start])
    return Incident(
        service=int(tree.service[found.row]),
        rows=rows,
        level=level,
        week=week,
        start=first,
        opened=look.day + 1,
        told=look.day + 1,
        height=height,
        height_told=height,
        score=found.score,
        horizon=found.horizon,
        kind=found.kind,
        wild=bool(look.wild[found.row]),
    )


def _covered(tree: Tree, look: Look, found: Candidate) -> Rows:
    """The leaves that rose, the most risen first."""
    if found.row == found.top:
        return np.asarray([found.top], np.int64)
    leaves = tree.below(found.row)
    rise = np.nan_to_num(look.mean[found.horizon, leaves], nan=0.0)
    picked = leaves[(rise > 0.05 * found.daily) & (leaves != found.top)]
    return np.concatenate([[found.top], picked]).astype(np.int64)


def _before(base: Base, rows: Rows, *, fresh: bool) -> tuple[Values, Values]:
    known = (rows < len(base.level)) & (not fresh)
    level, week = np.zeros(len(rows)), np.ones((len(rows), 7))
    level[known], week[known] = base.level[rows[known]], base.week[rows[known]]
    return level, week


def clean(cost: Values, last: int, incidents: Iterable[Incident]) -> Values:
    """The cost without what incidents added to it; the last column is the ordinal `last`.

    Of an accepted one it is the past that is raised to what is normal since.
    """
    first = last + 1 - cost.shape[1]
    cleaned = cost.copy()
    for one in incidents:
        if one.wild:
            continue
        until = last if one.end is None else min(last, one.end)
        if one.lift is not None:
            days = np.arange(first, min(one.start, last + 1))
            cleaned[one.rows, : len(days)] += one.lift[:, None] * one.week[:, weekday(days)]
            continue
        days = np.arange(max(one.start, first), until + 1)
        if len(days):
            columns = slice(int(days[0]) - first, until + 1 - first)
            cleaned[one.rows, columns] = np.minimum(cleaned[one.rows, columns], one.expected(days))
    return cleaned


def covered_on(tree: Tree, incidents: Iterable[Incident], day: int) -> Rows:
    """Rows whose cost on `day` was touched by an incident: their leaves and all above them."""
    touched = [
        one.rows for one in incidents if not one.wild and one.start <= day <= (day if one.end is None else one.end)
    ]
    if not touched:
        return np.zeros(0, np.int64)
    rows = np.concatenate(touched)
    return np.unique(np.concatenate([rows, tree.region[rows], tree.service[rows]]))


def aged(incidents: Sequence[Incident], look: Look) -> list[Incident]:
    """Each open one measured again: higher, lower, over, or there for so long that it is normal now."""
    return [_measured(one, look) if one.end is None else one for one in incidents if not _forgotten(one, look.day)]


def _forgotten(one: Incident, day: int) -> bool:
    return one.end is not None and day - one.end > FORGOTTEN_AFTER


def _measured(one: Incident, look: Look) -> Incident:
    days = np.asarray([look.day - 1, look.day])
    now = float((look.cost[one.rows, -2:] - one.expected(days)).sum(axis=0).mean())
    if now < LEFT * one.height:
        quiet = one.quiet + 1
        return replace(one, quiet=quiet, end=look.day if quiet >= 2 else None)
    if one.accepted or look.day + 1 - one.opened > ACCEPTED_AFTER:
        return replace(one, end=look.day, accepted=True, lift=_lift(one, look))
    return replace(one, quiet=0, height=max(one.height, now))


def _lift(one: Incident, look: Look) -> Values:
    """By how much each leaf is higher than before, as a median of up to its last week."""
    days = np.arange(max(one.start, look.day - 6), look.day + 1)
    excess = (look.cost[one.rows, -len(days) :] - one.expected(days)) / one.week[:, weekday(days)]
    lift: Values = np.median(excess, axis=1)
    return lift


def grown(one: Incident, look: Look) -> bool:
    """Whether it trebled since people heard of it, by more than two floors a day."""
    late = look.day + 1 - one.told >= AGAIN_AFTER
    more = one.height - one.height_told
    return (
        one.end is None and one.host < 0 and late and one.height >= TREBLED * one.height_told and more >= 2 * look.floor
    )


def known(one: Incident, others: Iterable[Incident], day: int) -> bool:
    """Whether people know: it is open, or it was over days ago and is hardly higher now."""
    for other in others:
        if other.service == one.service:
            since = 0 if other.end is None else day - other.end
            if since <= ENDING or (since <= COOL and one.height < HIGHER * other.height):
                return True
    return False


def hosted(tree: Tree, one: Incident, others: Iterable[Incident]) -> Incident:
    """`one`, marked as coming along with a larger incident of the same account, region and days, if there is such."""
    for other in others:
        mine, its = tree.keys[one.cause], tree.keys[other.cause]
        together = other.end is None and abs(other.start - one.start) <= 2 and one.opened - other.opened <= 6
        near = mine[0] == its[0] and mine[2] == its[2] and mine[1] in COMPANIONS.get(its[1], frozenset())
        if together and near and one.height < COMPANION_SHARE * other.height:
            return replace(one, host=other.service)
    return one


def slow(one: Incident) -> bool:
    return HORIZONS[one.horizon][0] >= 8
