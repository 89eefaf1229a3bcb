"""CloudFormation: one stack for each ECS cluster and one for what is below; a rollout that hangs hangs its stack."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.services.lookup import Paging, here, page
from opsbot.replica.world import Resource

PAGES = Paging(size="", cursor="NextToken", answer="NextToken", usual=100, most=100, error="ValidationError")
_BASE = "platform-base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """As it is at this moment."""

    name: str
    created: datetime
    updated: datetime
    status: str
    drift: str = "NOT_CHECKED"
    reason: str = ""
    service: Resource | None = None
    """The service whose rollout it waits for."""


def stacks_of(request: Request) -> list[Stack]:
    """All of the caller's place, as the last change of somebody's left them."""
    return [_as_left(request, stack) for stack in _stacks(request)]


def _as_left(request: Request, stack: Stack) -> Stack:
    with request.state.doings.lock:
        at = request.state.doings.stacks.get((request.account, request.region, stack.name))
    if at is None:
        return stack
    return replace(stack, updated=at, status="UPDATE_ROLLBACK_COMPLETE", reason="User Initiated", service=None)


def _stacks(request: Request) -> Iterator[Stack]:
    services = here(request, "ecs-service")
    everything = request.world.inventory.get((request.account, request.region), {})
    if everything:
        oldest = min(resource.created for kind in everything.values() for resource in kind)
        yield Stack(name=_BASE, created=oldest, updated=oldest + timedelta(days=30), status="UPDATE_COMPLETE")
    for cluster in sorted({service.text("cluster") for service in services}):
        own = [service for service in services if service.text("cluster") == cluster]
        first = min(service.created for service in own)
        stuck = next(((one, at) for one in own if (at := _stuck(request, one))), None)
        status = "UPDATE_IN_PROGRESS" if stuck else "UPDATE_COMPLETE"
        yield Stack(
            name=f"{cluster}-services", created=first, updated=stuck[1] if stuck else first + timedelta(days=20),
            status=status, service=stuck[0] if stuck else None,
        )  # fmt: skip
    yield from (_planted(request, stack) for stack in here(request, "cfn-stack"))


def _planted(request: Request, stack: Resource) -> Stack:
    """A stack of the scenario: its update failed, or somebody changed by hand what it made."""
    failed, drifted = (request.world.trouble(stack, what, request.now) for what in ("StackStatus", "StackDriftStatus"))
    began = failed.window.began(int(request.now.timestamp())) if failed else None
    return Stack(
        name=stack.name,
        created=stack.created,
        updated=datetime.fromtimestamp(began, request.now.tzinfo) if began else stack.created + timedelta(days=9),
        status="UPDATE_ROLLBACK_FAILED" if failed else "UPDATE_COMPLETE",
        reason="The following resource(s) failed to update: [TaskDefinition]." if failed else "",
        drift="DRIFTED" if drifted else "IN_SYNC",
    )


def _stuck(request: Request, service: Resource) -> datetime | None:
    trouble = request.world.trouble(service, "runningCount", request.now)
    began = trouble.window.began(int(request.now.timestamp())) if trouble else None
    return None if began is None else datetime.fromtimestamp(began, request.now.tzinfo)


def describe_stacks(request: Request, params: Params) -> Result:
    name = params.get("StackName")
    found = [stack for stack in stacks_of(request) if name in (None, "", stack.name, arn_of(request, stack))]
    if name and not found:
        raise Fault("ValidationError", f"Stack with id {name} does not exist")
    shown, token = page(found, params, PAGES)
    return {"Stacks": [_stack(request, stack) for stack in shown], **token}


def arn_of(request: Request, stack: Stack) -> str:
    return f"arn:aws:cloudformation:{request.region}:{request.account}:stack/{stack.name}/0e1f2a3b-4c5d-4e6f-8a9b-0c1d2e3f4a5b"


def _stack(request: Request, stack: Stack) -> dict[str, Any]:
    return {
        "StackId": arn_of(request, stack),
        "StackName": stack.name,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "StackStatus": stack.status,
        "Capabilities": ["CAPABILITY_IAM"],
        "DriftInformation": {"StackDriftStatus": stack.drift},
        **({"StackStatusReason": stack.reason} if stack.reason else {}),
    }


def describe_stack_events(request: Request, params: Params) -> Result:
    name = str(params.get("StackName"))
    stack = next((one for one in stacks_of(request) if name in (one.name, arn_of(request, one))), None)
    if stack is None:
        raise Fault("ValidationError", f"Stack [{name}] does not exist")
    events = [_event(request, stack, stack.name, "AWS::CloudFormation::Stack", stack.status, "User Initiated")]
    if stack.service is not None:
        events.insert(0, _event(request, stack, stack.service.name, "AWS::ECS::Service", "UPDATE_IN_PROGRESS", ""))
    return {"StackEvents": events}


def _event(request: Request, stack: Stack, resource: str, kind: str, status: str, why: str) -> dict[str, Any]:
    told = {"ResourceStatusReason": why} if why else {}
    return {
        "StackId": arn_of(request, stack),
        "EventId": f"{resource}-{int(stack.updated.timestamp())}",
        "StackName": stack.name,
        "LogicalResourceId": resource,
        "PhysicalResourceId": resource,
        "ResourceType": kind,
        "Timestamp": stack.updated,
        "ResourceStatus": status,
        **told,
    }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("cloudformation", "DescribeStacks"): describe_stacks,
    ("cloudformation", "DescribeStackEvents"): describe_stack_events,
}
