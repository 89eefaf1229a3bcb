"""Lambda functions, and the account's own limit."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.aws.readers.place import Found, Look, Reader, facts, number
from opsbot.model.environment import labels
from opsbot.model.resource import Resource

_INSIGHTS = ":layer:LambdaInsightsExtension"


def functions(look: Look) -> Iterator[Found]:
    for function in look.each("lambda", "list_functions", "Functions"):
        name = function["FunctionName"]
        yield Resource(
            kind="lambda-function",
            name=name,
            region=look.region,
            arn=function.get("FunctionArn", ""),
            dimensions=labels(FunctionName=name),
            facts=facts(
                timeout_seconds=number(function.get("Timeout")),
                memory_mb=number(function.get("MemorySize")),
                runtime=function.get("Runtime"),
                architecture=(function.get("Architectures") or ["x86_64"])[0],
                # Only this layer measures how much memory a call uses.
                insights=1.0
                if any(_INSIGHTS in layer.get("Arn", "") for layer in function.get("Layers") or ())
                else 0.0,
            ),
        )


def account(look: Look) -> Iterator[Found]:
    limits = look.client("lambda").get_account_settings()["AccountLimit"]
    yield Resource(
        kind="lambda-account",
        name="account",
        region=look.region,
        facts=facts(concurrency_limit=number(limits.get("ConcurrentExecutions"))),
    )


READERS = {
    "lambda-function": Reader(
        kinds=("lambda-function",),
        actions=("lambda:ListFunctions",),
        read=functions,
        tagged=("lambda:function",),
    ),
    "lambda-account": Reader(kinds=("lambda-account",), actions=("lambda:GetAccountSettings",), read=account),
}
