"""What Lambda functions keep of releases: versions, aliases and reserved concurrency, and changing them."""

import math
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.doings import Target
from opsbot.replica.healing import take
from opsbot.replica.remedies import NEWEST_VERSION
from opsbot.replica.services.functions import named
from opsbot.replica.services.trail import record
from opsbot.replica.world import Resource

ALIAS, NEWEST, KEPT = "live", NEWEST_VERSION, 3
_SOURCE, _KIND = "lambda.amazonaws.com", "AWS::Lambda::Function"


def _function(request: Request, params: Params) -> Resource:
    return named(request, str(params.get("FunctionName")))


def _target(request: Request, function: Resource) -> Target:
    return request.account, request.region, function.name


def list_versions(request: Request, params: Params) -> Result:
    function = _function(request, params)
    numbers = ["$LATEST", *map(str, range(NEWEST - KEPT + 1, NEWEST + 1))]
    arn = function.arn
    return {
        "Versions": [{"FunctionName": function.name, "FunctionArn": f"{arn}:{one}", "Version": one} for one in numbers]
    }


def list_aliases(request: Request, params: Params) -> Result:
    return {"Aliases": [_alias(request, _function(request, params))]}


def get_alias(request: Request, params: Params) -> Result:
    function = _function(request, params)
    _known(function, params)
    return _alias(request, function)


def _known(function: Resource, params: Params) -> None:
    if str(params.get("Name")) != ALIAS:
        raise Fault("ResourceNotFoundException", f"Cannot find alias arn: {function.arn}:{params.get('Name')}", 404)


def _alias(request: Request, function: Resource) -> dict[str, Any]:
    version, changes = request.state.doings.aliases.get(_target(request, function), (str(NEWEST), 0))
    return {
        "AliasArn": f"{function.arn}:{ALIAS}",
        "Name": ALIAS,
        "FunctionVersion": version,
        "RevisionId": f"00000000-0000-4000-a000-{changes:012x}",
    }


def update_alias(request: Request, params: Params) -> Result:
    function = _function(request, params)
    _known(function, params)
    wanted = str(params.get("FunctionVersion"))
    if wanted not in map(str, range(NEWEST - KEPT + 1, NEWEST + 1)):
        raise Fault("ResourceNotFoundException", f"Function not found: {function.arn}:{wanted}", 404)
    with request.state.doings.lock:
        now = _alias(request, function)
        if params.get("RevisionId") not in (None, now["RevisionId"]):
            raise Fault(
                "PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId.", 412
            )
        changes = int(str(now["RevisionId"])[-12:], 16) + 1
        request.state.doings.aliases[_target(request, function)] = (wanted, changes)
    take(request, "lambda.set_alias", function.name, value=float(wanted))
    record(request, _SOURCE, "UpdateAlias20150331", (_KIND, function.name))
    return _alias(request, function)


def get_concurrency(request: Request, params: Params) -> Result:
    found = request.state.doings.reserved.get(_target(request, _function(request, params)))
    return {} if found is None else {"ReservedConcurrentExecutions": found}


def put_concurrency(request: Request, params: Params) -> Result:
    function, wanted = _function(request, params), int(params["ReservedConcurrentExecutions"])
    if wanted > 900:
        raise Fault(
            "InvalidParameterValueException",
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            "below its minimum value of [100].",
        )
    request.state.doings.reserved[_target(request, function)] = wanted
    take(request, "lambda.put_concurrency", function.name, value=wanted)
    record(request, _SOURCE, "PutFunctionConcurrency20171031", (_KIND, function.name))
    return {"ReservedConcurrentExecutions": wanted}


def delete_concurrency(request: Request, params: Params) -> Result:
    function = _function(request, params)
    request.state.doings.reserved.pop(_target(request, function), None)
    take(request, "lambda.put_concurrency", function.name, value=math.inf)
    record(request, _SOURCE, "DeleteFunctionConcurrency20171031", (_KIND, function.name))
    return {}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("lambda", "ListVersionsByFunction"): list_versions,
    ("lambda", "ListAliases"): list_aliases,
    ("lambda", "GetAlias"): get_alias,
    ("lambda", "UpdateAlias"): update_alias,
    ("lambda", "GetFunctionConcurrency"): get_concurrency,
    ("lambda", "PutFunctionConcurrency"): put_concurrency,
    ("lambda", "DeleteFunctionConcurrency"): delete_concurrency,
}
