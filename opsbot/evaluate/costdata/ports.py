"""The ports of cost: what a payer's bill is read through, and where each morning of it is kept.

They stand here and not in `opsbot.ports` because the daemon imports that, and these bring numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Protocol

from opsbot.evaluate.cost.bill import Bill
from opsbot.evaluate.costdata.days import BudgetsRead, CostDay, CostReading, Metric, Shown
from opsbot.model.environment import Environment

USD_A_REQUEST = 0.01
"""Of Cost Explorer: each page that is answered."""


class Allowance(Protocol):
    """How many requests of Cost Explorer a payer may still make; each is counted before it is made."""

    @property
    def left(self) -> int: ...

    @property
    def why(self) -> str:
        """Why no more are allowed, for people."""

    def take(self) -> bool:
        """One more request; False when the day's or the month's are used up."""

    def give_back(self) -> None:
        """The last one failed and is not charged."""


class Bills(Protocol):
    """What AWS charges its payers, read only. One payer that cannot be read never stops another: it is a gap."""

    def bill_requests(self, payer: Environment, morning: date, readings: Sequence[CostReading]) -> int:
        """How many requests `bill` would take after these readings, USD_A_REQUEST each: asks AWS nothing."""

    def bill(self, payer: Environment, morning: date, readings: Sequence[CostReading], allowance: Allowance) -> Shown:
        """What is due this morning after these readings (oldest first), and what the allowance leaves of the past."""

    def budgets(self, environment: Environment) -> BudgetsRead: ...


class Costs(Protocol):
    """What payers were shown, morning by morning, and what asking has cost. Raises StoreError."""

    def keep(self, shown: Shown) -> None:
        """A morning's days and readings in one transaction; the same given twice is kept once."""

    def readings(self, payer: str) -> tuple[CostReading, ...]:
        """Oldest first."""

    def days(self, payer: str, first: date, end: date, *, morning: date | None = None) -> tuple[CostDay, ...]:
        """The days [first, end) as a morning showed them; without one, as they were shown last."""

    def bills(
        self, payer: str, since: date, until: date, *, depth: int = 150, metric: Metric | None = None
    ) -> Iterator[Bill]:
        """Each morning of [since, until] that was read, oldest first: the `depth` days before it as it showed them, in
        amortized cost unless told. A day that was read only later stands as it was then; one never read is a gap."""

    def allowance(self, payer: str, day: date, *, per_day: int, per_month: int) -> Allowance: ...

    def requests(self, payer: str, day: date) -> tuple[int, int]:
        """Requests of that day and of its month so far."""
