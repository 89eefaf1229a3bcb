"""Changing ECS services: other tasks, another task definition, all of them anew; and a rollout that then heals them."""

from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.doings import Rollout, Target
from opsbot.replica.services.trail import record
from opsbot.replica.world import Resource

NEWEST, KEPT = 42, 4
_LOOKS = 2
"""A rollout is over when it was described so often."""


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
    record(request, "ecs.amazonaws.com", "UpdateService", ("AWS::ECS::Service", service.name))
    return rollout


def overlaid(request: Request, service: Resource, shown: dict[str, Any], sick: bool) -> dict[str, Any]:
    """A described service as the last rollout left it; as it is where nobody changed it. `sick`: the tasks of its newest
    task definition do not start."""
    doings = request.state.doings
    with doings.lock:
        rollout = doings.rollouts.get(target(request, service))
        if rollout is None:
            return shown
        rollout.seen += 1
        starts = not (sick and rollout.definition == f"{service.name}:{NEWEST}")
        done = starts and rollout.seen > _LOOKS
        before = int(shown["runningCount"])
        running = rollout.desired if done else min(before, rollout.desired)
        return {**shown, **_shown(request, service, rollout, running, done)}


def _shown(request: Request, service: Resource, rollout: Rollout, running: int, done: bool) -> dict[str, Any]:
    arn = definition_arn(request, rollout.definition)
    deployment = {
        "id": f"ecs-svc/{service.text('id')}" + (f"-{rollout.number}" if rollout.number else ""),
        "status": "PRIMARY",
        "taskDefinition": arn,
        "desiredCount": rollout.desired,
        "runningCount": running,
        "pendingCount": rollout.desired - running,
        "failedTasks": 0,
        "createdAt": rollout.at,
        "updatedAt": rollout.at,
        "rolloutState": "COMPLETED" if done else "IN_PROGRESS",
    }
    said = "has reached a steady state." if done else "has started tasks."
    event = {"id": service.text("id"), "createdAt": rollout.at, "message": f"(service {service.name}) {said}"}
    return {
        "desiredCount": rollout.desired,
        "runningCount": running,
        "pendingCount": rollout.desired - running,
        "taskDefinition": arn,
        "deployments": [deployment],
        "events": [event],
    }


HANDLERS: dict[tuple[str, str], Handler] = {("ecs", "ListTaskDefinitions"): list_task_definitions}
