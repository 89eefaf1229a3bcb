"""Lambda: functions, their tags and the account's limits."""

from datetime import datetime
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.lookup import Paging, chosen, here, page
from opsbot.replica.world import Resource

PAGES = Paging(
    size="MaxItems", cursor="Marker", answer="NextMarker", usual=50, most=50, error="InvalidParameterValueException"
)
GIB = 1024**3


def list_functions(request: Request, params: Params) -> Result:
    found, token = page(here(request, "lambda-function"), params, PAGES)
    return {"Functions": [_function(request, function) for function in found], **token}


def get_function(request: Request, params: Params) -> Result:
    function = named(request, str(params.get("FunctionName")))
    return {"Configuration": _function(request, function), "Tags": dict(function.tags)}


def get_function_configuration(request: Request, params: Params) -> Result:
    return _function(request, named(request, str(params.get("FunctionName"))))


def list_tags(request: Request, params: Params) -> Result:
    return {"Tags": dict(named(request, str(params.get("Resource"))).tags)}


def named(request: Request, name: str) -> Resource:
    """The function of that name or ARN. Raises Fault."""
    missing = Fault("ResourceNotFoundException", f"Function not found: {name}", 404)
    return chosen(here(request, "lambda-function"), name.rsplit(":", 1)[-1], missing)[0]


def _function(request: Request, function: Resource) -> dict[str, Any]:
    return {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Runtime": function.text("runtime"),
        "Role": f"arn:aws:iam::{request.account}:role/{function.name}",
        "Handler": "app.handler",
        "CodeSize": 4_200_000,
        "Timeout": function.number("timeout"),
        "MemorySize": function.number("memory"),
        "LastModified": f"{_deployed(request, function):%Y-%m-%dT%H:%M:%S}.000+0000",
        "Version": "$LATEST",
        "PackageType": "Zip",
        "State": "Active",
        "Architectures": ["arm64"],
    }


def _deployed(request: Request, function: Resource) -> datetime:
    """Errors that were planted came with a deploy."""
    return request.world.cause(function, "Errors", request.now) or function.created


def get_account_settings(request: Request, _: Params) -> Result:
    accounts = here(request, "lambda-account")
    limit = accounts[0].number("limit") if accounts else 1000
    functions = len(here(request, "lambda-function"))
    return {
        "AccountLimit": {
            "TotalCodeSize": 75 * GIB,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit,
        },
        "AccountUsage": {"TotalCodeSize": 4_200_000 * functions, "FunctionCount": functions},
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("lambda", "ListFunctions"): list_functions,
    ("lambda", "GetFunction"): get_function,
    ("lambda", "GetFunctionConfiguration"): get_function_configuration,
    ("lambda", "ListTags"): list_tags,
    ("lambda", "GetAccountSettings"): get_account_settings,
}
