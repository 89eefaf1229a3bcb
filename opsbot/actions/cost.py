"""`cost`: what became dearer, by service, from Cost Explorer. One request: $0.01."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given
from opsbot.actions.telling import said
from opsbot.errors import CloudError
from opsbot.model.runbook import Answer

# The bill of a day is not whole before the day after it is over.
_OPEN_DAYS = 1


class CostGiven(Given):
    """`days` are compared with as many before them; `by` is what the bill is split by."""

    days: int = Field(default=3, ge=1, le=45)
    by: str = Field(default="SERVICE", pattern=r"^(SERVICE|LINKED_ACCOUNT|REGION|USAGE_TYPE|OPERATION)$")
    limit: int = Field(default=6, ge=1, le=20)


def look(bench: Bench, given: CostGiven) -> Answer:
    """Raises CloudError."""
    end = bench.now.date() - timedelta(days=_OPEN_DAYS)
    middle, start = end - timedelta(days=given.days), end - timedelta(days=2 * given.days)
    told = bench.ask(
        "ce", "get_cost_and_usage", at="us-east-1", Granularity="DAILY", Metrics=["UnblendedCost"],
        TimePeriod={"Start": start.isoformat(), "End": end.isoformat()}, GroupBy=[{"Type": "DIMENSION", "Key": given.by}],
    )  # fmt: skip
    before, after = defaultdict[str, float](float), defaultdict[str, float](float)
    for day in told.get("ResultsByTime") or ():
        side = after if str(day["TimePeriod"]["Start"]) >= middle.isoformat() else before
        for group in day.get("Groups") or ():
            side[said(group["Keys"][0], 80)] += float(group["Metrics"]["UnblendedCost"]["Amount"]) / given.days
    if not before and not after:
        raise CloudError("Cost Explorer told no cost at all", permanent=False)
    grown = sorted({*before, *after}, key=lambda name: before[name] - after[name])
    rows = tuple((f"{after[name] - before[name]:+,.2f}", f"{after[name]:,.2f}", name) for name in grown[: given.limit])
    total, was = sum(after.values()), sum(before.values())
    return Answer(
        headline=f"${total:,.2f} a day, ${total - was:+,.2f} against the {given.days} days before; "
        f"most: {grown[0]} ${after[grown[0]] - before[grown[0]]:+,.2f}",
        rows=(("USD more", "USD a day", given.by.lower().replace("_", " ")), *rows),
        values={"usd": total, "more": total - was, "most": grown[0]},
        alarming=total > was * 1.1,
    )


ACTION = Action(
    name="cost",
    about="what became dearer, by service; one Cost Explorer request at $0.01",
    given=CostGiven,
    look=look,
    reads=("ce:GetCostAndUsage",),
    timeout=timedelta(seconds=30),
)
