"""Changing ECS services: other tasks, another task definition, all of them anew; and a rollout that then heals them."""

from datetime import timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.doings import Rollout, Target
from opsbot.replica.healing import take
from opsbot.replica.remedies import NEWEST_DEFINITION
from opsbot.replica.services.trail import record
from opsbot.replica.world import Resource

NEWEST, KEPT = NEWEST_DEFINITION, 4
_LOOKS, _TAKES, _TRIES = 2, timedelta(minutes=2), 4
"""A rollout is over when it was described so often, or after a while; until then so many tasks have failed, if they do."""


def target(request: Request, service: Resource) -> Target:
    return request.account, request.region, f"{service.text('cluster')}/{service.name}"


def definition_arn(request: Request, name: str) -> str:
    return f"arn:aws:ecs:{request.region}:{request.account}:task-definition/{name}"


def list_task_definitions(request: Request, params: Params) -> Result:
    family = str(params.get("familyPrefix") or "")
    names = [f"{family}:{number}" for number in range(NEWEST - KEPT + 1, NEWEST + 1)] if family else []
    if params.get("sort") == "DESC":
        names.reverse()
    return {"taskDefinitionArns": [definition_arn(request, name) for name in names]}


def changed(request: Request, service: Resource, params: Params) -> Rollout:
    """What a service becomes."""
    desired = int(params.get("desiredCount", service.number("desired")))
    wanted = str(params.get("taskDefinition") or "").rsplit("/", 1)[-1]
    family, _, revision = (wanted or f"{service.name}:{NEWEST}").partition(":")
    number = int(revision or NEWEST) if (revision or "0").isdigit() else 0
    if family != service.name or not NEWEST - KEPT < number <= NEWEST:
        raise Fault("ClientException", "TaskDefinition not found.")
    doings = request.state.doings
    with doings.lock:
        before = doings.rollouts.get(target(request, service))
        if before is not None:
            desired = int(params.get("desiredCount", before.desired))
            wanted = wanted or before.definition
        anew = (
            bool(wanted and before is None)
            or bool(params.get("forceNewDeployment"))
            or (before and wanted != before.definition)
        )
        count = (before.number if before else 0) + (1 if anew else 0)
        rollout = Rollout(
            number=count, desired=desired, definition=wanted or f"{service.name}:{NEWEST}", at=request.now
        )
        rollout.seen = 0 if anew else _LOOKS
        doings.rollouts[target(request, service)] = rollout
        _take(request, service, params, rollout, anew=bool(anew))
    record(request, "ecs.amazonaws.com", "UpdateService", ("AWS::ECS::Service", service.name))
    return rollout


def _take(request: Request, service: Resource, params: Params, rollout: Rollout, *, anew: bool) -> None:
    """What the change may cure. Whatever rolls out starts every task anew."""
    if params.get("taskDefinition"):
        take(request, "ecs.set_task_definition", service.name, value=float(rollout.definition.rpartition(":")[2]))
    if "desiredCount" in params:
        take(request, "ecs.scale", service.name, value=float(rollout.desired))
    if anew:
        take(request, "ecs.force_new_deployment", service.name)


def overlaid(request: Request, service: Resource, shown: dict[str, Any], sick: bool) -> dict[str, Any]:
    """A described service as the last rollout left it; as it is where nobody changed it. `sick`: the tasks of its newest
    task definition do not start. Where time stands still a rollout gets on by being looked at."""
    doings = request.state.doings
    with doings.lock:
        rollout = doings.rollouts.get(target(request, service))
        if rollout is None:
            return shown
        rollout.seen += 1
        starts = not (sick and rollout.definition == f"{service.name}:{NEWEST}")
        over = rollout.seen > _LOOKS or request.now - rollout.at >= _TAKES
        before = int(shown["runningCount"])
        running = rollout.desired if starts and over else min(before, rollout.desired)
        failed = 0 if starts or not over else _TRIES
        return {**shown, **_shown(request, service, rollout, running, failed, done=starts and over)}


def _shown(
    request: Request, service: Resource, rollout: Rollout, running: int, failed: int, *, done: bool
) -> dict[str, Any]:
    arn = definition_arn(request, rollout.definition)
    deployment = {
        "id": f"ecs-svc/{service.text('id')}" + (f"-{rollout.number}" if rollout.number else ""),
        "status": "PRIMARY",
        "taskDefinition": arn,
        "desiredCount": rollout.desired,
        "runningCount": running,
        "pendingCount": rollout.desired - running,
        "failedTasks": failed,
        "createdAt": rollout.at,
        "updatedAt": rollout.at,
        "rolloutState": "COMPLETED" if done else "IN_PROGRESS",
    }
    return {
        "desiredCount": rollout.desired,
        "runningCount": running,
        "pendingCount": rollout.desired - running,
        "taskDefinition": arn,
        "deployments": [deployment],
        "events": _events(request, service, rollout, failed, done=done),
    }


def _events(request: Request, service: Resource, rollout: Rollout, failed: int, *, done: bool) -> list[dict[str, Any]]:
    """What the service says of its rollout, the newest first."""
    told = [f"has started {rollout.desired} tasks."]
    if failed:
        told.append("was unable to place a task: CannotPullContainerError: not found")
    if done:
        told += [
            f"(deployment ecs-svc/{service.text('id')}-{rollout.number}) deployment completed.",
            "has reached a steady state.",
        ]
    times = (min(rollout.at + number * _TAKES / len(told), request.now) for number in range(len(told)))
    events = [
        {"id": f"{service.text('id')}-{number}", "createdAt": at, "message": f"(service {service.name}) {one}"}
        for number, (at, one) in enumerate(zip(times, told, strict=True))
    ]
    return events[::-1]


HANDLERS: dict[tuple[str, str], Handler] = {("ecs", "ListTaskDefinitions"): list_task_definitions}
