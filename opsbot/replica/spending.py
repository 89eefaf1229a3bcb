"""What the scenario says of money: who pays for whom, on what terms, which budgets there are, and what ran away."""

from dataclasses import dataclass
from typing import Literal

Growth = Literal["flat", "leak"]
NEVER = 2**31
"""An epoch day beyond all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """A monthly cost budget of a payer, over all its accounts or over some."""

    name: str
    limit: float
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerSpec:
    """An account that pays for others, itself included.

    `commitment` is a Compute Savings Plan in USD an hour; `support` and `tax` are shares of the month's usage, charged
    on the 1st; `credit` is USD a month, used up from the 1st on; `discount` is what net amounts are lower by.
    """

    account: str
    pays_for: tuple[str, ...]
    commitment: float = 0.0
    support: float = 0.0
    tax: float = 0.0
    credit: float = 0.0
    discount: float = 0.0
    budgets: tuple[BudgetSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """The change that a runaway began with: `hours` after the midnight of its first day, less than 0 for the evening before."""

    event: str
    source: str
    who: str
    about: str
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Runaway:
    """Usage beyond what the resources explain, from one day on: `usd` a day, or for a leak that much more every day.

    `begin` and `end` are epoch days, `end` excluded. `expect` is False for what must stay untold.
    """

    account: str
    service: str
    usage_type: str
    operation: str
    region: str
    usd: float
    price: float
    begin: int
    end: int
    growth: Growth
    story: str
    expect: bool = True
    begun_by: tuple[Culprit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """All of it."""

    payers: tuple[PayerSpec, ...] = ()
    runaways: tuple[Runaway, ...] = ()

    def payer(self, account: str) -> PayerSpec | None:
        """Who pays for an account."""
        return next((one for one in self.payers if account in one.pays_for), None)


NOTHING = Spending()
