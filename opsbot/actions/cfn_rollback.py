"""`cfn.rollback`: a stack whose update hangs or failed goes back to what it was, by the one call its state allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import Field

from opsbot.actions.action import Act, Action, Bench, Change, Given, Intent, NotThere
from opsbot.actions.telling import clock, said
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


@dataclass(frozen=True, slots=True)
class _Way:
    operation: str
    name: str


_CANCEL = _Way("cancel_update_stack", "CancelUpdateStack")
_ROLL_BACK = _Way("rollback_stack", "RollbackStack")
_WAYS: Mapping[str, _Way] = {
    "UPDATE_IN_PROGRESS": _CANCEL,
    "CREATE_FAILED": _ROLL_BACK,
    "UPDATE_FAILED": _ROLL_BACK,
    "UPDATE_ROLLBACK_FAILED": _Way("continue_update_rollback", "ContinueUpdateRollback"),
}


class StackGiven(Given):
    """`stack` is its name."""

    stack: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,127}$")


def look(bench: Bench, given: StackGiven) -> Answer:
    """Raises CloudError, NotThere."""
    told = bench.ask("cloudformation", "describe_stacks", StackName=given.stack)
    stack: Mapping[str, Any] | None = next(iter(told.get("Stacks") or ()), None)
    if stack is None:
        raise NotThere(f"there is no stack {given.stack!r} in {bench.region}")
    status = said(stack["StackStatus"], 50)
    since = clock(stack.get("LastUpdatedTime") or stack.get("CreationTime"), bench.now)
    why = f": {said(stack['StackStatusReason'], 120)}" if stack.get("StackStatusReason") else ""
    return Answer(
        headline=f"{status} since {since}{why}",
        values={"status": status, "settled": not status.endswith("_IN_PROGRESS")},
        alarming="FAILED" in status or "ROLLBACK" in status,
    )


def intend(given: StackGiven, seen: Answer) -> Intent:
    status = str(seen.values["status"])
    way = _WAYS.get(status)
    return Intent(
        calls=f"cloudformation:{way.name if way else 'none'} {given.stack}",
        before=(("status", status),),
        after=(("status", "as before its last update"),),
        key=f"cfn/{given.stack}",
        undo_says="nothing: the update can be made again",
        refused="" if way else f"it is {status}, and from there nothing leads back",
    )


def apply(given: StackGiven, before: Answer, act: Act, token: str) -> Receipt:
    """The token makes CloudFormation begin once, however often it is asked."""
    way = _WAYS[str(before.values["status"])]
    return act("cloudformation", way.operation, StackName=given.stack, ClientRequestToken=token)


def reached(given: StackGiven, before: Answer, now: Answer) -> bool | None:
    """It is on its way back, or there."""
    return "ROLLBACK" in str(now.values["status"]) and now.values["status"] != "UPDATE_ROLLBACK_FAILED"


ACTION = Action(
    name="cfn.rollback",
    about="bring a stack whose update hangs or failed back to what it was",
    given=StackGiven,
    look=look,
    reads=("cloudformation:DescribeStacks",),
    timeout=timedelta(seconds=20),
    change=Change(
        intend=intend, apply=apply, reached=reached,
        writes=("cloudformation:CancelUpdateStack", "cloudformation:ContinueUpdateRollback", "cloudformation:RollbackStack"),
    ),
)  # fmt: skip
