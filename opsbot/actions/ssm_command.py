"""`ssm.run_command`: a command document that somebody wrote and released, on machines that are named one by one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from opsbot.actions.action import Act, Action, Bench, Change, Given, Intent
from opsbot.actions.ssm_parameters import Parameters, listed
from opsbot.actions.telling import clock, said
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt

_SHELLS = ("AWS-RunShellScript", "AWS-RunPowerShellScript", "AWS-RunRemoteScript", "AWS-RunDocument")
_OVER = ("Success", "Failed", "TimedOut", "Cancelled", "")


def _released(document: str) -> str:
    if document in _SHELLS:
        raise ValueError(f"{document} runs any text as a script: write a command document for it and name that")
    return document


Machine = Annotated[str, Field(pattern=r"^m?i-[0-9a-f]{8,17}$")]


class CommandGiven(Given):
    """`machines` are instance ids; `parameters` as the document asks for them."""

    document: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,128}$"), AfterValidator(_released)]
    machines: Annotated[tuple[Machine, ...], Field(min_length=1, max_length=50, strict=False)]
    parameters: Parameters


def look(bench: Bench, given: CommandGiven) -> Answer:
    """The newest command of the document. Raises CloudError."""
    wanted = [{"key": "DocumentName", "value": given.document}]
    told = bench.ask("ssm", "list_commands", Filters=wanted, MaxResults=10)
    newest: Mapping[str, Any] = max(told.get("Commands") or (), key=lambda one: one["RequestedDateTime"], default={})
    status = said(newest.get("Status", ""), 40)
    done = f", {newest.get('CompletedCount', 0)} of {newest.get('TargetCount', 0)} machines" if newest else ""
    return Answer(
        headline=f"last command {clock(newest.get('RequestedDateTime'), bench.now)}: {status or 'none yet'}{done}",
        values={"command": said(newest.get("CommandId", ""), 64), "status": status,
                "errors": int(newest.get("ErrorCount", 0))},
        alarming=status in ("Failed", "TimedOut"),
    )  # fmt: skip


def intend(given: CommandGiven, seen: Answer) -> Intent:
    told = ", ".join(f"{name}={','.join(values)}" for name, values in sorted(listed(given.parameters).items()))
    machines = ", ".join(given.machines)
    return Intent(
        calls=f"ssm:SendCommand {given.document} on {machines} {told}".rstrip(),
        before=(("last command", str(seen.values["command"]) or "none"),),
        after=(("last command", "a new one"), ("machines", machines), ("parameters", told or "none")),
        key=f"ssm/{given.document}",
        undo_says="nothing: a command is not taken back",
        refused="" if seen.values["status"] in _OVER else "a command of it is under way",
    )


def apply(given: CommandGiven, before: Answer, act: Act, token: str) -> Receipt:
    """Run Command knows no token; the comment tells whose command it is."""
    return act(
        "ssm", "send_command", DocumentName=given.document, InstanceIds=list(given.machines),
        Parameters=listed(given.parameters), Comment=f"opsbot {token}"[:100], MaxErrors="0",
    )  # fmt: skip


def reached(given: CommandGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["command"] != before.values["command"])


ACTION = Action(
    name="ssm.run_command",
    about="run a released SSM command document on named machines",
    given=CommandGiven,
    look=look,
    reads=("ssm:ListCommands",),
    timeout=timedelta(seconds=20),
    change=Change(intend=intend, apply=apply, reached=reached, writes=("ssm:SendCommand",)),
)
