"""`ssm.start_automation`: start an SSM Automation that somebody wrote and released for this."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from opsbot.actions.action import Act, Action, Bench, Change, Given, Intent
from opsbot.actions.ssm_parameters import Parameters, listed
from opsbot.actions.telling import clock, said
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


class AutomationGiven(Given):
    """`parameters` as the document asks for them; each is a list of texts to SSM."""

    document: str = Field(pattern=r"^[A-Za-z0-9_.-]{3,128}$")
    parameters: Parameters


def look(bench: Bench, given: AutomationGiven) -> Answer:
    """The newest execution of the document. Raises CloudError."""
    wanted = [{"Key": "DocumentNamePrefix", "Values": [given.document]}]
    told = bench.ask("ssm", "describe_automation_executions", Filters=wanted, MaxResults=10)
    found = [
        one for one in told.get("AutomationExecutionMetadataList") or () if one.get("DocumentName") == given.document
    ]
    newest: Mapping[str, Any] = max(found, key=lambda one: one["ExecutionStartTime"], default={})
    status = said(newest.get("AutomationExecutionStatus", ""), 40)
    why = f": {said(newest['FailureMessage'], 100)}" if newest.get("FailureMessage") else ""
    return Answer(
        headline=f"last execution {clock(newest.get('ExecutionStartTime'), bench.now)}: {status or 'none yet'}{why}",
        values={"execution": said(newest.get("AutomationExecutionId", ""), 64), "status": status},
    )


def intend(given: AutomationGiven, seen: Answer) -> Intent:
    told = ", ".join(f"{name}={','.join(values)}" for name, values in sorted(listed(given.parameters).items()))
    return Intent(
        calls=f"ssm:StartAutomationExecution {given.document} {told}".rstrip(),
        before=(("last execution", str(seen.values["execution"]) or "none"),),
        after=(("last execution", "a new one"), ("parameters", told or "none")),
        key=f"ssm/{given.document}",
        undo_says="only what the document itself undoes",
        refused="an execution of it is under way" if seen.values["status"] in ("InProgress", "Pending") else "",
    )


def apply(given: AutomationGiven, before: Answer, act: Act, token: str) -> Receipt:
    """The token makes SSM start it once, however often it is asked."""
    return act(
        "ssm", "start_automation_execution", DocumentName=given.document, Parameters=listed(given.parameters),
        ClientToken=token,
    )  # fmt: skip


def reached(given: AutomationGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["execution"] != before.values["execution"])


ACTION = Action(
    name="ssm.start_automation",
    about="start an SSM Automation document",
    given=AutomationGiven,
    look=look,
    reads=("ssm:DescribeAutomationExecutions",),
    timeout=timedelta(seconds=20),
    change=Change(intend=intend, apply=apply, reached=reached, writes=("iam:PassRole", "ssm:StartAutomationExecution")),
)
