"""SSM Automation: executions of documents that anybody may start, and that succeed when they are looked at again."""

from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.healing import take
from opsbot.replica.services.trail import record

DOCUMENTS = ("AWS-RestartEC2Instance", "AWS-RebootRdsInstance", "Opsbot-ClearCache", "Opsbot-FailsAlways")
_FAILS = "FailsAlways"


def released(request: Request, by: str) -> set[str]:
    """The documents that the scenario cures something with."""
    planted = (incident for many in request.world.states.values() for incident in many)
    return {remedy.document for incident in planted for remedy in incident.heals if remedy.by == by}


def start_automation_execution(request: Request, params: Params) -> Result:
    name, token = str(params.get("DocumentName")), str(params.get("ClientToken") or "")
    if name not in (*DOCUMENTS, *released(request, "ssm.start_automation")):
        raise Fault("AutomationDefinitionNotFoundException", f"Automation definition {name} is not found.")
    doings = request.state.doings
    with doings.lock:
        if token and token in doings.tokens:
            return {"AutomationExecutionId": doings.tokens[token]}
        number = f"00000000-0000-4000-9000-{sum(map(len, doings.executions.values())) + 1:012x}"
        target = (request.account, request.region, name)
        doings.executions.setdefault(target, []).append(
            {"id": number, "at": request.now, "status": "InProgress", "parameters": params.get("Parameters") or {}}
        )
        doings.tokens[token or number] = number
        if not name.endswith(_FAILS):
            about = [str(one) for values in (params.get("Parameters") or {}).values() for one in values]
            take(request, "ssm.start_automation", *about, document=name)
    record(request, "ssm.amazonaws.com", "StartAutomationExecution", ("AWS::SSM::Document", name))
    return {"AutomationExecutionId": number}


def describe_automation_executions(request: Request, params: Params) -> Result:
    names = [
        value for one in params.get("Filters") or () if one["Key"] == "DocumentNamePrefix" for value in one["Values"]
    ]
    found: list[dict[str, Any]] = []
    with request.state.doings.lock:
        for (account, region, document), executions in request.state.doings.executions.items():
            if (account, region) == (request.account, request.region) and (
                not names or document.startswith(tuple(names))
            ):
                found += [_shown(document, one) for one in executions]
    return {
        "AutomationExecutionMetadataList": sorted(found, key=lambda one: one["AutomationExecutionId"], reverse=True)
    }


def _shown(document: str, one: dict[str, Any]) -> dict[str, Any]:
    """Under way when it is first looked at, over after that."""
    status = one["status"]
    one["status"] = "Failed" if document.endswith(_FAILS) else "Success"
    failed = {"FailureMessage": "Step 1 fails when it is executed."} if status == "Failed" else {}
    return {
        "AutomationExecutionId": one["id"],
        "DocumentName": document,
        "DocumentVersion": "1",
        "AutomationExecutionStatus": status,
        "ExecutionStartTime": one["at"],
        "ExecutedBy": "opsbot",
        "Mode": "Auto",
        **failed,
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("ssm", "StartAutomationExecution"): start_automation_execution,
    ("ssm", "DescribeAutomationExecutions"): describe_automation_executions,
}
