"""The printed IAM policies against what stories really called: the embedded AWS writes down every operation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Set
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsbot.actions import ACTIONS
from opsbot.aws import Aws
from opsbot.aws.actions import action_of
from opsbot.aws.inspecting import Hands
from opsbot.errors import CloudError
from opsbot.model.environment import Environment
from opsbot.replica import scenario
from opsbot.replica.server import Running, serve
from tests.runbooks.stage import ROLL_BACK
from tests.runbooks.test_run_command import opsbot

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
# STS answers everybody; the demo's own mail and files are no account's business.
NEEDS_NOTHING = {"sts:GetCallerIdentity", "sts:AssumeRole"}
_SERVICES = {
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "efs": "elasticfilesystem",
    "service-quotas": "servicequotas",
    "apigatewayv2": "apigateway",
    "s3control": "s3-control",
}


@pytest.fixture
def cloud() -> Iterator[Running]:
    with serve(scenario.load(scenario.SHIPPED, anchor=NOW), now=lambda: NOW) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, cloud: Running) -> Path:
    (tmp_path / "runbooks").mkdir()
    told = scenario.opsbot_config(scenario.load(scenario.SHIPPED, anchor=NOW))
    (tmp_path / "config.toml").write_text(told, encoding="utf-8")
    (tmp_path / "runbooks" / "roll-back.md").write_text(ROLL_BACK.replace("every: 15s", "every: 1s"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def signed_in(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The first environment that needs no external id."""
    told = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in {**told, "AWS_ENDPOINT_URL": cloud.url}.items():
        monkeypatch.setenv(name, value)
    world = scenario.load(scenario.SHIPPED, anchor=NOW)
    spec = next(one for one in world.environments if not one.external_id)
    role = f"arn:aws:iam::{spec.account}:role/opsbot"
    return Environment(name=spec.name, regions=spec.regions, account_id=spec.account, role_arn=role)


def switched_on(place: Path, job: str) -> None:
    """The policy is for what config.toml speaks of."""
    text = (place / "config.toml").read_text(encoding="utf-8")
    if f"[jobs.{job}]" not in text:
        (place / "config.toml").write_text(f"{text}\n[jobs.{job}]\n", encoding="utf-8")


def called(cloud: Running, before: dict[str, int]) -> set[str]:
    """IAM's names of what was called since."""
    new = [call for call, count in cloud.stats()["calls"].items() if count > before.get(call, 0)]
    told = {
        action_of(f"{_SERVICES.get(service, service)}:{name}") for service, _, name in (c.partition(":") for c in new)
    }
    return told - NEEDS_NOTHING


def allowed(place: Path, whom: str, url: str) -> set[str]:
    printed = opsbot(place, "iam-policy", "--for", whom, url=url)
    assert printed.code == 0, printed.err
    statements = json.loads(printed.out)["Statement"]
    return {action for one in statements for action in one["Action"]}


def within(calls: Set[str], policy: Set[str]) -> set[str]:
    """What was called and is not allowed."""
    assert calls, "nothing was called: the story is no story"
    return set(calls) - set(policy)


SOAK = pytest.mark.skipif(not os.environ.get("OPSBOT_SOAK"), reason="a minute of jobs: OPSBOT_SOAK=1")


@pytest.mark.parametrize(
    ("job", "environments"),
    [
        pytest.param("daily_health", ("dhbw-prod",), id="a customer"),
        pytest.param("daily_health", (), id="everybody", marks=SOAK),
        pytest.param("cost_anomalies", (), id="the bill", marks=SOAK),
        pytest.param("capacity_trends", (), id="forecasts", marks=SOAK),
    ],
)
def test_a_job_calls_nothing_that_the_reading_role_may_not(
    place: Path, cloud: Running, job: str, environments: tuple[str, ...]
) -> None:
    switched_on(place, job)
    before = dict(cloud.stats()["calls"])
    only = [word for name in environments for word in ("--env", name)]
    opsbot(place, "run", job, *only, "--at", "2026-11-20T07:00:00Z", url=cloud.url)
    assert within(called(cloud, before), allowed(place, "role", cloud.url)) == set()


def test_a_change_is_looked_at_by_one_role_and_made_by_the_other(place: Path, cloud: Running) -> None:
    before = dict(cloud.stats()["calls"])
    words = ("runbook", "run", "roll-back", "--env", "unilux-prod", "--resource", "quiz-api")
    assert opsbot(place, *words, url=cloud.url).code == 0
    looking, changing = (allowed(place, whom, cloud.url) for whom in ("runbooks", "remediation"))
    looked = called(cloud, before)
    assert within(looked, looking) == set()
    assert looked.isdisjoint(changing)
    middle = dict(cloud.stats()["calls"])
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    assert opsbot(place, "runbook", "apply", "R-1", url=cloud.url).code == 0
    applied = called(cloud, middle)
    assert within(applied, looking | changing) == set()
    assert applied - looking == {"ecs:UpdateService"}


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        pytest.param("continue_update_rollback", "state and can not be rolled back", id="ContinueUpdateRollback"),
        pytest.param("rollback_stack", "state and can not be rolled back", id="RollbackStack"),
    ],
)
def test_a_stack_that_has_moved_on_is_not_taken_back(signed_in: Environment, operation: str, told: str) -> None:
    """The plan was made in a state from which this call leads back; by now the stack is in another."""
    with Aws() as aws:
        page = aws.ask(signed_in, signed_in.home_region, "cloudformation", "describe_stacks")
        stack = next(one["StackName"] for one in page["Stacks"] if one["StackStatus"].endswith("_COMPLETE"))
        assert aws.ask(signed_in, signed_in.home_region, "cloudformation", "describe_stack_events", StackName=stack)
    with pytest.raises(CloudError) as refused:
        Hands().act(signed_in, signed_in.home_region, "cloudformation", operation, StackName=stack)
    assert told in f"{refused.value.message} {refused.value.__cause__}"


def test_a_query_can_be_stopped_by_a_runbook(signed_in: Environment) -> None:
    with Aws() as aws, pytest.raises(CloudError) as refused:
        aws.ask(signed_in, signed_in.home_region, "logs", "stop_query", queryId="00000000-0000-0000-0000-000000000000")
    assert "logs:StopQuery" in refused.value.message


def test_the_two_roles_share_nothing() -> None:
    for action in ACTIONS.values():
        changes = set(action.change.writes if action.change else ())
        assert changes.isdisjoint({one for other in ACTIONS.values() for one in other.reads})
