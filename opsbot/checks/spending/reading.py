"""Payers' bills in a report: `billed` is to them what `observe` is to the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta

from opsbot.checks.spending.budgets import Billing, Budgeted, foreseen, of_aws, of_own
from opsbot.checks.spending.course import totals
from opsbot.checks.spending.life import Life, Replay, unjudged
from opsbot.checks.spending.names import Accounts
from opsbot.evaluate.budget import MonthEnd
from opsbot.evaluate.cost import Anomaly, Bill, Sensitivity
from opsbot.evaluate.cost.watch import FIRST_WORD
from opsbot.evaluate.costdata.days import BudgetsRead, CostGap, CostReading
from opsbot.evaluate.costdata.ports import USD_A_REQUEST, Bills, Costs
from opsbot.evaluate.costdata.verdicts import Verdict, last_words
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.status import Status

# An anomaly lives for four weeks at most, and what people said holds for another month.
MORNINGS = timedelta(days=50)
PAST, MARKED = 400, 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests of Cost Explorer that one payer may take, $0.01 each."""

    per_day: int = 10
    per_month: int = 310


@dataclass(frozen=True, slots=True, kw_only=True)
class Grave:
    """What needs somebody today: an excess of so much a day, in the bill's money or as percent of the daily bill."""

    usd_a_day: float = 50.0
    percent: float = 10.0


USUAL, CAPPED, LARGE = Sensitivity(), Limits(), Grave()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """One payer this morning. `bill` holds what is known of the last 13 months, None if nothing ever was.

    `judged` says whether anomalies could be looked for, `history` how many days the scan knows, `estimated` how many of
    the last five weeks AWS may still change. `requests` are Cost Explorer's, today and this month.
    """

    payer: Environment
    accounts: Accounts
    morning: date
    bill: Bill | None = None
    lives: tuple[Life, ...] = ()
    drops: tuple[Anomaly, ...] = ()
    judged: bool = False
    mornings: int = 0
    history: int = 0
    estimated: int = 0
    end: MonthEnd | None = None
    gaps: tuple[CostGap, ...] = ()
    read: bool = False
    requests: tuple[int, int] = (0, 0)
    limits: Limits = CAPPED
    sensitivity: Sensitivity = USUAL

    @property
    def currency(self) -> str:
        return self.bill.currency if self.bill else "USD"

    @property
    def last(self) -> date | None:
        """The newest day of the bill."""
        return self.bill.morning - timedelta(days=1) if self.bill else None

    @property
    def judges_from(self) -> date:
        """The first morning on which the scan has seen enough of this payer."""
        return self.morning + timedelta(days=max(FIRST_WORD - self.history, 0))

    @property
    def usd(self) -> tuple[float, float]:
        """What asking cost today and this month."""
        return self.requests[0] * USD_A_REQUEST, self.requests[1] * USD_A_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """All payers' bills, and what is to be told of them. `known` are the statuses that people last heard, by key;
    `strangers` have settings of their own and are no payers."""

    spending: tuple[Spending, ...]
    budgets: tuple[Budgeted, ...] = ()
    unread_budgets: tuple[tuple[str, str], ...] = ()
    grave: Grave = LARGE
    known: Mapping[str, Status] = field(default_factory=dict)
    zone: str = "UTC"
    strangers: tuple[str, ...] = ()

    @property
    def lives(self) -> tuple[tuple[Spending, Life], ...]:
        """Worst first: what costs most a day."""
        found = [(one, life) for one in self.spending for life in one.lives]
        return tuple(sorted(found, key=lambda pair: (-pair[1].anomaly.daily, pair[1].key)))


Pair = tuple[Spending, Life]


def is_news(all: Billed, life: Life) -> bool:
    """Whether people should hear of it at length: it changed this morning, or no run ever came to tell of it."""
    last = all.known.get(life.key, Status.OK)
    return life.news or (life.open and last in (Status.OK, Status.INFO))


def loud(all: Billed) -> list[Pair]:
    """Opened or growing, the dearest first."""
    return [pair for pair in all.lives if pair[1].open and is_news(all, pair[1])]


def billed(
    ctx: Context,
    *,
    sensitivity: Sensitivity = USUAL,
    per_payer: Mapping[str, Sensitivity] | None = None,
    limits: Limits = CAPPED,
    grave: Grave = LARGE,
) -> Billed:
    """Read what is due of each payer's bill, keep it as it was shown, and judge it against its own past.

    What was paid for is kept whatever becomes of the run; the second run of a morning asks nothing. One payer that cannot
    be read is told as such beside the others. Raises StoreError.
    """
    bills, costs = ctx.looking.bills, ctx.looking.costs
    payers = [one for one in ctx.environments if one.payer]
    if bills is None or costs is None or not payers:
        return Billed(spending=(), grave=grave, zone=ctx.zone)
    known = ctx.looking.everywhere or ctx.environments
    words = last_words(costs.verdicts())
    found, planned, unread = [], [], []
    for done, payer in enumerate(payers):
        ctx.looking.progress("reading bills", done, len(payers))
        accounts = Accounts(payer=payer, environments=known)
        chosen = (per_payer or {}).get(payer.name, sensitivity)
        found.append(_spending(_Desk(bills, costs, words, limits), ctx.now.astimezone(UTC).date(), accounts, chosen))
        read = bills.budgets(payer)
        planned += list(of_aws(payer, read.budgets, accounts, found[-1].morning))
        unread += _unread(payer, read)
    ctx.looking.progress("reading bills", len(payers), len(payers))
    billings = [Billing(payer=one.payer, accounts=one.accounts, bill=one.bill) for one in found if one.bill]
    return Billed(
        spending=tuple(found),
        budgets=(*of_own(ctx.looking.budgets, billings), *planned),
        unread_budgets=tuple(unread),
        grave=grave,
        known=ctx.looking.history,
        zone=ctx.zone,
        strangers=tuple(sorted(set(per_payer or {}) - {one.name for one in known if one.payer})),
    )


def _unread(payer: Environment, read: BudgetsRead) -> list[tuple[str, str]]:
    allow = f"; allow {read.action}" if read.action else ""
    return [(payer.name, f"{why}{allow}") for why in read.gaps]


@dataclass(frozen=True, slots=True)
class _Desk:
    bills: Bills
    costs: Costs
    words: Mapping[str, Verdict]
    limits: Limits


def _spending(desk: _Desk, morning: date, accounts: Accounts, sensitivity: Sensitivity) -> Spending:
    name = accounts.payer.name
    readings = desk.costs.readings(name)
    gaps = _read(desk, morning, accounts.payer, readings)
    replay = Replay(sensitivity=sensitivity, key=accounts.key, words=desk.words)
    for bill in desk.costs.bills(name, morning - MORNINGS, morning):
        replay.morning(bill)
    whole = _whole(desk.costs, name, morning)
    today = whole is not None and whole.morning == morning
    return Spending(
        payer=accounts.payer,
        accounts=accounts,
        morning=morning,
        bill=whole,
        lives=replay.lives if today else unjudged(replay.lives),
        drops=replay.drops,
        judged=replay.judged and today,
        mornings=replay.mornings,
        history=(whole.morning - replay.first).days if whole and replay.first else 0,
        estimated=_estimated(desk.costs, name, morning) if whole else 0,
        end=foreseen(totals(whole), whole.first) if whole else None,
        gaps=gaps,
        read=today,
        requests=desk.costs.requests(name, morning),
        limits=desk.limits,
        sensitivity=sensitivity,
    )


def _read(desk: _Desk, morning: date, payer: Environment, readings: Sequence[CostReading]) -> tuple[CostGap, ...]:
    if any(one.morning > morning for one in readings):
        # A morning of the past is shown as it was: what AWS says of it today, it did not say then.
        return ()
    allowance = desk.costs.allowance(payer.name, morning, per_day=desk.limits.per_day, per_month=desk.limits.per_month)
    shown = desk.bills.bill(payer, morning, readings, allowance)
    if shown.days or shown.readings:
        desk.costs.keep(shown)
    return shown.gaps


def _whole(costs: Costs, payer: str, morning: date) -> Bill | None:
    """All that is kept of a payer, as the last morning of the scan showed it."""
    last = max((one.morning for one in costs.readings(payer) if one.morning <= morning), default=None)
    found = list(costs.bills(payer, last, last, depth=PAST)) if last else []
    return found[0] if found and found[0].cost.size else None


def _estimated(costs: Costs, payer: str, morning: date) -> int:
    days = costs.days(payer, morning - timedelta(days=MARKED), morning, morning=morning)
    return sum(one.estimated for one in days)
