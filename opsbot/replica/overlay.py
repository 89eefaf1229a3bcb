"""The overlay: names each request, decides who answers it (our handlers, moto, nobody), and codes the answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import UnknownServiceError

from opsbot.replica import faults, healing, sts
from opsbot.replica.backstage import pass_on
from opsbot.replica.codec import (
    Answer,
    Call,
    Fault,
    Handler,
    Operation,
    Params,
    Request,
    Result,
    json_type,
    protocol_of,
    read,
    service_model,
    write,
    write_fault,
)
from opsbot.replica.operations import Scope, operation_of, scope_of
from opsbot.replica.state import State
from opsbot.replica.world import World

Named = tuple[str, str]
Direct = Callable[[Request, Params], bytes]
_TOKENS = ("NextToken", "nextToken", "Marker", "NextMarker", "position")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What answers. `direct` handlers write the JSON body themselves, for speed; `now` is the only clock."""

    world: World
    now: Callable[[], datetime]
    handlers: Mapping[Named, Handler]
    direct: Mapping[Named, Direct]
    moto_operations: frozenset[Named]
    state: State = field(default_factory=State)
    _serial: Any = field(default_factory=itertools.count)

    def answer(self, call: Call) -> Answer:
        """The answer to any request that is not for the control endpoint."""
        try:
            scope = scope_of(call)
            operation = operation_of(call, scope.signing_name)
        except Fault as fault:
            return write_fault(fault, "s3", "rest-xml")
        self.state.tally.call(str(operation))
        protocol = _protocol(call, operation)
        try:
            answer = self._answered(call, scope, operation, protocol)
        except Fault as fault:
            self.state.tally.fault(str(operation), fault.code)
            answer = write_fault(fault, operation.service, protocol)
        except Exception as error:  # noqa: BLE001 - a defect of a handler or of moto is answered and named, not hung up on
            self.state.tally.fault(str(operation), "InternalFailure")
            answer = write_fault(_defect(operation, error), operation.service, protocol)
        if any(name.lower() == "x-amzn-requestid" for name in answer.headers):
            return answer
        serial = f"{next(self._serial):012x}"
        return replace(answer, headers={**answer.headers, "x-amzn-RequestId": f"00000000-0000-4000-8000-{serial}"})

    def _answered(self, call: Call, scope: Scope, operation: Operation, protocol: str) -> Answer:
        now = self.now()
        sessions = self.state.sessions
        account = sts.account_of(scope.access_key, sessions, self.world, now, protocol=protocol)
        if (account, scope.region) in self.world.regions_off:
            raise faults.region_off(operation.service, protocol)
        request = Request(
            account=account,
            region=scope.region,
            access_key=scope.access_key,
            now=now,
            world=healing.as_left(self.world, self.state.doings),
            state=self.state,
            trouble=self._trouble(scope, operation, account, protocol),
        )
        self.state.limits.spend_call(account, scope.region, str(operation))
        return self._dispatched(call, request, operation, protocol)

    def _trouble(self, scope: Scope, operation: Operation, account: str, protocol: str) -> tuple[faults.FaultRule, ...]:
        """Lets the fault rules strike; gives back those that the handler acts on."""
        due = self.state.faults.due(operation.service, operation.name, account, scope.region)
        caller = sts.caller_arn(scope.access_key, self.state.sessions, self.world)
        for rule in due:
            if rule.fault == "slow":
                time.sleep(rule.seconds)
            fault = faults.fault_of(
                rule, service=operation.service, operation=operation.name, caller=caller, protocol=protocol
            )
            if fault is not None:
                raise fault
        return tuple(rule for rule in due if rule.fault in faults.INSIDE)

    def _dispatched(self, call: Call, request: Request, operation: Operation, protocol: str) -> Answer:
        name = (operation.service, operation.name)
        if protocol == "json" and name in self.direct:
            body = self.direct[name](request, _json(call, operation))
            return Answer(status=200, body=body, headers={"Content-Type": json_type(operation.service)})
        if handler := self.handlers.get(name):
            return write(operation, protocol, _handled(handler, request, read(call, operation, protocol), operation))
        if name in self.moto_operations:
            return pass_on(call, request.account)
        self.state.tally.not_known(str(operation))
        raise Fault(
            "NotImplementedException",
            f"embedded AWS: {operation} is not known; it has no handler and is not among moto's allowed operations",
            501,
        )


def _protocol(call: Call, operation: Operation) -> str:
    try:
        return protocol_of(operation.service, call.headers.get("content-type", ""))
    except (UnknownServiceError, Fault):
        # A service or protocol that is not known still gets an answer that names the operation.
        return "json" if "x-amz-target" in call.headers else "rest-json"


def _json(call: Call, operation: Operation) -> Params:
    try:
        params = orjson.loads(call.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Fault("SerializationException", f"{operation}: the body is not JSON: {error}") from error
    if not isinstance(params, dict):
        raise Fault("SerializationException", f"{operation}: expected an object")
    return params


def _handled(handler: Handler, request: Request, params: Params, operation: Operation) -> Result:
    if not any(rule.fault == "repeated_token" for rule in request.trouble):
        return handler(request, params)
    kept = {key: value for key, value in params.items() if key not in _TOKENS}
    result = handler(request, kept)
    shape = service_model(operation.service).operation_model(operation.name).output_shape
    token = next((key for key in _TOKENS if shape is not None and key in shape.members), None)
    return result if token is None else {**result, token: "repeated"}


def _defect(operation: Operation, error: Exception) -> Fault:
    return Fault("InternalFailure", f"embedded AWS: {operation} failed: {type(error).__name__}: {error}", 500)
