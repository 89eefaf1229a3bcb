"""The bill of a month: usage x price = cost, with commitments, fees and credits, and how much of it is shown when.

A payer's calendar month is worked out once and kept; what a morning shows is that, times how complete each day is by
then. The sum over accounts is the sum over services: all groupings are of the same lines.
"""

import math
import threading
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from opsbot.replica.signals import DAY, fraction_of
from opsbot.replica.spending import PayerSpec, Runaway
from opsbot.replica.usage import EVERYWHERE, Days, Use, used
from opsbot.replica.world import Floats, World

# The plan takes so much off what it covers; it covers these.
PLAN_DISCOUNT = 0.28
COMPUTE = frozenset({"AWS Lambda", "Amazon Elastic Container Service", "Amazon Elastic Compute Cloud - Compute"})
PLAN = "Savings Plans for AWS Compute usage"
SUPPORT = "AWS Support (Business)"
CLOSED_ON = 6
"""The day of the next month from which nothing changes any more."""
REFRESH_HOURS = 8
LATE_MORNINGS = 0.02
Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of the bill is for."""

    account: str
    service: str
    region: str
    usage_type: str
    operation: str
    record_type: str
    unit: str
    tags: Tags = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """Lines by days of one calendar month: quantities, and USD as charged and as spread. Not to be written to."""

    first: date
    lines: tuple[Line, ...]
    quantity: Floats
    unblended: Floats
    amortized: Floats


@dataclass(slots=True)
class _Row:
    quantity: Floats
    unblended: Floats
    amortized: Floats

    def add(self, quantity: Floats, unblended: Floats, amortized: Floats) -> None:
        self.quantity = self.quantity + quantity
        self.unblended = self.unblended + unblended
        self.amortized = self.amortized + amortized


_Rows = dict[Line, _Row]


@dataclass(slots=True)
class Books:
    """Every bill of one world, as far as anybody asked for it."""

    world: World
    _months: dict[tuple[str, date], Month] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def whole(self, payer: PayerSpec, first: date) -> Month:
        """The month that begins on `first`, as it will be billed in the end."""
        with self._lock:
            if (payer.account, first) not in self._months:
                self._months[payer.account, first] = _reckoned(self.world, payer, first)
            return self._months[payer.account, first]

    def shown(self, payer: PayerSpec, first: date, now: datetime) -> Month:
        """The same month as it is shown at `now`: late days in part, none from the future, taxed so far."""
        month = self.whole(payer, first)
        seen = as_of(self.world.seed, payer.account, now)
        share = np.stack([_shares(self.world.seed, line, month, seen, now) for line in month.lines])
        rows = {
            line: _Row(month.quantity[n] * share[n], month.unblended[n] * share[n], month.amortized[n] * share[n])
            for n, line in enumerate(month.lines)
        }
        _tax(rows, payer, share.shape[1])
        return _month(first, rows)


def as_of(seed: int, payer: str, now: datetime) -> datetime:
    """Up to when usage has reached the bill: three times a day, and now and then a day late."""
    midnight = now.replace(hour=now.hour // REFRESH_HOURS * REFRESH_HOURS, minute=0, second=0, microsecond=0)
    late = fraction_of(seed, payer, "late", now.date().isoformat()) < LATE_MORNINGS
    return midnight - timedelta(days=1) if late else midnight


def closed(day: date, now: datetime) -> bool:
    """Whether the bill of the day's month is final."""
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=CLOSED_ON)
    return now.date() >= following


def _shares(seed: int, line: Line, month: Month, seen: datetime, now: datetime) -> Floats:
    """How much of each day of a line is shown; fees are there at once, and a closed month is whole."""
    days = month.quantity.shape[1]
    ends = _epoch(month.first) + DAY * np.arange(1, days + 1)
    age = (seen.timestamp() - ends) / 3600
    if closed(month.first, now):
        return np.ones(days)
    if not line.usage_type or line.record_type not in _MEASURED:
        return np.where(age > -24, 1.0, 0.0)
    at_once = 0.45 + 0.52 * fraction_of(seed, "shown", line.service, line.usage_type)
    arriving = 1 - (1 - at_once) * np.exp(-np.maximum(age, 0) / 14)
    partly = at_once * np.clip((24 + age) / 24, 0, 1)
    # What is measured again later: up to 0.3 % either way until the month is closed.
    again = 1 + 0.006 * (fraction_of(seed, "again", line.account, line.usage_type, now.date().isoformat()) - 0.5)
    return np.where(age >= 0, arriving * again, partly)


_MEASURED = frozenset({"Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation"})


def _reckoned(world: World, payer: PayerSpec, first: date) -> Month:
    days = Days(world=world, start=_epoch(first), n=monthrange(first.year, first.month)[1])
    rows: _Rows = {}
    for account, use, tags in _uses(days, payer):
        line = Line(account, use.service, use.region, use.usage_type, use.operation, "Usage", use.unit, tags)
        cost = use.quantity * use.price
        rows.setdefault(line, _nothing(days.n)).add(use.quantity, cost, cost)
    usage = sum((row.unblended for row in rows.values()), np.zeros(days.n))
    _commit(rows, payer, days.n)
    _fees(rows, payer, usage)
    return _month(first, rows)


def _uses(days: Days, payer: PayerSpec) -> Iterator[tuple[str, Use, Tags]]:
    for (account, _), kinds in sorted(days.world.inventory.items()):
        if account in payer.pays_for:
            for resource in (one for many in kinds.values() for one in many):
                yield from ((account, use, resource.tags) for use in used(days, resource))
    for runaway in days.world.spending.runaways:
        if runaway.account in payer.pays_for:
            yield runaway.account, _ran_away(runaway, days), ()


def _ran_away(runaway: Runaway, days: Days) -> Use:
    numbers = np.arange(days.n) + days.start // DAY
    on = (numbers >= runaway.begin) & (numbers < runaway.end)
    step = numbers - runaway.begin + 1 if runaway.growth == "leak" else np.ones(days.n)
    return Use(
        service=runaway.service,
        usage_type=runaway.usage_type,
        operation=runaway.operation,
        region=runaway.region,
        unit="GB" if "Bytes" in runaway.usage_type else "Hrs",
        price=runaway.price,
        quantity=np.where(on, runaway.usd * step / runaway.price, 0.0),
    )


def _nothing(days: int) -> _Row:
    return _Row(np.zeros(days), np.zeros(days), np.zeros(days))


def _commit(rows: _Rows, payer: PayerSpec, days: int) -> None:
    """Splits compute into what the savings plan covers and what it does not; adds what the plan itself costs."""
    if not payer.commitment:
        return
    eligible = {line: row for line, row in rows.items() if line.service in COMPUTE}
    total = sum((row.unblended for row in eligible.values()), np.zeros(days))
    fee = np.full(days, payer.commitment * 24)
    covered = np.minimum(1.0, fee / (1 - PLAN_DISCOUNT) / np.maximum(total, 1e-9))
    for line, row in eligible.items():
        left, taken = 1 - covered, row.unblended * covered
        rows[replace(line, record_type="SavingsPlanCoveredUsage")] = _Row(
            row.quantity * covered, taken, taken * (1 - PLAN_DISCOUNT)
        )
        rows[replace(line, record_type="SavingsPlanNegation")] = _Row(np.zeros(days), -taken, np.zeros(days))
        rows[line] = _Row(row.quantity * left, row.unblended * left, row.amortized * left)
    unused = fee - total * covered * (1 - PLAN_DISCOUNT)
    plan = Line(payer.account, PLAN, EVERYWHERE, "ComputeSP:1yrNoUpfront", "", "SavingsPlanRecurringFee", "Hrs")
    rows[plan] = _Row(np.full(days, 24.0), fee, unused)


def _fees(rows: _Rows, payer: PayerSpec, usage: Floats) -> None:
    """Support on the 1st; credits from the 1st on until they are used up."""
    days = len(usage)
    first = np.zeros(days)
    first[0] = 1.0
    if payer.support:
        support = first * payer.support * usage[0] * days
        line = Line(payer.account, SUPPORT, EVERYWHERE, "Dollar", "", "Support", "Dollar")
        rows[line] = _Row(support, support, support)
    if payer.credit:
        gone = np.minimum(np.cumsum(usage), payer.credit)
        credit = -np.diff(gone, prepend=0.0)
        line = Line(payer.account, "Amazon Relational Database Service", EVERYWHERE, "", "", "Credit", "")
        rows[line] = _Row(np.zeros(days), credit, credit)


def _tax(rows: _Rows, payer: PayerSpec, days: int) -> None:
    """On the 1st stands the tax on everything shown so far."""
    if payer.tax:
        due = np.zeros(days)
        due[0] = payer.tax * math.fsum(float(row.unblended.sum()) for row in rows.values())
        line = Line(payer.account, "Tax", EVERYWHERE, "", "", "Tax", "")
        rows[line] = _Row(np.zeros(days), due, due)


def _month(first: date, rows: _Rows) -> Month:
    lines = tuple(sorted(rows, key=lambda line: (line.account, line.service, line.usage_type, line.record_type)))
    days = monthrange(first.year, first.month)[1]
    empty = np.zeros((0, days))
    several = [rows[line] for line in lines]
    return Month(
        first=first,
        lines=lines,
        quantity=np.stack([row.quantity for row in several]) if several else empty,
        unblended=np.stack([row.unblended for row in several]) if several else empty,
        amortized=np.stack([row.amortized for row in several]) if several else empty,
    )


def _epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
