"""Bills that price: what a run would ask of Cost Explorer, without asking it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from opsbot.evaluate.costdata.days import BudgetsRead, CostReading, Shown
from opsbot.evaluate.costdata.ports import USD_A_REQUEST, Allowance, Bills
from opsbot.evaluate.savings.advice import Advice, Seconds
from opsbot.model.environment import Environment
from opsbot.ports import Estimate

CALL, FREE = "ce:GetCostAndUsage", "budgets:DescribeBudgets"


@dataclass(slots=True)
class PricedBills:
    """As `Bills`, with nothing new on any bill. What it would have asked is in `added`."""

    bills: Bills
    calls: Counter[str] = field(default_factory=Counter)

    def bill_requests(self, payer: Environment, morning: date, readings: Sequence[CostReading]) -> int:
        return self.bills.bill_requests(payer, morning, readings)

    def bill(self, payer: Environment, morning: date, readings: Sequence[CostReading], allowance: Allowance) -> Shown:
        if wanted := min(self.bill_requests(payer, morning, readings), allowance.left):
            self.calls[CALL] += wanted
        return Shown(payer=payer.name, morning=morning, currency="USD")

    def budgets(self, environment: Environment) -> BudgetsRead:
        self.calls[FREE] += 1
        return BudgetsRead(account=environment.account_id)

    def advice(self, payer: Environment, day: date, allowance: Allowance | None = None) -> Advice:
        return Advice(payer=payer.name, day=day)

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        return Seconds(payer=payer.name)

    def added(self, plan: Estimate) -> Estimate:
        """The plan with these calls and their price."""
        calls = Counter(dict(plan.calls)) + self.calls
        return replace(plan, calls=tuple(sorted(calls.items())), usd=plan.usd + self.calls[CALL] * USD_A_REQUEST)
