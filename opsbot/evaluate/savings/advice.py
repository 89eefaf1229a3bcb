"""What AWS itself advises a payer, as it was read: its recommendations, how much is under a commitment, its anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

HUB = "Cost Optimization Hub"
RIGHTSIZING = "Cost Explorer's rightsizing"
PLANS, RESERVATIONS = "Savings Plans", "reservations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """One recommendation. `usd_month` is AWS's estimate in `currency`, after your discounts where it knows them;
    `what` is what to do, in words."""

    source: str
    account: str
    region: str
    resource: str
    kind: str
    what: str
    usd_month: float | None
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """How much of what could be under a commitment was, in the days [first, end): `share` 1.0 = all.

    `on_demand_usd` was paid at on-demand rates in those days.
    """

    by: str
    share: float
    on_demand_usd: float
    first: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """An anomaly as AWS's own detection tells it; `end` is None while it goes on. USD."""

    id: str
    service: str
    account: str
    region: str
    usage_type: str
    start: date
    end: date | None
    impact_usd: float
    actual_usd: float
    expected_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What came on a day. `notes` say what is not there and why, `denied` the IAM actions that would be needed. `cut`: the
    day's requests did not suffice, so that something was not asked."""

    payer: str
    day: date
    advised: tuple[Advised, ...] = ()
    covered: tuple[Covered, ...] = ()
    notes: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """AWS's anomalies of the days until `day`, or why they could not be read."""

    payer: str
    day: date
    anomalies: tuple[Second, ...] = ()
    note: str = ""
