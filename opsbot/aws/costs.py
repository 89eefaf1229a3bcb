"""Cost Explorer: a payer's bill by account, service, region and usage type, in a handful of requests a morning.

Two tables of two things each, DAILY: account x usage type, service x usage type; a third only where a usage type is
shared; and record type x service for what is no usage. boto3 has no paginator for it, so pages are turned by hand, each
one allowed before it is asked (`Allowance`), because each is a cent. The API's end is exclusive; it lives in
us-east-1 alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from opsbot.aws.costplan import CALL, CostLimits, Span, due, further
from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, Failure, Family, translate
from opsbot.aws.meter import Meter
from opsbot.aws.session import Access, Sessions, last_call
from opsbot.aws.words import clipped
from opsbot.evaluate.cost.bill import USAGE, Leaf
from opsbot.evaluate.costdata.days import METRICS, CostDay, CostGap, CostReading, Shown
from opsbot.evaluate.costdata.join import Margins, Pair, joined, shared
from opsbot.evaluate.costdata.ports import Allowance
from opsbot.model.environment import Environment
from opsbot.samples import Values

REGION = "us-east-1"
COST_METRICS = METRICS[:3]
# Two tables are read a moment apart and may differ by what was billed meanwhile.
AGREE = 0.01
LONGEST_NAME = 200

Groups = dict[Pair, Values]


@dataclass(slots=True)
class Told:
    """One table by day, with what it took."""

    days: dict[date, Groups] = field(default_factory=lambda: defaultdict(dict))
    estimated: dict[date, bool] = field(default_factory=dict)
    currencies: set[str] = field(default_factory=set)
    pages: int = 0
    rows: int = 0
    page_rows: int = 0


class CutShort(Exception):
    """The allowance ended before the last page."""


def read_bill(
    sessions: Sessions,
    meter: Meter,
    payer: Environment,
    morning: date,
    readings: Sequence[CostReading],
    allowance: Allowance,
    limits: CostLimits,
) -> Shown:
    """Everything due this morning, then as much of the missing past as the allowance has left; failures are gaps."""
    reader = _Reader(sessions=sessions, meter=meter, payer=payer, morning=morning, allowance=allowance)
    span = due(morning, readings, allowance.left)
    if span is None:
        return reader.shown()
    if reader.read(span):
        while past := further(morning, [*readings, *reader.readings], limits.depth, allowance.left):
            if not reader.read(past):
                break
    return reader.shown()


@dataclass(slots=True)
class _Reader:
    """One payer's morning."""

    sessions: Sessions
    meter: Meter
    payer: Environment
    morning: date
    allowance: Allowance
    days: list[CostDay] = field(default_factory=list)
    readings: list[CostReading] = field(default_factory=list)
    gaps: list[CostGap] = field(default_factory=list)
    currency: str = ""

    def shown(self) -> Shown:
        return Shown(
            payer=self.payer.name,
            morning=self.morning,
            currency=self.currency or "USD",
            days=tuple(sorted(self.days, key=lambda day: day.day)),
            readings=tuple(self.readings),
            gaps=tuple(self.gaps),
        )

    def read(self, span: Span) -> bool:
        """Whether it came; why not is a gap."""
        try:
            access = self.sessions.open(self.payer)
            with access.signed():
                self._take(access, span)
        except CutShort:
            self._gap(
                span, self.allowance.why, hint="raise the limit of requests, or read a Data Export: it costs none"
            )
            return False
        except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
            failure = translate(error, call=last_call())
            self._gap(span, failure.message, failure.action, failure.hint)
            return False
        return True

    def _gap(self, span: Span, why: str, action: str = "", hint: str = "") -> None:
        self.gaps.append(CostGap(why=why, first=span.first, end=span.end, action=action, hint=hint))

    def _take(self, access: Access, span: Span) -> None:
        client = access.client("ce", REGION)
        by_account = self._table(client, span, "LINKED_ACCOUNT", "USAGE_TYPE", _RECORDS_OF_USAGE)
        by_service = self._table(client, span, "SERVICE", "USAGE_TYPE", _RECORDS_OF_USAGE)
        told = [by_account, by_service]
        both = Told()
        if names := shared(_merged(by_account), _merged(by_service)):
            which = {"Dimensions": {"Key": "USAGE_TYPE", "Values": list(names)}}
            both = self._table(client, span, "LINKED_ACCOUNT", "SERVICE", {"And": [_RECORDS_OF_USAGE, which]})
            told.append(both)
        records = self._table(client, span, "RECORD_TYPE", "SERVICE", None)
        told.append(records)
        self._same_currency(told)
        days = [_day(day, by_account, by_service, both, records) for day in sorted(records.days)]
        self._check(span, days, records)
        self.days += days
        self.readings.append(self._reading(span, told))

    def _same_currency(self, told: Sequence[Told]) -> None:
        found = set().union(*(one.currencies for one in told), {self.currency} if self.currency else set())
        if len(found) > 1:
            raise Failure(
                f"amounts came in {', '.join(sorted(found))}: expected one currency, sums over them would mean nothing",
                Family.REFUSED,
                hint="name the accounts of each currency as a payer of their own",
            )
        self.currency = next(iter(found), "")

    def _check(self, span: Span, days: Sequence[CostDay], records: Told) -> None:
        """The leaves against the same money by record type: what is missing in one table must not pass for cheap."""
        leaves = sum(
            float(one.amounts[[leaf.record_type in USAGE for leaf in one.leaves], 0].sum())
            for one in days
            if one.leaves
        )
        whole = sum(float(row[0]) for day in records.days.values() for (kind, _), row in day.items() if kind in USAGE)
        if abs(leaves - whole) > AGREE * max(abs(whole), 1.0):
            self._gap(span, f"the tables disagree: {leaves:,.2f} by usage type, {whole:,.2f} by record type")

    def _reading(self, span: Span, told: Sequence[Told]) -> CostReading:
        return CostReading(
            payer=self.payer.name,
            morning=self.morning,
            first=span.first,
            end=span.end,
            requests=sum(one.pages for one in told),
            rows=sum(one.rows for one in told),
            page_rows=max(one.page_rows for one in told),
        )

    def _table(self, client: Any, span: Span, first: str, second: str, only: Mapping[str, Any] | None) -> Told:
        told = Told()
        asked: dict[str, Any] = {
            "TimePeriod": {"Start": span.first.isoformat(), "End": span.end.isoformat()},
            "Granularity": "DAILY",
            "Metrics": [metric.value for metric in METRICS],
            "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in (first, second)],
        } | ({"Filter": only} if only else {})
        for page in self._pages(client, asked):
            told.pages += 1
            rows = sum(_period(period, told, span) for period in page["ResultsByTime"])
            told.rows, told.page_rows = told.rows + rows, max(told.page_rows, rows)
        return told

    def _pages(self, client: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        tokens: set[str] = set()
        token = ""
        while True:
            if not self.allowance.take():
                raise CutShort
            try:
                page = client.get_cost_and_usage(**asked, **({"NextPageToken": token} if token else {}))
            except BaseException:
                # AWS charges for answers, not for errors.
                self.allowance.give_back()
                raise
            self.meter.read(cost_requests=1)
            yield page
            token = page.get("NextPageToken") or ""
            if not token:
                return
            if token in tokens:
                raise Failure(f"{CALL} names the same next page again and again", Family.MALFORMED)
            tokens.add(token)


_RECORDS_OF_USAGE = {"Dimensions": {"Key": "RECORD_TYPE", "Values": sorted(USAGE)}}


def _period(period: Mapping[str, Any], told: Told, span: Span) -> int:
    day = date.fromisoformat(period["TimePeriod"]["Start"])
    if not span.first <= day < span.end:
        raise Failure(f"{CALL} told of {day}, which was not asked", Family.MALFORMED)
    groups = told.days[day]
    told.estimated[day] = bool(period.get("Estimated", True))
    for group in period.get("Groups") or ():
        first, second = (clipped(str(key), LONGEST_NAME) for key in group["Keys"])
        row = np.asarray([_amount(group["Metrics"], metric.value) for metric in METRICS])
        told.currencies.update(_units(group["Metrics"]))
        groups[first, second] = groups[first, second] + row if (first, second) in groups else row
    return len(period.get("Groups") or ())


def _units(metrics: Mapping[str, Any]) -> Iterator[str]:
    return (clipped(str(metrics[metric.value]["Unit"]), 10) for metric in COST_METRICS if metric.value in metrics)


def _amount(metrics: Mapping[str, Any], name: str) -> float:
    # A payer without net prices has no net metrics; what is charged is then what is net.
    told = metrics.get(name) or metrics["AmortizedCost"]
    amount = float(told["Amount"])
    if not math.isfinite(amount):
        raise Failure(f"{CALL} gave {told['Amount']!r} for an amount", Family.MALFORMED)
    return amount


def _merged(told: Told) -> Groups:
    """Which pairs there are on any of the days."""
    return {pair: row for day in told.days.values() for pair, row in day.items()}


def _day(day: date, by_account: Told, by_service: Told, both: Told, records: Told) -> CostDay:
    # A group that is there with nothing in it is still told: a leaf must not be born anew each time it is used.
    none: Groups = {}
    margins = Margins(
        by_account=by_account.days.get(day, none),
        by_service=by_service.days.get(day, none),
        by_both=both.days.get(day, none),
    )
    leaves = joined(margins)
    for (kind, service), row in records.days[day].items():
        if kind not in USAGE:
            leaves[Leaf("", service, "", "", kind)] = row
    names = tuple(sorted(leaves))
    amounts = np.asarray([leaves[name] for name in names]) if names else np.zeros((0, len(METRICS)))
    return CostDay(day=day, leaves=names, amounts=amounts, estimated=records.estimated.get(day, True))
