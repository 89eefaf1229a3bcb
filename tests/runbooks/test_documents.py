"""What docs/runbooks.md says is so: its example is a runbook, and every action stands there with what it may ask."""

from __future__ import annotations

import re
from pathlib import Path

from opsbot.actions import ACTIONS, reads, writes
from opsbot.aws import policy
from opsbot.aws.actions import action_of
from opsbot.replica.server import Running
from opsbot.runbooks import lint
from tests.runbooks.stage import NOW, Stage
from tests.runbooks.test_looking import SHIPPED, shipped

PAGE = (Path(__file__).parents[2] / "docs" / "runbooks.md").read_text(encoding="utf-8")
NEEDS_NOTHING = {"sts:GetCallerIdentity", "sts:AssumeRole"}


def test_the_example_is_a_runbook_with_nothing_wrong() -> None:
    found = re.search(r"^````markdown\n(.*?)^````$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    read = lint.checked("no-tasks", found[1], "runbooks/no-tasks.md")
    assert ([str(one) for one in read.problems], [str(one) for one in lint.stale(read, NOW.date())]) == ([], [])
    assert [step.id for step in read.steps] == ["svc", "errors", "roll_back"]


def test_every_action_stands_there_on_its_side() -> None:
    looks, changes = (
        re.search(rf"^\| {side} \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL) for side in ("looks", "changes")
    )
    assert looks
    assert changes
    for name, action in ACTIONS.items():
        assert (f"`{name}`" in looks[0], f"`{name}`" in changes[0]) == (
            not action.changes_things,
            action.changes_things,
        )


def test_a_runbook_asks_nothing_that_its_policy_does_not_allow(stage: Stage, cloud: Running) -> None:
    """All calls of all shipped runbooks against the actions that `opsbot iam-policy --for runbooks` prints."""
    before = dict(cloud.stats()["calls"])
    used = set()
    for name, (place, _, resource) in SHIPPED.items():
        book = lint.checked(name, shipped(name), name).runbook
        given = {param.name: resource for param in book.params if resource and param.name in _FITS.get(place, ())}
        stage.run(shipped(name), place, **given)
        used |= {step.uses for step in book.steps}
    called = {action_of(_named(call)) for call, count in cloud.stats()["calls"].items() if count > before.get(call, 0)}
    assert called - NEEDS_NOTHING <= set(reads(used))


_FITS = {"unilux-prod": ("service",), "edt-prod": ("function",), "educaria-prod": ("balancer",), "gva-prod": ("domain",),
         "santillana-prod": ("database",)}  # fmt: skip


def _named(call: str) -> str:
    """The embedded AWS counts by botocore's names of services."""
    return call.replace("elbv2:", "elasticloadbalancing:")


def test_the_role_that_changes_may_do_that_and_nothing_else() -> None:
    told = {
        one["Sid"]: one
        for one in policy.remedying(writes(["ecs.scale", "ecs.set_task_definition", "alarms"]))["Statement"]
    }
    assert told["OpsbotRemediate"]["Action"] == ["ecs:UpdateService"]
    assert told["OpsbotPassRole"]["Condition"] == {"StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}}
    assert policy.remedying(writes(["alarms"]))["Statement"] == []
    looking = ("Describe", "Get", "List", "Lookup", "StartQuery", "StopQuery")
    assert all(one.split(":")[1].startswith(looking) for one in reads(ACTIONS))
