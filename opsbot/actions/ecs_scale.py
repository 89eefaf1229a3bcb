"""`ecs.scale`: another number of tasks for a service."""

from __future__ import annotations

from pydantic import Field

from opsbot.actions import ecs_redeploy, ecs_service
from opsbot.actions.action import Act, Action, Change, Intent
from opsbot.actions.ecs_service import ServiceGiven
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


class ScaleGiven(ServiceGiven):
    """`desired` is how many tasks there shall be."""

    desired: int = Field(ge=0, le=1000)


def intend(given: ScaleGiven, seen: Answer) -> Intent:
    cluster, now = seen.values["cluster"], seen.values["desired"]
    return Intent(
        calls=f"ecs:UpdateService {cluster}/{given.service} desiredCount={given.desired}",
        before=ecs_redeploy.told(seen),
        after=(("desired tasks", str(given.desired)),),
        key=f"ecs/{cluster}/{given.service}",
        undo="ecs.scale",
        undo_given={"cluster": cluster, "service": given.service, "desired": now},
        undo_says=f"back to {now} tasks",
        refused=f"it has {now} tasks already" if now == given.desired else "",
    )


def apply(given: ScaleGiven, before: Answer, act: Act, token: str) -> Receipt:
    cluster = before.values["cluster"]
    return act("ecs", "update_service", cluster=cluster, service=given.service, desiredCount=given.desired)


def reached(given: ScaleGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["desired"] == given.desired)


ACTION = Action(
    name="ecs.scale",
    about="another number of tasks for a service",
    given=ScaleGiven,
    look=ecs_service.look,
    reads=ecs_service.READS,
    change=Change(intend=intend, apply=apply, reached=reached, writes=("ecs:UpdateService",)),
)
