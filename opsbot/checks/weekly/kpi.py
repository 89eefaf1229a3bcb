"""The scorecard's figures: each with its target, how it changed and twelve weeks behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from opsbot.checks.spending.words import exact
from opsbot.checks.weekly.course import NOTHING, Course
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import NO_DATA, count, quantity


class Aim(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"
    WITHIN = "within"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One figure. `low` and `high` bound where it is meant to be, None for no bound. `why` says why nothing is known."""

    id: str
    name: str
    course: Course = NOTHING
    unit: Unit = Unit.COUNT
    aim: Aim = Aim.DOWN
    low: float | None = None
    high: float | None = None
    note: str = ""
    why: str = ""
    currency: str = ""

    @property
    def status(self) -> Status:
        now = self.course.now
        if now is None:
            return Status.UNKNOWN
        low = self.low is not None and now < self.low
        return Status.WARNING if low or (self.high is not None and now > self.high) else Status.OK

    @property
    def weighs(self) -> bool:
        """Whether it counts for the verdict: not what nobody set up, and not what is merely paid for and not used."""
        below = self.aim is Aim.WITHIN and self.low is not None and (self.course.now or 0.0) < self.low
        return self.course.known and not below

    @property
    def value(self) -> str:
        return NO_DATA if self.course.now is None else self.said(self.course.now)

    def said(self, value: float) -> str:
        if self.currency:
            return exact(value, self.currency)
        if self.unit is Unit.PERCENT:
            return percent(value)
        return count(round(value)) if self.unit is Unit.COUNT else quantity(value, self.unit)

    @property
    def target(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:g}–{self.said(self.high)}"
        if self.low is not None:
            return f"≥ {self.said(self.low)}"
        if self.high is None:
            return "–"
        return self.said(self.high) if self.high == 0 else f"≤ {self.said(self.high)}"

    @property
    def change(self) -> str:
        """`▲ 61 ms worse`: the arrow is the direction, the word the judgement; no word where neither way is better."""
        change = self.course.change
        if change is None:
            return "" if self.course.now is None else "first known"
        amount = self._amount(change)
        # What the figures themselves cannot show has not changed for a reader.
        if not self._moved or not any(digit in amount for digit in "123456789"):
            return "≈ flat"
        return f"{'▲' if change > 0 else '▼'} {amount} {self._judged(change)}".rstrip()

    @property
    def _moved(self) -> bool:
        """What is nearly all of it moves by what is missing: 99.9 after 99.95 is twice as bad, not the same."""
        if self.unit is Unit.PERCENT and self.aim is Aim.UP:
            missing = tuple(None if value is None else 100.0 - value for value in self.course.weeks)
            return Course(weeks=missing).moved
        return self.course.moved

    def _amount(self, change: float) -> str:
        if self.unit is Unit.PERCENT:
            return f"{points(abs(change))} pt"
        before = self.course.before
        if self.currency and before:
            return f"{100 * abs(change) / abs(before):.1f} %"
        return self.said(abs(change))

    def _judged(self, change: float) -> str:
        if self.aim is Aim.WITHIN:
            now, before = self._off(self.course.now), self._off(self.course.before)
            return "" if now == before else "better" if now < before else "worse"
        return "better" if (change > 0) == (self.aim is Aim.UP) else "worse"

    def _off(self, value: float | None) -> float:
        if value is None or self.low is None or self.high is None:
            return 0.0
        return max(self.low - value, value - self.high, 0.0)


def percent(value: float) -> str:
    """`99.94 %`, `0.08 %`, `72 %`: as many digits as a target of three nines needs."""
    return f"{value:.2f} %" if value < 1 or (value > 98 and value != 100) else f"{value:.3g} %"


def points(value: float) -> str:
    return f"{value:.2f}" if value < 1 else f"{value:.2g}"


def loudest(statuses: Sequence[Status]) -> Status:
    """The one that a reader must act on first: a known trouble before a blind spot; OK of none."""
    order = (Status.OK, Status.INFO, Status.UNKNOWN, Status.WARNING, Status.CRITICAL)
    return max(statuses, key=order.index, default=Status.OK)
