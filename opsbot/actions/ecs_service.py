"""`ecs.service`: an ECS service: tasks, rollouts, what it says itself, and the task definition that it had before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given, NotThere
from opsbot.actions.telling import clock, said, tail
from opsbot.model.runbook import Answer, Value

_CLUSTERS = 50
_NAME = r"^[A-Za-z0-9_-]+$"
READS = ("ecs:DescribeServices", "ecs:ListClusters", "ecs:ListTaskDefinitions")


class ServiceGiven(Given):
    """Without a `cluster` all of them are looked through."""

    service: str = Field(pattern=_NAME, max_length=255)
    cluster: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$", max_length=255)


def look(bench: Bench, given: ServiceGiven) -> Answer:
    """Raises CloudError, NotThere."""
    cluster, service = find(bench, given)
    rollouts = service.get("deployments") or ()
    newest: Mapping[str, Any] = next((one for one in rollouts if one.get("status") == "PRIMARY"), {})
    running, desired = int(service.get("runningCount") or 0), int(service.get("desiredCount") or 0)
    values: dict[str, Value] = {
        "cluster": cluster,
        "service": given.service,
        "running": running,
        "desired": desired,
        "pending": int(service.get("pendingCount") or 0),
        "failed": int(newest.get("failedTasks") or 0),
        "rollout": said(newest.get("rolloutState") or "", 40),
        "deployment": said(newest.get("id") or "", 80),
        "task_definition": tail(service.get("taskDefinition") or ""),
        "previous": _previous(bench, service, rollouts),
    }
    events = [
        (clock(one.get("createdAt"), bench.now), said(one.get("message", "")))
        for one in (service.get("events") or ())[:5]
    ]
    rolled = clock(newest.get("createdAt"), bench.now)
    how = values["rollout"] or "rolled out"
    return Answer(
        headline=f"{running} of {desired} tasks run; {values['task_definition']} {how} since {rolled}, "
        f"{values['failed']} failed",
        rows=tuple(events),
        values=values,
        alarming=running < desired or bool(values["failed"]),
    )


def find(bench: Bench, given: ServiceGiven) -> tuple[str, Mapping[str, Any]]:
    """The cluster's name and the service. Raises NotThere."""
    for cluster in [given.cluster] if given.cluster else _clusters(bench):
        told = bench.ask("ecs", "describe_services", cluster=cluster, services=[given.service])
        for service in told.get("services") or ():
            if service.get("status", "ACTIVE") == "ACTIVE":
                return tail(cluster), service
    where = f"cluster {given.cluster}" if given.cluster else f"any cluster of {bench.region}"
    raise NotThere(f"there is no service {given.service} in {where}", hint="give --set service=NAME --set cluster=NAME")


def _clusters(bench: Bench) -> Iterator[str]:
    asked: dict[str, Any] = {}
    for _ in range(_CLUSTERS // 10):
        page = bench.ask("ecs", "list_clusters", **asked)
        yield from page.get("clusterArns") or ()
        if not page.get("nextToken"):
            return
        asked["nextToken"] = page["nextToken"]


def _previous(bench: Bench, service: Mapping[str, Any], rollouts: Any) -> str:
    """What ran before: a rollout that is still there, else the revision before the present one; "" if there is none."""
    now = str(service.get("taskDefinition") or "")
    for rollout in rollouts:
        if rollout.get("taskDefinition") and rollout["taskDefinition"] != now and rollout.get("status") == "ACTIVE":
            return tail(rollout["taskDefinition"])
    family, _, revision = tail(now).rpartition(":")
    if not family or not revision.isdigit():
        return ""
    told = bench.ask("ecs", "list_task_definitions", familyPrefix=family, status="ACTIVE", sort="DESC", maxResults=100)
    older = [tail(arn) for arn in told.get("taskDefinitionArns") or ()]
    return next((one for one in older if _revision(one, family) in range(1, int(revision))), "")


def _revision(name: str, family: str) -> int:
    found, _, revision = name.rpartition(":")
    return int(revision) if found == family and revision.isdigit() else 0


ACTION = Action(
    name="ecs.service",
    about="an ECS service: tasks, rollouts and what it says itself",
    given=ServiceGiven,
    look=look,
    reads=READS,
)
