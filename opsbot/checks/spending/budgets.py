"""Budgets as they stand: AWS's own, as AWS judges them, and those of config.toml against the bills that were read."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from opsbot.checks.spending.names import Accounts, service
from opsbot.evaluate.budget import MonthEnd, month_end, pace
from opsbot.evaluate.cost import Bill
from opsbot.evaluate.costdata.days import Budget
from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.samples import Values

WARNING, CRITICAL = 80.0, 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """One budget this morning. Money in `currency`; `forecast` is of the whole period, None where nobody can tell yet.

    `due` is what would be gone by now at an even pace, `exhausted` the day on which it likely ends (budgets of our own).
    `source` is "AWS" or "config.toml", `about` what it is limited to.
    """

    name: str
    environment: str
    source: str
    limit: float
    actual: float
    forecast: float | None
    currency: str
    about: str = ""
    unit: str = "MONTHLY"
    due: float | None = None
    p_over: float | None = None
    exhausted: date | None = None
    warning: float = WARNING
    critical: float = CRITICAL

    @property
    def spent(self) -> float:
        """Percent of it that is gone."""
        return 100.0 * self.actual / self.limit

    @property
    def foreseen(self) -> float | None:
        """Percent of it that will be gone by its end."""
        return None if self.forecast is None else 100.0 * self.forecast / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """A payer with the bill that was read of it."""

    payer: Environment
    accounts: Accounts
    bill: Bill


def of_aws(environment: Environment, found: Iterable[Budget], accounts: Accounts, morning: date) -> Iterator[Budgeted]:
    """As AWS keeps them; the pace of a monthly one is that of the calendar."""
    for one in found:
        yield Budgeted(
            name=one.name,
            environment=environment.name,
            source="AWS",
            limit=one.limit,
            actual=one.actual,
            forecast=one.forecast,
            currency=one.currency,
            about=_named(one.about, accounts),
            unit=one.unit,
            due=one.limit * _gone(morning) if one.unit == "MONTHLY" else None,
        )


def _gone(morning: date) -> float:
    return (morning.day - 1) / monthrange(morning.year, morning.month)[1]


def _named(about: str, accounts: Accounts) -> str:
    """Account numbers with the names people know."""
    for one in accounts.environments:
        if one.account_id:
            about = about.replace(one.account_id, one.name)
    return about.replace("LinkedAccount ", "")


def of_own(own: Sequence[OwnBudget], billings: Sequence[Billing]) -> Iterator[Budgeted]:
    """Those that some bill in USD says something of."""
    for one in own:
        parts = [part for billing in billings if (part := _part(one, billing)) is not None]
        if parts:
            yield _judged(one, parts)


def _part(own: OwnBudget, billing: Billing) -> tuple[date, Values] | None:
    """What fits a budget in one bill, by day; None where nothing can."""
    bill = billing.bill
    if bill.currency != "USD" or (own.payer and own.payer != billing.payer.name) or not bill.cost.shape[1]:
        return None
    rows = [place for place, leaf in enumerate(bill.leaves) if _fits(own, billing, leaf.account, leaf.service)]
    if not rows and not own.payer:
        return None
    return bill.first, bill.cost[rows].sum(axis=0)


def _fits(own: OwnBudget, billing: Billing, account: str, name: str) -> bool:
    where = billing.accounts.environment(account)
    known = billing.accounts.known(account)
    if own.environment and not (known and where.name == own.environment):
        return False
    if own.tenant and not (known and where.tenant == own.tenant):
        return False
    return not own.service or own.service in (name, service(name))


def _judged(own: OwnBudget, parts: Sequence[tuple[date, Values]]) -> Budgeted:
    first = max(first for first, _ in parts)
    daily = np.sum([cost[(first - start).days :] for start, cost in parts], axis=0)
    end = foreseen(daily, first)
    actual = spent(daily, first)
    stands = pace(end, own.usd) if end else None
    return Budgeted(
        name=own.name,
        environment=own.environment or own.payer or own.tenant or "all payers",
        source="config.toml",
        limit=own.usd,
        actual=actual,
        forecast=end.p50 if end else None,
        currency="USD",
        about=", ".join(filter(None, (own.payer, own.environment, own.tenant, own.service))),
        due=stands.due * own.usd if stands else None,
        p_over=stands.p_over if stands else None,
        exhausted=stands.exhausted if stands else None,
        warning=own.warning,
        critical=own.critical,
    )


def foreseen(daily: Values, first: date) -> MonthEnd | None:
    """The end of the month that yesterday lies in. Yesterday is hardly billed yet: it counts as still to come."""
    return month_end(daily[:-1], first) if len(daily) else None


def spent(daily: Values, first: date) -> float:
    """What the month that yesterday lies in shows so far."""
    last = date.fromordinal(first.toordinal() + len(daily) - 1)
    return float(np.nansum(daily[-last.day :])) if len(daily) else 0.0
