"""One embedded AWS for all of these tests, put back as it was before each; signed in by the environment alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opsbot.aws import Aws
from opsbot.aws.inspecting import Hands
from opsbot.replica import scenario
from opsbot.replica.doings import Doings
from opsbot.replica.server import Running, serve
from opsbot.replica.world import World
from tests.outbox.world import fresh
from tests.runbooks.stage import NOW, Stage


@pytest.fixture(scope="session")
def world() -> World:
    return scenario.load(scenario.SHIPPED, anchor=NOW)


@pytest.fixture(scope="session")
def replica(world: World) -> Iterator[Running]:
    with serve(world, now=lambda: NOW) as running:
        yield running


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with Aws(secrets=lambda _: "opsbot-demo", attempts=2) as aws:
        yield aws


@pytest.fixture(scope="session")
def hands() -> Hands:
    """One for all: signing in costs a test more than what it is signed in for."""
    return Hands(lambda _: "opsbot-demo")


@pytest.fixture
def cloud(replica: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The embedded AWS as nobody has changed it; an operation that it does not know fails the test."""
    replica.state.doings = Doings()
    told = {
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }
    for name, value in {**told, "AWS_ENDPOINT_URL": replica.url}.items():
        monkeypatch.setenv(name, value)
    yield replica
    replica.state.faults.clear()
    assert replica.unknown == []


@pytest.fixture
def stage(world: World, cloud: Running, aws: Aws, hands: Hands) -> Iterator[Stage]:
    store = fresh()
    yield Stage(world=world, store=store, aws=aws, hands=hands)
    store.close()
