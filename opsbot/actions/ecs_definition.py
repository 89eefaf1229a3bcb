"""`ecs.set_task_definition`: roll a service back to the task definition it had before, or to one that is named."""

from __future__ import annotations

from pydantic import Field

from opsbot.actions import ecs_redeploy, ecs_service
from opsbot.actions.action import Act, Action, Change, Intent
from opsbot.actions.ecs_service import ServiceGiven
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt

PREVIOUS = "previous"


class DefinitionGiven(ServiceGiven):
    """`to` is `previous` or a family and revision such as `quiz-api:41`."""

    to: str = Field(default=PREVIOUS, pattern=rf"^({PREVIOUS}|[A-Za-z0-9_-]+:[0-9]{{1,9}})$", max_length=265)


def intend(given: DefinitionGiven, seen: Answer) -> Intent:
    cluster, now = seen.values["cluster"], str(seen.values["task_definition"])
    wanted = _wanted(given, seen)
    return Intent(
        calls=f"ecs:UpdateService {cluster}/{given.service} taskDefinition={wanted or '?'}",
        before=ecs_redeploy.told(seen),
        after=(("task definition", wanted or "none"), ("deployment", "a new one")),
        key=f"ecs/{cluster}/{given.service}",
        undo="ecs.set_task_definition",
        undo_given={"cluster": cluster, "service": given.service, "to": now},
        undo_says=f"back to {now}",
        refused=_refused(wanted, now),
    )


def _wanted(given: DefinitionGiven, seen: Answer) -> str:
    return str(seen.values["previous"]) if given.to == PREVIOUS else given.to


def _refused(wanted: str, now: str) -> str:
    if not wanted:
        return "there is no earlier task definition to go back to"
    return f"it runs {now} already" if wanted == now else ""


def apply(given: DefinitionGiven, before: Answer, act: Act, token: str) -> Receipt:
    return act(
        "ecs", "update_service", cluster=before.values["cluster"], service=given.service,
        taskDefinition=_wanted(given, before),
    )  # fmt: skip


def reached(given: DefinitionGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["task_definition"] == _wanted(given, before))


ACTION = Action(
    name="ecs.set_task_definition",
    about="roll a service back to the task definition it had before",
    given=DefinitionGiven,
    look=ecs_service.look,
    reads=ecs_service.READS,
    change=Change(intend=intend, apply=apply, reached=reached, writes=("ecs:UpdateService", "iam:PassRole")),
)
