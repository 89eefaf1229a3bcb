"""SSM Run Command: documents that may be sent to machines, and that succeed when they are looked at again."""

from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.healing import take
from opsbot.replica.services.automation import released
from opsbot.replica.services.lookup import here
from opsbot.replica.services.trail import record

DOCUMENTS = ("AWS-UpdateSSMAgent", "Opsbot-DropCaches", "Opsbot-BreaksAlways")
_FAILS = "BreaksAlways"


def send_command(request: Request, params: Params) -> Result:
    name, machines = str(params.get("DocumentName")), [str(one) for one in params.get("InstanceIds") or ()]
    if name not in (*DOCUMENTS, *released(request, "ssm.run_command")):
        raise Fault("InvalidDocument", f"Document with name {name} does not exist.")
    known = {machine.text("id"): machine.name for machine in here(request, "ec2-instance")}
    if not machines or not known.keys() >= set(machines):
        raise Fault("InvalidInstanceId", "Instances not in a valid state for account")
    doings = request.state.doings
    with doings.lock:
        made: dict[str, Any] = {
            "id": f"00000000-0000-4000-8000-{sum(map(len, doings.commands.values())) + 1:012x}", "at": request.now,
            "machines": machines, "comment": str(params.get("Comment") or ""), "status": "InProgress",
            "parameters": params.get("Parameters") or {},
        }  # fmt: skip
        doings.commands.setdefault((request.account, request.region, name), []).append(made)
        if not name.endswith(_FAILS):
            take(request, "ssm.run_command", *machines, *(known[one] for one in machines), document=name)
    record(request, "ssm.amazonaws.com", "SendCommand", *(("AWS::EC2::Instance", machine) for machine in machines))
    return {"Command": _shown(name, made, "Pending")}


def list_commands(request: Request, params: Params) -> Result:
    names = [str(one.get("value")) for one in params.get("Filters") or () if one.get("key") == "DocumentName"]
    found: list[dict[str, Any]] = []
    with request.state.doings.lock:
        for (account, region, document), commands in request.state.doings.commands.items():
            if (account, region) == (request.account, request.region) and (not names or document in names):
                found += [_shown(document, one, _moved_on(document, one)) for one in commands]
    return {"Commands": sorted(found, key=lambda one: one["CommandId"], reverse=True)}


def _moved_on(document: str, one: dict[str, Any]) -> str:
    """Under way when it is first looked at, over after that."""
    status = str(one["status"])
    one["status"] = "Failed" if document.endswith(_FAILS) else "Success"
    return status


def _shown(document: str, one: dict[str, Any], status: str) -> dict[str, Any]:
    over = status in ("Success", "Failed")
    return {
        "CommandId": one["id"],
        "DocumentName": document,
        "Comment": one["comment"],
        "InstanceIds": one["machines"],
        "Parameters": one["parameters"],
        "RequestedDateTime": one["at"],
        "Status": status,
        "StatusDetails": status,
        "TargetCount": len(one["machines"]),
        "CompletedCount": len(one["machines"]) if over else 0,
        "ErrorCount": len(one["machines"]) if status == "Failed" else 0,
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("ssm", "SendCommand"): send_command,
    ("ssm", "ListCommands"): list_commands,
}
