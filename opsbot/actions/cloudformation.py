"""`cloudformation`: stacks that changed or failed lately, and the first resource that failed in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from opsbot.actions.action import Action, Bench, Given, Span
from opsbot.actions.telling import clock, many, said
from opsbot.model.runbook import Answer

_PAGES, _STACKS = 10, 5


class StacksGiven(Given):
    """`stack` is one stack; without it, all that changed since then or stand in trouble."""

    stack: str = ""
    since: Span = timedelta(hours=24)


def look(bench: Bench, given: StacksGiven) -> Answer:
    """Raises CloudError."""
    told = list(_stacks(bench, given.stack))
    moved = [one for one in told if _changed(one) >= bench.now - given.since or _broken(one)]
    broken = [one for one in moved if _broken(one)]
    rows: list[tuple[str, ...]] = []
    for stack in sorted(moved, key=lambda one: (not _broken(one), -_changed(one).timestamp()))[:_STACKS]:
        rows.append((clock(_changed(stack), bench.now), said(stack["StackName"]), said(stack["StackStatus"], 50), ""))
        rows += _failures(bench, stack) if _broken(stack) else []
    if not moved:
        return Answer(headline=f"none of {many(len(told), 'stack')} changed", values={"changed": 0, "broken": 0})
    worst = broken[0] if broken else moved[0]
    return Answer(
        headline=f"{len(moved)} of {many(len(told), 'stack')} changed, {len(broken)} in trouble; "
        f"{said(worst['StackName'])}: {said(worst['StackStatus'], 50)}",
        rows=tuple(rows),
        values={"changed": len(moved), "broken": len(broken), "stack": said(worst["StackName"])},
        alarming=bool(broken),
    )


def _stacks(bench: Bench, name: str) -> Iterator[Mapping[str, Any]]:
    asked: dict[str, Any] = {"StackName": name} if name else {}
    for _ in range(_PAGES):
        page = bench.ask("cloudformation", "describe_stacks", **asked)
        yield from page.get("Stacks") or ()
        if not page.get("NextToken"):
            return
        asked["NextToken"] = page["NextToken"]


def _changed(stack: Mapping[str, Any]) -> datetime:
    found: datetime = stack.get("LastUpdatedTime") or stack["CreationTime"]
    return found


def _broken(stack: Mapping[str, Any]) -> bool:
    status = str(stack["StackStatus"])
    return "FAILED" in status or "ROLLBACK" in status


def _failures(bench: Bench, stack: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The failed resources of the last change; what was cancelled because of them says nothing."""
    page = bench.ask("cloudformation", "describe_stack_events", StackName=stack["StackName"])
    failed = [
        one
        for one in page.get("StackEvents") or ()
        if "FAILED" in str(one.get("ResourceStatus", "")) and "cancel" not in str(one.get("ResourceStatusReason", ""))
    ]
    return [
        (clock(one.get("Timestamp"), bench.now), said(one.get("LogicalResourceId", "")), said(one["ResourceStatus"], 40),
         said(one.get("ResourceStatusReason", "")))
        for one in failed[:3]
    ]  # fmt: skip


ACTION = Action(
    name="cloudformation",
    about="stacks that changed or failed lately, and why",
    given=StacksGiven,
    look=look,
    reads=("cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks"),
)
