"""`lambda.function`: a function's state, when it was last changed, its limits and its aliases."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given
from opsbot.actions.telling import clock, said
from opsbot.model.runbook import Answer, Value

FUNCTION = r"^[A-Za-z0-9_-]{1,140}$"


class FunctionGiven(Given):
    """`function` is its name."""

    function: str = Field(pattern=FUNCTION)


def look(bench: Bench, given: FunctionGiven) -> Answer:
    """Raises CloudError."""
    told = bench.ask("lambda", "get_function_configuration", FunctionName=given.function)
    kept = bench.ask("lambda", "get_function_concurrency", FunctionName=given.function)
    aliases = bench.ask("lambda", "list_aliases", FunctionName=given.function).get("Aliases") or ()
    reserved = kept.get("ReservedConcurrentExecutions")
    modified = _time(told.get("LastModified"))
    values: dict[str, Value] = {
        "function": given.function,
        "state": said(told.get("State", ""), 40),
        "modified": said(told.get("LastModified", ""), 40),
        "timeout": int(told.get("Timeout") or 0),
        "memory": int(told.get("MemorySize") or 0),
        "runtime": said(told.get("Runtime", ""), 40),
        "reserved": reserved,
        "alias": said(aliases[0]["Name"], 128) if aliases else None,
    }
    limit = f"{reserved} reserved" if reserved is not None else "nothing reserved"
    return Answer(
        headline=f"{values['state'] or 'there'}, last changed {clock(modified, bench.now)}; {values['memory']} MB, "
        f"{values['timeout']} s, {limit}",
        rows=tuple(
            (f"alias {said(one['Name'], 60)}", f"version {said(one.get('FunctionVersion', ''), 20)}")
            for one in aliases[:5]
        ),
        values=values,
        alarming=reserved == 0 or values["state"] not in ("Active", ""),
    )


def _time(text: Any) -> Any:
    from datetime import datetime

    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


ACTION = Action(
    name="lambda.function",
    about="a Lambda function: state, last change, limits, aliases",
    given=FunctionGiven,
    look=look,
    reads=("lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:ListAliases"),
)
