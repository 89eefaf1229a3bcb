"""Bills that price: what a run would ask of Cost Explorer, without asking it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from opsbot.evaluate.costdata.days import BudgetsRead, CostReading, Shown
from opsbot.evaluate.costdata.ports import USD_A_REQUEST, Allowance, Bills
from opsbot.evaluate.costdata.writes import PAGES, Writes
from opsbot.evaluate.savings.advice import Advice, Seconds
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.ports import Estimate

CALL, FREE = "ce:GetCostAndUsage", "budgets:DescribeBudgets"
ADVICE = ("ce:GetSavingsPlansCoverage", "ce:GetReservationCoverage")
SECONDS, TRAIL = "ce:GetAnomalies", "cloudtrail:LookupEvents"


@dataclass(slots=True)
class PricedBills:
    """As `Bills`, with nothing new on any bill. What it would have asked is in `added`; `charged` counts by payer."""

    bills: Bills
    calls: Counter[str] = field(default_factory=Counter)
    charged: Counter[str] = field(default_factory=Counter)

    def bill_requests(self, payer: Environment, morning: date, readings: Sequence[CostReading]) -> int:
        return self.bills.bill_requests(payer, morning, readings)

    def bill(self, payer: Environment, morning: date, readings: Sequence[CostReading], allowance: Allowance) -> Shown:
        self._charge(payer, [CALL] * self.bill_requests(payer, morning, readings), allowance)
        return Shown(payer=payer.name, morning=morning, currency="USD")

    def budgets(self, environment: Environment) -> BudgetsRead:
        self.calls[FREE] += 1
        return BudgetsRead(account=environment.account_id)

    def advice(self, payer: Environment, day: date, allowance: Allowance | None = None) -> Advice:
        if allowance is not None:
            self._charge(payer, ADVICE, allowance)
        return Advice(payer=payer.name, day=day)

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        self._charge(payer, (SECONDS,), allowance)
        # With a note it is kept nowhere.
        return Seconds(payer=payer.name, day=last, note="not asked: this is an estimate")

    def writes(self, environment: Environment, region: str, window: Period, first: str = "") -> Writes:
        self.calls[TRAIL] += PAGES
        return Writes()

    def _charge(self, payer: Environment, calls: Sequence[str], allowance: Allowance) -> None:
        """A page each, as far as the allowance goes: nothing is taken from it here."""
        taken = calls[: max(allowance.left - self.charged[payer.name], 0)]
        self.calls.update(taken)
        self.charged[payer.name] += len(taken)

    def added(self, plan: Estimate) -> Estimate:
        """The plan with these calls and their price."""
        calls = Counter(dict(plan.calls)) + self.calls
        usd = plan.usd + self.charged.total() * USD_A_REQUEST
        return replace(plan, calls=tuple(sorted(calls.items())), usd=usd)
