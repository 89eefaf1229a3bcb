"""`lambda.put_concurrency`: how many executions a function may have at once: 0 stops it, none takes the limit off."""

from __future__ import annotations

from pydantic import Field

from opsbot.actions import lambda_function
from opsbot.actions.action import Act, Action, Bench, Change, Given, Intent
from opsbot.actions.lambda_function import FUNCTION, FunctionGiven
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


class ConcurrencyGiven(Given):
    """`reserved` executions at once; null takes the limit off."""

    function: str = Field(pattern=FUNCTION)
    reserved: int | None = Field(ge=0, le=10_000)


def _shown(reserved: object) -> str:
    return "no limit of its own" if reserved is None else str(reserved)


def intend(given: ConcurrencyGiven, seen: Answer) -> Intent:
    now = seen.values["reserved"]
    call = "DeleteFunctionConcurrency" if given.reserved is None else "PutFunctionConcurrency"
    return Intent(
        calls=f"lambda:{call} {given.function} {_shown(given.reserved)}",
        before=(("reserved executions", _shown(now)),),
        after=(("reserved executions", _shown(given.reserved)),),
        key=f"lambda/{given.function}",
        undo="lambda.put_concurrency",
        undo_given={"function": given.function, "reserved": now},
        undo_says=f"back to {_shown(now)}",
        refused=f"it has {_shown(now)} already" if now == given.reserved else "",
    )


def apply(given: ConcurrencyGiven, before: Answer, act: Act, token: str) -> Receipt:
    if given.reserved is None:
        return act("lambda", "delete_function_concurrency", FunctionName=given.function)
    return act(
        "lambda", "put_function_concurrency", FunctionName=given.function, ReservedConcurrentExecutions=given.reserved
    )


def reached(given: ConcurrencyGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["reserved"] == given.reserved)


def look(bench: Bench, given: ConcurrencyGiven) -> Answer:
    """As `lambda.function` looks."""
    return lambda_function.look(bench, FunctionGiven(function=given.function))


ACTION = Action(
    name="lambda.put_concurrency",
    about="how many executions a function may have at once",
    given=ConcurrencyGiven,
    look=look,
    reads=lambda_function.ACTION.reads,
    change=Change(
        intend=intend,
        apply=apply,
        reached=reached,
        writes=("lambda:DeleteFunctionConcurrency", "lambda:PutFunctionConcurrency"),
    ),
)
