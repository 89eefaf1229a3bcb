"""Signing in: roles are refreshed before they expire, and nothing heavy is loaded before the first call."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from opsbot.aws import Aws
from opsbot.aws.session import utc
from opsbot.model.environment import Environment
from opsbot.replica.server import serve
from opsbot.replica.world import World

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def test_a_role_is_assumed_again_before_its_hour_is_over(
    world: World, signed_in: None, environments: dict[str, Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded AWS really lets sessions expire; its clock and ours move together."""
    environment, kinds = environments["edt-prod"], frozenset({"sqs-queue"})
    with time_machine.travel(START, tick=False) as travel, serve(world, now=lambda: datetime.now(UTC)) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        with Aws(secrets=lambda _: "opsbot-demo", attempts=1) as aws:
            roles = []
            for minutes in (0, 30, 55, 105, 165):
                travel.move_to(START + timedelta(minutes=minutes))
                [inventory] = aws.inventory([environment], kinds, frozenset(), START)
                assert inventory.gaps == ()
                assert inventory.resources
                roles.append(dict(aws.usage().calls)["sts:AssumeRole"])
    assert roles == [1, 1, 2, 3, 4]


def test_a_secret_is_resolved_from_its_reference_and_only_when_needed(
    cloud: Any, environments: dict[str, Environment], world: World
) -> None:
    asked: list[str] = []

    def secrets(reference: str) -> str:
        asked.append(reference)
        return "opsbot-demo"

    with Aws(secrets=secrets, attempts=1) as aws:
        list(aws.inventory(list(environments.values()), frozenset({"eks-cluster"}), frozenset(), START))
    with_id = [spec for spec in world.environments if spec.external_id]
    assert asked == ["env:EXTERNAL_ID"] * len(with_id)


def test_clients_are_shared_but_for_cloudwatch(cloud: Any, aws: Aws, environments: dict[str, Environment]) -> None:
    from opsbot.aws.session import Sessions

    sessions: Sessions = aws._sessions
    one, two = (sessions.open(environments[name]) for name in ("dhbw-prod", "edt-prod"))
    assert one.client("ecs", "eu-central-1") is two.client("ecs", "eu-central-1")
    assert one.client("cloudwatch", "eu-central-1") is not two.client("cloudwatch", "eu-central-1")


@pytest.mark.parametrize(
    "text",
    [1795158000, 1795158000.0, "2026-11-20T07:00:00Z", "2026-11-20T07:00:00.000Z", "2026-11-20T08:00:00+01:00",
     "Fri, 20 Nov 2026 07:00:00 GMT", "1795158000"],
)  # fmt: skip
def test_timestamps_are_utc(text: float | str) -> None:
    assert utc(text) == START
    assert utc(text).utcoffset() == timedelta(0)


def test_nothing_heavy_is_loaded_before_the_first_call() -> None:
    program = (
        "import sys, opsbot.aws, opsbot.aws.policy\n"
        "opsbot.aws.Aws().usage(); opsbot.aws.policy.actions(['ecs-service'], custom=True)\n"
        "print([name for name in ('boto3', 'botocore', 'pandas', 'orjson') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
