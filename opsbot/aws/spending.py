"""AWS Budgets: what was planned beside what is spent. Free, and readable wherever the account is a payer or not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, translate
from opsbot.aws.session import Sessions, last_call
from opsbot.aws.words import clipped
from opsbot.evaluate.costdata.days import Budget, BudgetsRead
from opsbot.model.environment import Environment

REGION = "us-east-1"
PAGES, LONGEST = 50, 120


def read_budgets(sessions: Sessions, environment: Environment) -> BudgetsRead:
    """The cost budgets of an account; those of usage or coverage are no money and are left out. Failures are gaps."""
    found: list[Budget] = []
    gaps: list[str] = []
    account = environment.account_id
    try:
        access = sessions.open(environment)
        account = sessions.account(access)
        with access.signed():
            for told in _each(access.client("budgets", REGION), account):
                budget = _budget(told)
                if isinstance(budget, Budget):
                    found.append(budget)
                elif budget:
                    gaps.append(budget)
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        failure = translate(error, call=last_call())
        return BudgetsRead(account=account, budgets=tuple(found), gaps=(*gaps, failure.message), action=failure.action)
    return BudgetsRead(account=account, budgets=tuple(found), gaps=tuple(gaps))


def _each(client: Any, account: str) -> Iterator[Mapping[str, Any]]:
    asked: dict[str, Any] = {"AccountId": account, "MaxResults": 100}
    for _ in range(PAGES):
        page = client.describe_budgets(**asked)
        yield from page.get("Budgets") or ()
        if not page.get("NextToken"):
            return
        asked["NextToken"] = page["NextToken"]


def _budget(told: Mapping[str, Any]) -> Budget | str:
    """A budget of money, "" for one of something else, or why it cannot be judged."""
    if told.get("BudgetType") != "COST":
        return ""
    name = clipped(str(told["BudgetName"]), LONGEST)
    limit = told.get("BudgetLimit") or _planned(told.get("PlannedBudgetLimits") or {}, told.get("LastUpdatedTime"))
    spend = told.get("CalculatedSpend") or {}
    actual = spend.get("ActualSpend")
    if not limit or not actual:
        return f"budget {name}: it has no {'limit' if not limit else 'amount spent'} for now"
    amount, gone = _number(limit), _number(actual)
    if not amount > 0:
        return f"budget {name}: expected a limit above 0, got {limit['Amount']}"
    if limit["Unit"] != actual["Unit"]:
        return f"budget {name}: its limit is in {limit['Unit']}, what is spent in {actual['Unit']}"
    forecast = spend.get("ForecastedSpend")
    return Budget(
        name=name,
        limit=amount,
        actual=gone,
        forecast=_number(forecast) if forecast else None,
        currency=clipped(str(limit["Unit"]), 10),
        unit=clipped(str(told.get("TimeUnit", "")), 20),
        about=_about(told.get("CostFilters") or {}),
        updated_at=told.get("LastUpdatedTime"),
    )


def _number(spend: Mapping[str, Any]) -> float:
    number = float(spend["Amount"])
    if not math.isfinite(number):
        raise ValueError(f"expected an amount, got {spend['Amount']!r}")
    return number


def _planned(limits: Mapping[str, Any], updated: datetime | None) -> Mapping[str, Any] | None:
    """The limit planned for the period that runs: keys are its start in epoch seconds."""
    starts = sorted(int(start) for start in limits)
    begun = [start for start in starts if updated is None or start <= updated.timestamp()]
    return limits[str(begun[-1])] if begun else None


def _about(filters: Mapping[str, Any]) -> str:
    return clipped("; ".join(f"{key} {', '.join(map(str, values))}" for key, values in sorted(filters.items())), 200)
