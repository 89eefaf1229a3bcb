"""Naming what a request asks for: service from the signature's scope, operation from header, form or path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, unquote

from opsbot.replica.codec import Call, Fault, Operation, service_model
from opsbot.replica.signing import SIGNED_AS

_SCOPE = re.compile(r"Credential=([^/\s,]+)/\d{8}/([\w-]+)/([\w.-]+)/aws4_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the signature says: who, where, which service (by its signing name)."""

    access_key: str
    region: str
    signing_name: str


def scope_of(call: Call) -> Scope:
    """The scope of the SigV4 signature. Raises Fault for a request that is not signed."""
    found = _SCOPE.search(call.headers.get("authorization", ""))
    if found:
        return Scope(access_key=found[1], region=found[2], signing_name=found[3])
    signed_url = dict(parse_qsl(call.query)).get("X-Amz-Credential", "")
    parts = signed_url.split("/")
    if len(parts) != 5:
        raise Fault("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    return Scope(access_key=parts[0], region=parts[2], signing_name=parts[3])


def operation_of(call: Call, signing_name: str) -> Operation:
    """The service and operation that `call` means; unknown parts are named as they came, never guessed."""
    services = [name for name in SIGNED_AS.get(signing_name, (signing_name,)) if _known(name)]
    if target := call.headers.get("x-amz-target"):
        return _by_target(target, services, signing_name)
    form = _form(call)
    if action := form.get("Action"):
        return _by_action(action, form.get("Version", ""), services, signing_name)
    if found := _by_path(services, call):
        return found
    return Operation(service=services[0] if services else signing_name, name=f"{call.method} {call.path}")


@cache
def _known(service: str) -> bool:
    from botocore.exceptions import UnknownServiceError

    try:
        service_model(service)
    except UnknownServiceError:
        return False
    return True


def _by_target(target: str, services: Iterable[str], signing_name: str) -> Operation:
    prefix, _, name = target.rpartition(".")
    for service in services:
        if service_model(service).metadata.get("targetPrefix") == prefix:
            return Operation(service=service, name=name)
    return Operation(service=next(iter(services), signing_name), name=name)


def _form(call: Call) -> dict[str, str]:
    fields = dict(parse_qsl(call.query, keep_blank_values=True))
    if call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        fields |= parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    return fields


def _by_action(action: str, version: str, services: list[str], signing_name: str) -> Operation:
    same_version = [name for name in services if service_model(name).metadata.get("apiVersion") == version]
    for service in same_version or services:
        if action in service_model(service).operation_names:
            return Operation(service=service, name=action)
    return Operation(service=services[0] if services else signing_name, name=action)


# Letters of the path that are fixed, conditions on query and headers, not deprecated: more is more specific.
_Weight = tuple[int, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """One operation of a REST service; `names` undoes what a regular expression's group names cannot hold."""

    name: str
    method: str
    path: re.Pattern[str]
    names: tuple[str, ...]
    weight: _Weight
    query: Mapping[str, str]
    needs_query: tuple[str, ...]
    needs_headers: tuple[str, ...]


_MODELLING = Lock()


def _routes(service: str) -> tuple[_Route, ...]:
    # The model's own cache hands out half-made operations when two threads meet in it.
    with _MODELLING:
        return _made_routes(service)


@cache
def _made_routes(service: str) -> tuple[_Route, ...]:
    model = service_model(service)
    routes = [_route(model.operation_model(name)) for name in model.operation_names]
    return tuple(sorted(routes, key=lambda route: route.weight, reverse=True))


def _route(operation: Any) -> _Route:
    trait = operation.http_trait
    names = tuple(label.rstrip("+") for label in re.findall(r"\{([^}]+)\}", trait.path))
    shape = operation.input_shape
    query = tuple(shape.required_query_args) if shape is not None else ()
    headers = tuple(name.lower() for name in shape.required_headers) if shape is not None else ()
    literals = len(re.sub(r"\{[^}]+\}", "", trait.path))
    return _Route(
        name=operation.name,
        method=trait.method,
        path=_pattern(trait.path),
        names=names,
        weight=(literals, len(trait.query_args) + len(query) + len(headers), not operation.deprecated),
        query=trait.query_args,
        needs_query=query,
        needs_headers=headers,
    )


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{[^}]+\})", path.rstrip("/"))
    return re.compile("".join(map(_piece, pieces)) + "/?")


def _piece(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    return "(.+)" if piece.endswith("+}") else "([^/]+)"


def _by_path(services: list[str], call: Call) -> Operation | None:
    """The most specific path that fits, among all services that sign alike."""
    query = dict(parse_qsl(call.query, keep_blank_values=True))
    fitting = [found for service in services if (found := _in_service(service, call, query))]
    return max(fitting, key=lambda found: found[0])[1] if fitting else None


def _in_service(service: str, call: Call, query: Mapping[str, str]) -> tuple[_Weight, Operation] | None:
    for route in _routes(service):
        found = route.path.fullmatch(call.path) if route.method == call.method else None
        if found and _fits(route, query, call.headers):
            uri = dict(zip(route.names, map(unquote, found.groups()), strict=True))
            return route.weight, Operation(service=service, name=route.name, uri=uri)
    return None


def _fits(route: _Route, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    return (
        all(query.get(name) == value for name, value in route.query.items())
        and all(name in query for name in route.needs_query)
        and all(name in headers for name in route.needs_headers)
    )
