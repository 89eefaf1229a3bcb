"""AWS Budgets and the Cost Optimization Hub: what was planned beside what is spent, and what could be saved."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from opsbot.replica.bill import Month
from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.costexplorer import UNIT, books
from opsbot.replica.services.lookup import Paging, page
from opsbot.replica.signals import fraction_of
from opsbot.replica.spending import BudgetSpec, PayerSpec
from opsbot.replica.world import Resource

BUDGETS = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=100, most=1000, error="InvalidNextTokenException"
)
ITEMS = Paging(
    size="maxResults", cursor="nextToken", answer="nextToken", usual=1000, most=1000, error="ValidationException"
)
IDLE = 0.12
"""The share of machines that the hub finds too large."""


def describe_budgets(request: Request, params: Params) -> Result:
    if params.get("AccountId") != request.account:
        raise Fault("AccessDeniedException", f"Account {params.get('AccountId')} cannot be looked at from here")
    payer = next((one for one in request.world.spending.payers if one.account == request.account), None)
    specs = payer.budgets if payer else ()
    found, token = page(specs, params, BUDGETS)
    budgets = [_budget(request, payer, spec) for spec in found] if payer else []
    return {"Budgets": budgets, **token}


def _budget(request: Request, payer: PayerSpec, spec: BudgetSpec) -> dict[str, Any]:
    today = request.now.date()
    month = books(request).shown(payer, today.replace(day=1), request.now)
    spent = _spent(month, spec)
    passed = max(today.day - 1, 1)
    forecast = spent / passed * month.quantity.shape[1]
    filters = {"CostFilters": {"LinkedAccount": list(spec.accounts)}} if spec.accounts else {}
    return {
        "BudgetName": spec.name,
        "BudgetLimit": _money(spec.limit),
        **filters,
        "CostTypes": {"IncludeTax": False, "IncludeCredit": False, "IncludeSupport": True, "UseAmortized": False},
        "TimeUnit": "MONTHLY",
        "TimePeriod": {"Start": datetime(2026, 1, 1, tzinfo=UTC), "End": datetime(2087, 6, 15, tzinfo=UTC)},
        # In the first days of a month AWS has no forecast yet.
        "CalculatedSpend": {"ActualSpend": _money(spent)}
        | ({"ForecastedSpend": _money(forecast)} if passed > 4 else {}),
        "BudgetType": "COST",
        "LastUpdatedTime": request.now - timedelta(hours=request.now.hour % 8),
    }


def _spent(month: Month, spec: BudgetSpec) -> float:
    rows = [
        place
        for place, line in enumerate(month.lines)
        if line.record_type not in ("Tax", "Credit") and (not spec.accounts or line.account in spec.accounts)
    ]
    return float(month.unblended[rows].sum())


def _money(amount: float) -> dict[str, str]:
    return {"Amount": f"{amount:.3f}", "Unit": UNIT}


def list_recommendations(request: Request, params: Params) -> Result:
    payer = next((one for one in request.world.spending.payers if one.account == request.account), None)
    accounts = payer.pays_for if payer else (request.account,)
    wanted = (params.get("filter") or {}).get("accountIds") or accounts
    machines = advised_machines(request, [account for account in accounts if account in wanted])
    found, token = page(machines, params, ITEMS)
    return {"items": [_recommendation(request, machine, cost) for machine, cost in found], **token}


def advised_machines(request: Request, accounts: Sequence[str]) -> list[tuple[Resource, float]]:
    """The machines that AWS finds too large, with what each costs in USD a month."""
    return [
        (resource, _HOURLY.get(resource.text("class").rsplit(".", 1)[-1], 0.1) * 730)
        for (account, _), kinds in sorted(request.world.inventory.items())
        if account in accounts
        for resource in kinds.get("ec2-instance", ())
        if fraction_of(request.world.seed, "idle", account, resource.name) < IDLE
    ]


_HOURLY = {"large": 0.1, "xlarge": 0.2, "2xlarge": 0.4}


def _recommendation(request: Request, machine: Resource, cost: float) -> dict[str, Any]:
    day = date(request.now.year, request.now.month, request.now.day)
    return {
        "recommendationId": f"rec-{machine.text('id')}",
        "accountId": machine.account,
        "region": machine.region,
        "resourceId": machine.text("id"),
        "resourceArn": machine.arn,
        "currentResourceType": "Ec2Instance",
        "recommendedResourceType": "Ec2Instance",
        "estimatedMonthlySavings": round(cost / 2, 2),
        "estimatedSavingsPercentage": 50.0,
        "estimatedMonthlyCost": round(cost, 2),
        "currencyCode": UNIT,
        "implementationEffort": "Low",
        "restartNeeded": True,
        "actionType": "Rightsize",
        "rollbackPossible": True,
        "currentResourceSummary": machine.text("class"),
        "recommendedResourceSummary": "the next smaller size",
        "lastRefreshTimestamp": datetime(day.year, day.month, day.day, tzinfo=UTC),
        "recommendationLookbackPeriodInDays": 14,
        "source": "ComputeOptimizer",
        "tags": [{"key": key, "value": value} for key, value in machine.tags],
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("budgets", "DescribeBudgets"): describe_budgets,
    ("cost-optimization-hub", "ListRecommendations"): list_recommendations,
}
