"""One resource replayed month by month: what was said of its limit at each month's end, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from opsbot.evaluate.trend import Outlook, outlook
from opsbot.samples import Values

# Days of history before the first word; less is too little to speak of a month's end.
FEWEST = 14
MONTH, QUARTER = 30, 90


class Came(StrEnum):
    """How a forecast compares with what happened: inside its 80 % range, before it, after it, or nobody can know yet."""

    HIT = "hit"
    SOONER = "sooner"
    LATER = "later"
    OPEN = "open"
    OVER = "over already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said at the end of the day `made`, and the first day after it at or over the limit, if there was one.

    `in_30d` and `in_90d` tell whether that happened; None where the record ends before anybody could say.
    """

    made: date
    outlook: Outlook
    reached: date | None
    came: Came
    in_30d: bool | None
    in_90d: bool | None

    def day(self, distance: float | None) -> date | None:
        return None if distance is None else self.made + timedelta(days=round(distance))


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """All that was said of one record. Brier scores are mean squared errors of the odds: 0 is perfect, 0.25 a coin's."""

    first: date
    values: Values
    limit: float
    said: tuple[Said, ...]
    brier_30d: float | None
    brier_90d: float | None

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.values.size - 1)

    def count(self, came: Came) -> int:
        return sum(one.came is came for one in self.said)


def replay_capacity(first: date, values: Values, limit: float) -> Track:
    """`values[0]` is of the day `first`, NaN where nothing was; a forecast at the end of every month and of the record."""
    said = tuple(
        _said(first, values, limit, size)
        for size in range(FEWEST, values.size + 1)
        if size == values.size or (first + timedelta(days=size)).day == 1
    )
    return Track(
        first=first, values=values, limit=limit, said=said,
        brier_30d=_brier([(one.outlook.p_breach_30d, one.in_30d) for one in said]),
        brier_90d=_brier([(one.outlook.p_breach_90d, one.in_90d) for one in said]),
    )  # fmt: skip


def _said(first: date, values: Values, limit: float, size: int) -> Said:
    found = outlook(values[:size], limit=limit)
    after = values[size:]
    over = np.flatnonzero(after >= limit)
    reached = int(over[0]) + 1 if over.size else None
    made = first + timedelta(days=size - 1)
    return Said(
        made=made,
        outlook=found,
        reached=made + timedelta(days=reached) if reached else None,
        came=_came(found, reached, after.size),
        in_30d=_within(reached, after.size, MONTH),
        in_90d=_within(reached, after.size, QUARTER),
    )


def _within(reached: int | None, known: int, days: int) -> bool | None:
    if reached is not None and reached <= days:
        return True
    return False if known >= days else None


def _came(found: Outlook, reached: int | None, known: int) -> Came:
    if found.current is not None and found.current >= found.limit:
        return Came.OVER
    early, late = found.p10, found.p90
    if reached is not None:
        if early is None:
            return Came.SOONER if reached <= found.horizon else Came.HIT
        return Came.SOONER if reached < early else Came.LATER if late is not None and reached > late else Came.HIT
    if late is not None and known >= late:
        return Came.LATER
    # Silence is right after a quarter; a range without an end, once all the time has passed that was spoken of.
    return Came.HIT if late is None and known >= (QUARTER if early is None else found.horizon) else Came.OPEN


def _brier(pairs: list[tuple[float, bool | None]]) -> float | None:
    known = [(odds - happened) ** 2 for odds, happened in pairs if happened is not None]
    return sum(known) / len(known) if known else None
