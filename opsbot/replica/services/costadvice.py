"""What Cost Explorer advises: coverage by commitments from the same bill, sizes of machines, and its own anomalies."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from opsbot.replica.bill import COMPUTE, Line, Month
from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.budgets import advised_machines
from opsbot.replica.services.costexplorer import UNIT, books
from opsbot.replica.services.lookup import Paging, page
from opsbot.replica.signals import DAY
from opsbot.replica.spending import PayerSpec, Runaway

PLANS = Paging(size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=100)
PAGES = Paging(size="MaxResults", cursor="NextPageToken", answer="NextPageToken", usual=100, most=100)
SIZES = Paging(size="PageSize", cursor="NextPageToken", answer="NextPageToken", usual=20, most=100)
LEAST_USD = 100.0
"""AWS's own detection keeps silent below this."""


def _payer(request: Request) -> PayerSpec:
    payer = next((one for one in request.world.spending.payers if one.account == request.account), None)
    if payer is None:
        raise Fault("DataUnavailableException", "Data is not available. Please try to adjust the time period.")
    return payer


def _days(params: Params) -> tuple[date, date]:
    asked = params.get("TimePeriod") or {}
    try:
        start, end = date.fromisoformat(str(asked.get("Start"))), date.fromisoformat(str(asked.get("End")))
    except ValueError as error:
        raise Fault("ValidationException", "Start time and end time must be of the form yyyy-MM-dd") from error
    if start >= end:
        raise Fault("ValidationException", "Start date should be before end date")
    return start, end


def get_savings_plans_coverage(request: Request, params: Params) -> Result:
    if params.get("Granularity") and params.get("GroupBy"):
        raise Fault("ValidationException", "Granularity and GroupBy cannot both be given")
    payer, (start, end) = _payer(request), _days(params)
    shown = [_covered(request, payer, start + timedelta(days=n)) for n in range((end - start).days)]
    found, token = page(shown, params, PLANS)
    return {"SavingsPlansCoverages": found, **token}


def _covered(request: Request, payer: PayerSpec, day: date) -> dict[str, Any]:
    month = books(request).shown(payer, day.replace(day=1), request.now)
    covered = _sum(month, day, "SavingsPlanCoveredUsage")
    on_demand = _sum(month, day, "Usage")
    whole = covered + on_demand
    return {
        "Attributes": {},
        "Coverage": {
            "SpendCoveredBySavingsPlans": f"{covered:.6f}",
            "OnDemandCost": f"{on_demand:.6f}",
            "TotalCost": f"{whole:.6f}",
            "CoveragePercentage": f"{covered / whole * 100 if whole else 0:.4f}",
        },
        "TimePeriod": {"Start": day.isoformat(), "End": (day + timedelta(days=1)).isoformat()},
    }


def _sum(month: Month, day: date, record: str) -> float:
    def counts(line: Line) -> bool:
        return line.record_type == record and line.service in COMPUTE

    rows = [place for place, line in enumerate(month.lines) if counts(line)]
    return float(month.unblended[rows, day.day - 1].sum())


def get_reservation_coverage(request: Request, params: Params) -> Result:
    """Nobody has reservations here."""
    payer, (start, end) = _payer(request), _days(params)
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    machines = _machines(request, payer)
    hours, cost = 24.0 * len(machines) * len(days), sum(_on_demand(request, payer, day) for day in days)
    none = {"CoverageHoursPercentage": "0", "ReservedHours": "0"}
    running = {"OnDemandHours": f"{hours:.1f}", "TotalRunningHours": f"{hours:.1f}"}
    total = {"CoverageHours": {**none, **running}, "CoverageCost": {"OnDemandCost": f"{cost:.6f}"}}
    period = {"TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()}, "Groups": [], "Total": total}
    return {"CoveragesByTime": [period], "Total": total}


def _machines(request: Request, payer: PayerSpec) -> list[str]:
    held = (kinds for (account, _), kinds in request.world.inventory.items() if account in payer.pays_for)
    return [machine.name for kinds in held for machine in kinds.get("ec2-instance", ())]


def _on_demand(request: Request, payer: PayerSpec, day: date) -> float:
    month = books(request).shown(payer, day.replace(day=1), request.now)
    rows = [
        place
        for place, line in enumerate(month.lines)
        if line.service.endswith("Cloud - Compute") and line.record_type == "Usage"
    ]
    return float(month.unblended[rows, day.day - 1].sum())


def get_rightsizing_recommendation(request: Request, params: Params) -> Result:
    if params.get("Service") != "AmazonEC2":
        raise Fault("ValidationException", "Service: expected AmazonEC2")
    found, token = page(advised_machines(request, _payer(request).pays_for), params, SIZES)
    shown = []
    for machine, cost in found:
        details = {"EC2ResourceDetails": {"InstanceType": machine.text("class"), "Region": machine.region}}
        target = {
            "EstimatedMonthlyCost": f"{cost / 2:.2f}",
            "EstimatedMonthlySavings": f"{cost / 2:.2f}",
            "CurrencyCode": UNIT,
            "DefaultTargetInstance": True,
            "ResourceDetails": {"EC2ResourceDetails": {"InstanceType": "the next smaller size"}},
        }
        shown.append(
            {
                "AccountId": machine.account,
                "CurrentInstance": {
                    "ResourceId": machine.text("id"),
                    "InstanceName": machine.name,
                    "MonthlyCost": f"{cost:.2f}",
                    "CurrencyCode": UNIT,
                    "ResourceDetails": details,
                },
                "RightsizingType": "MODIFY",
                "ModifyRecommendationDetail": {"TargetInstances": [target]},
            }
        )
    return {"RightsizingRecommendations": shown, **token}


def get_anomalies(request: Request, params: Params) -> Result:
    """What ran away by a hundred dollars or more, a day late, as AWS's own detection is."""
    payer, asked = _payer(request), params.get("DateInterval") or {}
    first = date.fromisoformat(str(asked.get("StartDate")))
    last = date.fromisoformat(str(asked.get("EndDate") or request.now.date()))
    found, token = page(
        [
            _anomaly(request, runaway)
            for runaway in request.world.spending.runaways
            if runaway.account in payer.pays_for
            and _day(runaway.begin) < request.now.date() - timedelta(days=1)
            and first <= _day(runaway.begin) <= last
            and _impact(request, runaway) >= LEAST_USD
        ],
        params,
        PAGES,
    )
    return {"Anomalies": found, **token}


def _day(number: int) -> date:
    return datetime.fromtimestamp(min(number, 2**16) * DAY, UTC).date()


def _impact(request: Request, runaway: Runaway) -> float:
    today = int(request.now.timestamp()) // DAY
    days = max(min(runaway.end, today) - runaway.begin, 0)
    return runaway.usd * (days * (days + 1) / 2 if runaway.growth == "leak" else days)


def _anomaly(request: Request, runaway: Runaway) -> dict[str, Any]:
    impact = _impact(request, runaway)
    over = _day(runaway.end) < request.now.date()
    cause = {"Service": runaway.service, "Region": runaway.region, "LinkedAccount": runaway.account}
    return {
        "AnomalyId": f"anomaly-{runaway.account}-{runaway.begin}",
        "AnomalyStartDate": f"{_day(runaway.begin)}T00:00:00Z",
        **({"AnomalyEndDate": f"{_day(runaway.end)}T00:00:00Z"} if over else {}),
        "DimensionValue": runaway.service,
        "RootCauses": [{**cause, "UsageType": runaway.usage_type}],
        "AnomalyScore": {"MaxScore": 0.9, "CurrentScore": 0.7},
        "Impact": {
            "MaxImpact": impact,
            "TotalImpact": impact,
            "TotalActualSpend": impact * 1.5,
            "TotalExpectedSpend": impact * 0.5,
        },
        "MonitorArn": f"arn:aws:ce::{request.account}:anomalymonitor/services",
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("ce", "GetAnomalies"): get_anomalies,
    ("ce", "GetReservationCoverage"): get_reservation_coverage,
    ("ce", "GetRightsizingRecommendation"): get_rightsizing_recommendation,
    ("ce", "GetSavingsPlansCoverage"): get_savings_plans_coverage,
}
