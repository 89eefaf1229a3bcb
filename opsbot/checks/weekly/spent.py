"""What the week cost, from bills that were read before: the weekly report asks Cost Explorer nothing.

Who asks for some environments only, such as one tenant's, gets their part of each bill and nothing of the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from opsbot.checks.spending import Billed, Spending, billed
from opsbot.checks.spending.budgets import Budgeted
from opsbot.checks.spending.life import Life
from opsbot.checks.spending.names import service
from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.course import NOTHING, Course
from opsbot.evaluate.budget import MonthEnd, month_end
from opsbot.evaluate.cost.bill import USAGE
from opsbot.evaluate.costdata.days import BudgetsRead, CostReading, Shown
from opsbot.evaluate.costdata.ports import Allowance, Bills
from opsbot.evaluate.costdata.writes import Writes
from opsbot.evaluate.savings.advice import Advice, Seconds
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.samples import Values

# Yesterday is hardly on a bill yet: it counts as still to come.
_HARDLY = 1
_WEEK = 7
_OVER = 1.01
OTHERS = "other accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """A month's budget: `daily` is what counts against it, from the day `first`; `end` its likely end, None for too young."""

    name: str
    limit: float
    daily: Values
    first: date
    end: MonthEnd | None

    @property
    def over(self) -> bool:
        """Whether it likely ends above its limit, by more than a rounding."""
        return self.end is not None and self.end.p50 > _OVER * self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One service of one environment: the days of the week that are billed, and the same days of the week before."""

    environment: str
    service: str
    now: float
    before: float

    @property
    def change(self) -> float:
        return self.now - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Money of the environments in question, in `currency`. `parts` are daily costs of use by environment and service from
    the day `first`; `whole` has fees, tax and credits too, which come once a month and say nothing of a week. `days` of
    the week are billed. `lives` and `budgets` are only those that tell of nobody else."""

    currency: str = "USD"
    first: date | None = None
    parts: Mapping[tuple[str, str], Values] = field(default_factory=dict)
    whole: Values = field(default_factory=lambda: np.empty(0))
    days: int = 0
    until: date | None = None
    week: date | None = None
    lives: tuple[tuple[Spending, Life], ...] = ()
    budgets: tuple[Budgeted, ...] = ()
    paced: Paced | None = None
    payers: int = 0
    left_out: tuple[str, ...] = ()

    def of(self, environment: str | None = None) -> Values:
        """By day; empty where nothing is known."""
        rows = [row for (place, _), row in self.parts.items() if environment in (None, place)]
        found: Values = np.sum(rows, axis=0) if rows else np.empty(0)
        return found

    def course(self, environment: str | None, calendar: Calendar) -> Course:
        """By week. The last one is what is billed of it; its year ago the same weekdays."""
        daily = self.of(environment)
        if not len(daily) or self.first is None or not self.days:
            return NOTHING
        starts = [calendar.first_day - timedelta(weeks=back) for back in range(len(calendar.edges) - 2, -1, -1)]
        # The same days of every week, so that a week that is not billed to its end is not taken for a cheap one.
        weeks = tuple(self._sum(daily, start, self.days) for start in starts)
        return Course(weeks=weeks, year=self._sum(daily, calendar.first_day - timedelta(weeks=52), self.days))

    def _sum(self, daily: Values, start: date, days: int) -> float | None:
        place = (start - (self.first or start)).days
        part = daily[place : place + days] if place >= 0 else np.empty(0)
        return None if len(part) < days or np.isnan(part).any() else float(part.sum())

    def moved(self, calendar: Calendar) -> list[Moved]:
        """Services by how much their week differs from the one before, the largest first."""
        week, before = calendar.first_day, calendar.first_day - timedelta(weeks=1)
        found = []
        for (place, name), row in self.parts.items():
            now, then = self._sum(row, week, self.days), self._sum(row, before, self.days)
            if now is not None and then is not None and self.days:
                found.append(Moved(environment=place, service=name, now=now, before=then))
        return sorted(found, key=lambda one: (-abs(one.change), one.environment, one.service))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A payer's bill as it is kept; budgets are asked for where the payer is one of the environments in question."""

    bills: Bills
    mine: frozenset[str]

    def bill_requests(self, payer: Environment, morning: date, readings: Sequence[CostReading]) -> int:
        return 0

    def bill(self, payer: Environment, morning: date, readings: Sequence[CostReading], allowance: Allowance) -> Shown:
        return Shown(payer=payer.name, morning=morning, currency="USD")

    def budgets(self, environment: Environment) -> BudgetsRead:
        known = environment.name in self.mine
        return self.bills.budgets(environment) if known else BudgetsRead(account=environment.account_id)

    def advice(self, payer: Environment, day: date, allowance: Allowance | None = None) -> Advice:
        return self.bills.advice(payer, day)

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        return self.bills.anomalies(payer, first, last, allowance)

    def writes(self, environment: Environment, region: str, window: Period, first: str = "") -> Writes:
        return self.bills.writes(environment, region, window, first)


def spent(ctx: Context, calendar: Calendar) -> Spent:
    """All that is known of the environments' bills. Raises StoreError."""
    everywhere = ctx.looking.everywhere or ctx.environments
    payers = tuple(one for one in everywhere if one.payer)
    if ctx.looking.costs is None or ctx.looking.bills is None or not payers:
        return Spent()
    scope = Scope(mine=frozenset(one.name for one in ctx.environments), everywhere=everywhere)
    kept = _Kept(ctx.looking.bills, scope.mine)
    all_of_it = billed(replace(ctx, environments=payers, looking=replace(ctx.looking, bills=kept)))
    return _spent(ctx, all_of_it, scope, calendar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which part of a bill is whose."""

    mine: frozenset[str]
    everywhere: tuple[Environment, ...]

    @property
    def whole(self) -> bool:
        return self.mine >= {one.name for one in self.everywhere}

    def place(self, account: str, region: str) -> str | None:
        """The environment a charge belongs to; None where any of it may be somebody else's."""
        mine = [one for one in self.everywhere if account and one.account_id == account]
        there = [one for one in mine if region in one.regions] or mine
        if not there:
            return OTHERS if self.whole else None
        return there[0].name if all(one.name in self.mine for one in there) else None


def _spent(ctx: Context, all_of_it: Billed, scope: Scope, calendar: Calendar) -> Spent:
    known = [one for one in all_of_it.spending if one.bill is not None]
    currencies = [one.currency for one in known]
    currency = max(sorted(set(currencies)), key=currencies.count, default="USD")
    mine = [one for one in known if one.currency == currency]
    if not mine:
        return Spent()
    first = min(one.bill.first for one in mine if one.bill)
    last = min(one.bill.morning for one in mine if one.bill) - timedelta(days=_HARDLY)
    parts, whole = _parts(mine, scope, first, last)
    until = last - timedelta(days=1)
    days = min(max(0, (last - calendar.first_day).days), _WEEK) if parts else 0
    lives = tuple(pair for pair in all_of_it.lives if _told(pair, scope))
    found = Spent(
        currency=currency, first=first, parts=parts, whole=whole, days=days, until=until if parts else None, week=calendar.first_day,
        lives=lives, budgets=tuple(one for one in all_of_it.budgets if _mine(ctx, one, scope)), payers=len(_paying(mine, scope)),
        left_out=tuple(one.payer.name for one in known if one.currency != currency and one.payer.name in scope.mine),
    )  # fmt: skip
    return replace(found, paced=_paced(ctx, found, mine, scope, last))


def _paying(mine: Sequence[Spending], scope: Scope) -> list[Spending]:
    """Those on whose bill any of it stands."""
    return [one for one in mine if one.bill and any(scope.place(leaf.account, leaf.region) for leaf in one.bill.leaves)]


def _parts(
    mine: Sequence[Spending], scope: Scope, first: date, last: date
) -> tuple[dict[tuple[str, str], Values], Values]:
    """What use cost by environment and service, and all of it. A bill that does not reach back as far as another is not
    known there, not nothing."""
    width = (last - first).days
    parts: dict[tuple[str, str], Values] = defaultdict(lambda: np.zeros(max(0, width)))
    whole = np.zeros(max(0, width))
    for one in mine:
        bill = one.bill
        if bill is None:
            continue
        before = np.full((bill.first - first).days, np.nan)
        for place, leaf in enumerate(bill.leaves):
            where = scope.place(leaf.account, leaf.region)
            if where is not None:
                row = np.concatenate([before, bill.cost[place]])[:width]
                whole += row
                if leaf.record_type in USAGE:
                    parts[where, service(leaf.service)] += row
    return dict(parts), whole


def _told(pair: tuple[Spending, Life], scope: Scope) -> bool:
    """Only where every cause lies with the environments in question."""
    return all(scope.place(cause.account, cause.region) is not None for cause in pair[1].anomaly.causes)


def _mine(ctx: Context, one: Budgeted, scope: Scope) -> bool:
    """AWS's own budgets are about a payer with all its accounts: told to those who see all of them."""
    return scope.whole or any(
        own.name == one.name and _of(ctx, scope, own.tenant, own.environment) for own in ctx.looking.budgets
    )


def _of(ctx: Context, scope: Scope, tenant: str, environment: str) -> bool:
    if environment:
        return environment in scope.mine
    theirs = {one.name for one in scope.everywhere if one.tenant == tenant}
    return bool(tenant) and bool(theirs) and theirs <= scope.mine


def _paced(ctx: Context, found: Spent, mine: Sequence[Spending], scope: Scope, last: date) -> Paced | None:
    """The budget of all that is in question: one of one's own, or what AWS keeps of each payer."""
    daily = found.whole
    if not len(daily) or found.first is None:
        return None
    limits = dict(_limits(ctx, found, mine, scope))
    if not limits:
        return None
    end = month_end(daily, found.first)
    return Paced(name=" and ".join(limits), limit=sum(limits.values()), daily=daily, first=found.first, end=end)


def _limits(ctx: Context, found: Spent, mine: Sequence[Spending], scope: Scope) -> Iterator[tuple[str, float]]:
    if found.currency != "USD":
        return
    own = [one for one in ctx.looking.budgets if not one.service and not one.payer]
    if scope.whole:
        total = [one for one in own if not one.environment and not one.tenant]
        yield from [(one.name, one.usd) for one in total[:1]] or _of_payers(ctx, found, mine)
        return
    theirs = [one for one in own if one.tenant and not one.environment and _of(ctx, scope, one.tenant, "")]
    if {name for one in theirs for name in _places(scope, one.tenant)} == scope.mine:
        yield from ((one.name, one.usd) for one in theirs)


def _places(scope: Scope, tenant: str) -> set[str]:
    return {one.name for one in scope.everywhere if one.tenant == tenant}


def _of_payers(ctx: Context, found: Spent, mine: Sequence[Spending]) -> list[tuple[str, float]]:
    """One for each payer, or none: half of the bills against half of the budgets says nothing."""
    chosen = []
    for one in mine:
        own = [(b.name, b.usd) for b in ctx.looking.budgets if b.payer == one.payer.name and not b.service]
        aws = [
            (b.name, b.limit)
            for b in found.budgets
            if b.source == "AWS" and b.environment == one.payer.name and not b.about and b.unit == "MONTHLY"
        ]
        if not own and not aws:
            return []
        chosen.append((own or sorted(aws, key=lambda pair: pair[1]))[0])
    return chosen
