"""`ecs.force_new_deployment`: start all tasks of a service anew, of the same task definition."""

from __future__ import annotations

from opsbot.actions import ecs_service
from opsbot.actions.action import Act, Action, Change, Intent
from opsbot.actions.ecs_service import ServiceGiven
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt


def intend(given: ServiceGiven, seen: Answer) -> Intent:
    """Refused while a rollout is under way: a second one on top would hide what the first one does."""
    cluster, rollout = seen.values["cluster"], seen.values["rollout"]
    return Intent(
        calls=f"ecs:UpdateService {cluster}/{given.service} forceNewDeployment",
        before=told(seen),
        after=(("deployment", "a new one"), ("task definition", str(seen.values["task_definition"]))),
        key=f"ecs/{cluster}/{given.service}",
        undo_says="nothing to undo: the same tasks are started again",
        refused="a rollout is in progress: look at it first, or roll it back" if rollout == "IN_PROGRESS" else "",
    )


def told(seen: Answer) -> tuple[tuple[str, str], ...]:
    """What of a service must be as it was planned when a change is carried out."""
    names = (("deployment", "deployment"), ("task definition", "task_definition"), ("desired tasks", "desired"))
    return tuple((word, str(seen.values[name])) for word, name in names)


def apply(given: ServiceGiven, before: Answer, act: Act, token: str) -> Receipt:
    return act(
        "ecs", "update_service", cluster=before.values["cluster"], service=given.service, forceNewDeployment=True
    )


def reached(given: ServiceGiven, before: Answer, now: Answer) -> bool | None:
    """A service that has another deployment has taken the call."""
    return bool(before.values["deployment"] != now.values["deployment"])


ACTION = Action(
    name="ecs.force_new_deployment",
    about="start all tasks of a service anew",
    given=ServiceGiven,
    look=ecs_service.look,
    reads=ecs_service.READS,
    change=Change(intend=intend, apply=apply, reached=reached, writes=("ecs:UpdateService",)),
)
