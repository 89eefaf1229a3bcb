"""M of N points with missing ones among them, exactly as CloudWatch documents it for its alarms.

Source: Amazon CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data". A range of R > N periods
is read. N or more real points in it: the newest N decide and the treatment is not used. Fewer: every real point counts
and only the shortfall is filled. None: the treatment alone decides. CloudWatch lets AWS/DynamoDB always act as
`ignore`; a check says its own treatment here, and the shipped DynamoDB checks take absence for zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from opsbot.model.check import Missing

Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]


class State(IntEnum):
    """KEEP: nothing new can be said, so the state before stands."""

    OK = 0
    ALARM = 1
    INSUFFICIENT = 2
    KEEP = 3


_EMPTY = {
    Missing.UNKNOWN: State.INSUFFICIENT,
    Missing.IGNORE: State.KEEP,
    Missing.BREACHING: State.ALARM,
    Missing.NOT_BREACHING: State.OK,
    Missing.ZERO: State.OK,
}


def reach(n: int) -> int:
    """How many of the newest periods are looked at for N points; CloudWatch does not publish its figure."""
    return n + max(2, n // 3)


def state(points: Sequence[bool | None], m: int, n: int, missing: Missing) -> State:
    """The state that these points mean, oldest first: True breaches, False does not, None is missing.

    The reference that `states` must agree with. ZERO means its caller has filled the points already.
    """
    real = [point for point in points if point is not None]
    if not real:
        return _EMPTY[missing]
    if len(real) >= n:
        return _alarm(sum(real[-n:]) >= m)
    breaching = sum(real)
    if missing is Missing.BREACHING:
        return _alarm(breaching + n - len(real) >= m)
    if missing in (Missing.NOT_BREACHING, Missing.ZERO) or breaching < len(real):
        return _alarm(breaching >= m)
    # Every real point breaches and they are too few: only a breach that is old enough raises the alarm.
    age = len(points) - next(place for place, point in enumerate(points) if point)
    return State.ALARM if missing is Missing.UNKNOWN and age >= m else State.KEEP


def _alarm(breached: bool) -> State:
    return State.ALARM if breached else State.OK


def states(breach: Flags, real: Flags, m: int, n: int, missing: Missing) -> Codes:
    """`state` for many rows at once: `breach` and `real` are rows x the last R columns, oldest first."""
    width = breach.shape[1]
    if width == 0:
        return np.full(breach.shape[0], _EMPTY[missing], dtype=np.int8)
    breach = breach & real
    count = real.sum(axis=1)
    total = breach.sum(axis=1)
    age = width - breach.argmax(axis=1)
    recent = np.cumsum(real[:, ::-1], axis=1)[:, ::-1] <= n
    newest = (breach & recent).sum(axis=1)
    few = _few(count, total, age, m, n, missing)
    decided = np.where(count >= n, newest >= m, few)
    return np.where(count == 0, _EMPTY[missing], decided).astype(np.int8)


def _few(
    count: NDArray[np.int64], total: NDArray[np.int64], age: NDArray[np.int64], m: int, n: int, missing: Missing
) -> NDArray[np.int64]:
    """The rows with at least one real point, but fewer than N."""
    if missing is Missing.BREACHING:
        return (total + n - count >= m).astype(np.int64)
    plain = (total >= m).astype(np.int64)
    if missing in (Missing.NOT_BREACHING, Missing.ZERO):
        return plain
    alone = np.where(age >= m, int(State.ALARM), int(State.KEEP)) if missing is Missing.UNKNOWN else int(State.KEEP)
    return np.where(total < count, plain, alone)
