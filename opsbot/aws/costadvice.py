"""AWS's own advice: the Cost Optimization Hub (free), and what Cost Explorer knows of coverage, sizes and anomalies.

Not enrolled, not allowed, no data: each is a note, told once. All of it lives in us-east-1 alone. Cost Explorer charges
for each page it answers, so each is allowed before it is asked (`Allowance`); the hub charges nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, Failure, Family, translate
from opsbot.aws.meter import Meter
from opsbot.aws.session import Access, Sessions, last_call
from opsbot.aws.words import clipped
from opsbot.evaluate.costdata.ports import Allowance
from opsbot.evaluate.savings.advice import (
    HUB,
    PLANS,
    RESERVATIONS,
    RIGHTSIZING,
    Advice,
    Advised,
    Covered,
    Second,
    Seconds,
)
from opsbot.model.environment import Environment

REGION = "us-east-1"
LOOK_BACK = timedelta(days=30)
PAGES, LONGEST = 20, 200
_ENROL = "not enrolled"


class CutShort(Exception):
    """The allowance ended before the last page."""


def read_advice(sessions: Sessions, meter: Meter, payer: Environment, day: date, allowance: Allowance | None) -> Advice:
    """As in `Bills.advice`."""
    return _Reader(sessions=sessions, meter=meter, payer=payer, day=day, allowance=allowance).read()


def read_anomalies(
    sessions: Sessions, meter: Meter, payer: Environment, first: date, last: date, allowance: Allowance
) -> Seconds:
    """As in `Bills.anomalies`."""
    reader = _Reader(sessions=sessions, meter=meter, payer=payer, day=last, allowance=allowance)
    found: list[Second] = []
    reader.ask("anomalies", lambda access: found.extend(reader.anomalies(access, first, last)))
    return Seconds(payer=payer.name, day=last, anomalies=tuple(found), note="; ".join(reader.said))


@dataclass(slots=True, kw_only=True)
class _Reader:
    """One payer's morning."""

    sessions: Sessions
    meter: Meter
    payer: Environment
    day: date
    allowance: Allowance | None
    advised: list[Advised] = field(default_factory=list)
    covered: list[Covered] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)

    def read(self) -> Advice:
        there = self.ask(HUB, lambda access: self.advised.extend(_hub(access)))
        if self.allowance is not None:
            if not there:
                self.ask(RIGHTSIZING, lambda access: self.advised.extend(self._sizes(access)))
            self.ask(f"coverage by {PLANS}", lambda access: self.covered.extend(self._plans(access)))
            self.ask(f"coverage by {RESERVATIONS}", lambda access: self.covered.extend(self._reservations(access)))
        return Advice(
            payer=self.payer.name,
            day=self.day,
            advised=tuple(self.advised),
            covered=tuple(self.covered),
            notes=tuple(self.said),
            denied=tuple(dict.fromkeys(self.denied)),
            cut=bool(self.unasked),
        )

    @property
    def said(self) -> list[str]:
        """All that is to be told of what did not come."""
        if not self.unasked or self.allowance is None:
            return self.notes
        return [*self.notes, f"{' and '.join(self.unasked)}: not asked, {self.allowance.why}"]

    def ask(self, what: str, read: Callable[[Access], None]) -> bool:
        """Whether it came; why not is a note."""
        try:
            access = self.sessions.open(self.payer)
            with access.signed():
                read(access)
        except CutShort:
            self.unasked.append(what)
            return False
        except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
            failure = translate(error, call=last_call())
            if _ENROL in str(error):
                # AWS refuses this as it does what is not allowed, and no permission helps.
                self.notes.append(f"{what}: not switched on for this account; enrolling in its console costs nothing")
                return False
            self.notes.append(f"{what}: {failure.message}")
            self.denied += [failure.action] if failure.action else []
            return False
        return True

    def anomalies(self, access: Access, first: date, last: date) -> Iterator[Second]:
        interval = {"StartDate": first.isoformat(), "EndDate": last.isoformat()}
        for page in self._pages(access, "get_anomalies", "NextPageToken", DateInterval=interval):
            yield from (_second(one) for one in page.get("Anomalies") or ())

    def _sizes(self, access: Access) -> Iterator[Advised]:
        how = {"RecommendationTarget": "SAME_INSTANCE_FAMILY", "BenefitsConsidered": True}
        asked: dict[str, Any] = {"Service": "AmazonEC2", "Configuration": how}
        for page in self._pages(access, "get_rightsizing_recommendation", "NextPageToken", **asked):
            yield from (_size(one) for one in page.get("RightsizingRecommendations") or ())

    def _plans(self, access: Access) -> Iterator[Covered]:
        covered = on_demand = 0.0
        days = self._days()
        for page in self._pages(
            access, "get_savings_plans_coverage", "NextToken", Granularity="DAILY", TimePeriod=days
        ):
            for one in page.get("SavingsPlansCoverages") or ():
                covered += _number(one["Coverage"].get("SpendCoveredBySavingsPlans", 0))
                on_demand += _number(one["Coverage"].get("OnDemandCost", 0))
        yield from self._share(PLANS, covered, covered + on_demand, on_demand)

    def _reservations(self, access: Access) -> Iterator[Covered]:
        reserved = running = on_demand = 0.0
        days = self._days()
        metrics = ["Hour", "Cost"]
        for page in self._pages(access, "get_reservation_coverage", "NextPageToken", TimePeriod=days, Metrics=metrics):
            total = page.get("Total") or {}
            hours = total.get("CoverageHours") or {}
            reserved = _number(hours.get("ReservedHours", 0))
            running = _number(hours.get("TotalRunningHours", 0))
            on_demand = _number((total.get("CoverageCost") or {}).get("OnDemandCost", 0))
        yield from self._share(RESERVATIONS, reserved, running, on_demand)

    def _share(self, by: str, part: float, whole: float, on_demand: float) -> Iterator[Covered]:
        if whole <= 0:
            self.notes.append(f"coverage by {by}: nothing in {LOOK_BACK.days} days could have been covered")
            return
        first = self.day - LOOK_BACK
        yield Covered(by=by, share=min(part / whole, 1.0), on_demand_usd=on_demand, first=first, end=self.day)

    def _days(self) -> dict[str, str]:
        return {"Start": (self.day - LOOK_BACK).isoformat(), "End": self.day.isoformat()}

    def _pages(self, access: Access, operation: str, token: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        client, seen = access.client("ce", REGION), set[str]()
        for _ in range(PAGES):
            page = self._page(client, operation, asked)
            yield page
            following = page.get(token) or ""
            if not following:
                return
            if following in seen:
                raise Failure(f"ce:{operation} names the same next page again and again", Family.MALFORMED)
            seen.add(following)
            asked[token] = following

    def _page(self, client: Any, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.allowance is None or not self.allowance.take():
            raise CutShort
        try:
            page: Mapping[str, Any] = getattr(client, operation)(**asked)
        except BaseException:
            # AWS charges for answers, not for errors.
            self.allowance.give_back()
            raise
        self.meter.read(cost_requests=1)
        return page


def _hub(access: Access) -> Iterable[Advised]:
    client, asked = access.client("cost-optimization-hub", REGION), dict[str, Any](maxResults=1000)
    for _ in range(PAGES):
        page = client.list_recommendations(**asked)
        yield from (_recommendation(one) for one in page["items"])
        if not page.get("nextToken"):
            return
        asked["nextToken"] = page["nextToken"]


def _recommendation(one: Mapping[str, Any]) -> Advised:
    action = _words(str(one.get("actionType") or "change"))
    old, new = one.get("currentResourceSummary") or "", one.get("recommendedResourceSummary") or ""
    saving = one.get("estimatedMonthlySavings")
    return Advised(
        source=HUB,
        account=clipped(str(one.get("accountId") or ""), 20),
        region=clipped(str(one.get("region") or ""), 40),
        resource=clipped(str(one.get("resourceId") or one.get("resourceArn") or one["recommendationId"]), LONGEST),
        kind=clipped(str(one.get("currentResourceType") or ""), 60),
        what=clipped(f"{action}: {old} -> {new}" if old and new else f"{action} {old or new}".strip(), LONGEST),
        usd_month=None if saving is None else _number(saving),
        currency=clipped(str(one.get("currencyCode") or "USD"), 10),
    )


def _size(one: Mapping[str, Any]) -> Advised:
    current = one["CurrentInstance"]
    details = (current.get("ResourceDetails") or {}).get("EC2ResourceDetails") or {}
    targets = (one.get("ModifyRecommendationDetail") or {}).get("TargetInstances") or [{}]
    target = ((targets[0].get("ResourceDetails") or {}).get("EC2ResourceDetails") or {}).get("InstanceType", "smaller")
    ends = one.get("TerminateRecommendationDetail") or {}
    stops = one.get("RightsizingType") == "TERMINATE"
    saving = (ends if stops else targets[0]).get("EstimatedMonthlySavings")
    type = details.get("InstanceType") or "instance"
    return Advised(
        source=RIGHTSIZING,
        account=clipped(str(one.get("AccountId") or ""), 20),
        region=clipped(str(details.get("Region") or ""), 40),
        resource=clipped(str(current["ResourceId"]), LONGEST),
        kind="Ec2Instance",
        what=clipped(f"stop the {type}" if stops else f"{type} -> {target}", LONGEST),
        usd_month=None if saving is None else _number(saving),
        currency=clipped(str((ends if stops else targets[0]).get("CurrencyCode") or "USD"), 10),
    )


def _second(one: Mapping[str, Any]) -> Second:
    cause = (one.get("RootCauses") or [{}])[0]
    impact, end = one["Impact"], one.get("AnomalyEndDate")
    return Second(
        id=clipped(str(one["AnomalyId"]), 80),
        service=clipped(str(cause.get("Service") or one.get("DimensionValue") or ""), LONGEST),
        account=clipped(str(cause.get("LinkedAccount") or ""), 20),
        region=clipped(str(cause.get("Region") or ""), 40),
        usage_type=clipped(str(cause.get("UsageType") or ""), LONGEST),
        start=date.fromisoformat(str(one["AnomalyStartDate"])[:10]),
        end=date.fromisoformat(str(end)[:10]) if end else None,
        impact_usd=_number(impact.get("TotalImpact") or 0),
        actual_usd=_number(impact.get("TotalActualSpend") or 0),
        expected_usd=_number(impact.get("TotalExpectedSpend") or 0),
    )


def _number(told: object) -> float:
    number = float(str(told))
    if not math.isfinite(number):
        raise ValueError(f"expected an amount, got {told!r}")
    return number


def _words(name: str) -> str:
    """`PurchaseSavingsPlans` -> `purchase savings plans`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
