"""The ports of cost: what a payer's bill is read through, and where each morning of it is kept.

They stand here and not in `opsbot.ports` because the daemon imports that, and these bring numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol

from opsbot.evaluate.cost.bill import Bill
from opsbot.evaluate.costdata.days import BudgetsRead, CostDay, CostReading, Metric, Shown
from opsbot.evaluate.costdata.verdicts import Verdict
from opsbot.evaluate.costdata.writes import Writes
from opsbot.model.environment import Environment
from opsbot.model.period import Period

if TYPE_CHECKING:
    from opsbot.evaluate.savings.advice import Advice, Seconds

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

    def advice(self, payer: Environment, day: date, allowance: Allowance | None = None) -> Advice:
        """AWS's own recommendations, from the Cost Optimization Hub, which charges nothing. With an allowance also what
        Cost Explorer charges for: coverage by commitments, and rightsizing where the hub is not there. What cannot be
        read is a note, never an error."""

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        """What AWS's own detection told of these days, both included: USD_A_REQUEST a page."""

    def writes(self, environment: Environment, region: str, window: Period, first: str = "") -> Writes:
        """What was changed there within the window, a few pages of it, newest first; free. The event called `first` is
        looked for before all others. What cannot be read is the answer's `why`."""


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

    def verdicts(self) -> tuple[Verdict, ...]:
        """All that people said of cost findings, oldest first; the last word on a key holds."""

    def judge(self, verdict: Verdict) -> None:
        """Keep what a person said."""

    def keep_advice(self, advice: Advice) -> None:
        """The last of a payer that was paid for, in place of the one before."""

    def advice(self, payer: str) -> Advice | None:
        """The last one kept."""

    def keep_seconds(self, seconds: Seconds) -> None:
        """What AWS's detection told a payer last, in place of what it told before."""

    def seconds(self, payer: str) -> Seconds | None:
        """The last ones kept."""

    def allowance(self, payer: str, day: date, *, per_day: int, per_month: int) -> Allowance: ...

    def requests(self, payer: str, day: date) -> tuple[int, int]:
        """Requests of that day and of its month so far."""
