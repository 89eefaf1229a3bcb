"""Celery as transport: what goes into a broker, what comes out, and what a broker that forgets everything costs."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot.errors import OpsbotError
from opsbot.executors import celery
from opsbot.model.run import Cause, Run
from tests.executors import brokers
from tests.executors.home import Home, by_the_clock, home

LONGEST = timedelta(minutes=10)


@pytest.fixture(scope="module")
def redis() -> Iterator[tuple[str, Any]]:
    with brokers.redis() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Home]:
    made = home(tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("broker", "address", "options"),
    [
        pytest.param(
            "redis://:secret@cache.example.org:6379/2", "redis://:secret@cache.example.org:6379/2",
            {"visibility_timeout": 660, "unacked_restore_interval": 10, "unacked_restore_throttle": 1}, id="redis",
        ),
        pytest.param("rediss://cache.example.org/0", "rediss://cache.example.org/0", {"visibility_timeout": 660}, id="redis, tls"),
        pytest.param("amqps://u:p@mq.example.org//", "amqps://u:p@mq.example.org//", {"confirm_publish": True}, id="rabbitmq"),
        pytest.param(
            "sqs://sqs.eu-west-1.amazonaws.com/123456789012/opsbot-runs", "sqs://sqs.eu-west-1.amazonaws.com//",
            {"predefined_queues": {"opsbot": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/opsbot-runs",
                                              "region": "eu-west-1"}}, "is_secure": True}, id="sqs",
        ),
    ],
)  # fmt: skip
def test_a_brokers_address_decides_how_it_is_spoken_to(broker: str, address: str, options: dict[str, object]) -> None:
    app = celery.application(broker, LONGEST)
    assert app.conf.broker_url == address
    assert app.conf.broker_transport_options.items() >= options.items()
    settled = {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1,
               "task_ignore_result": True, "accept_content": ["json"]}  # fmt: skip
    assert {name: app.conf[name] for name in settled} == settled


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        pytest.param("http://:secret@example.org", "expected an address that begins with redis://", id="http"),
        pytest.param("memory://", "expected an address that begins with redis://", id="in memory"),
        pytest.param("sqs://", "expected sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE", id="sqs without its queue"),
        pytest.param(
            "sqs://sqs.eu-west-1.amazonaws.com/opsbot", "expected sqs://sqs.REGION", id="sqs without its account"
        ),
    ],
)
def test_an_address_that_is_no_brokers_is_refused_without_being_shown(broker: str, told: str) -> None:
    with pytest.raises(OpsbotError, match=told) as raised:
        celery.application(broker, LONGEST)
    assert "secret" not in raised.value.message + raised.value.hint


def _messages(client: Any) -> list[dict[str, object]]:
    found = []
    for raw in client.lrange("opsbot", 0, -1):
        _, kwargs, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        found.append(kwargs)
    client.delete("opsbot")
    return found[::-1]


def test_due_runs_are_offered_once_and_again_when_nobody_took_them(house: Home, redis: tuple[str, Any]) -> None:
    address, client = redis
    now, seconds = by_the_clock(), [0.0]
    app = celery.application(address, LONGEST)
    offers = celery.Offers(app, house.store, lambda: now, clock=lambda: seconds[0])
    assert offers.dispatch({"tested"}) == 0
    first, second = house.due(now - timedelta(minutes=2)), house.due(now - timedelta(minutes=1), cause=Cause.CATCH_UP)
    offer = [{"run_id": run.id, "attempt": 1} for run in (first, second)]
    assert offers.dispatch({"another"}) == 0
    assert offers.dispatch({"tested"}) == 2
    assert _messages(client) == offer
    seconds[0] = celery.AGAIN.total_seconds() - 1
    assert offers.dispatch({"tested"}) == 0
    taken = house.claim(now)
    assert taken is not None
    assert taken.id == first.id
    # The broker has forgotten everything, and the other run is still there.
    seconds[0] = celery.AGAIN.total_seconds()
    assert offers.dispatch({"tested"}) == 1
    assert _messages(client) == offer[1:]
    app.close()


def test_a_retry_is_offered_as_its_next_attempt_and_not_before_its_time(house: Home, redis: tuple[str, Any]) -> None:
    from dataclasses import replace

    from opsbot.model.run import Attempt, RunState

    address, client = redis
    now = [by_the_clock()]
    app = celery.application(address, LONGEST)
    offers = celery.Offers(app, house.store, lambda: now[0])
    run = house.claimed(now[0])
    failed = Attempt(n=1, owner=run.owner, started_at=now[0], ended_at=now[0])
    house.store.ledger().end(replace(run, state=RunState.FAILED), failed, now[0] + timedelta(minutes=1))
    assert offers.dispatch({"tested"}) == 0
    now[0] += timedelta(minutes=1)
    assert offers.dispatch({"tested"}) == 1
    assert _messages(client) == [{"run_id": run.id, "attempt": 2}]
    app.close()


def test_a_broker_that_is_down_is_told_without_its_password(house: Home) -> None:
    now = by_the_clock()
    house.due(now)
    offers = celery.Offers(celery.application("redis://:hunter22@127.0.0.1:1/0", LONGEST), house.store, lambda: now)
    with pytest.raises(OpsbotError, match=r"the broker at redis://:\*\*@127.0.0.1:1/0 takes no message") as raised:
        offers.dispatch({"tested"})
    assert "hunter22" not in raised.value.message


@pytest.fixture(params=["redis", "sqs", "rabbitmq"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    match request.param:
        case "redis":
            yield request.getfixturevalue("redis")[0]
        case "sqs":
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                monkeypatch.setenv(name, "x")
            monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
            with brokers.sqs() as address:
                yield address
        case _:
            if not (address := brokers.rabbit()):
                pytest.skip("no RabbitMQ answers on 127.0.0.1:5672")
            yield address


@pytest.mark.filterwarnings("ignore:.* is deprecated; use:DeprecationWarning:kombu")
def test_what_a_daemon_offers_a_worker_takes(house: Home, broker: str) -> None:
    from celery.contrib.testing.worker import start_worker

    now = by_the_clock()
    runs: list[Run] = [house.due(now - timedelta(minutes=n), cause=Cause.CATCH_UP) for n in (3, 2, 1)]
    took: list[tuple[str, int]] = []
    all_of_them = threading.Event()

    def take(run_id: str, attempt: int) -> None:
        took.append((run_id, attempt))
        if len(took) == len(runs):
            all_of_them.set()

    app = celery.application(broker, LONGEST)
    celery.listen(app, take)
    # What others put into the queue moves nobody.
    for junk in ({}, {"run_id": 5, "attempt": 1}, {"run_id": "../etc", "attempt": 1}, {"run_id": "A", "attempt": "1"}):
        app.send_task(celery.TASK, kwargs=junk, queue=celery.QUEUE)
    assert celery.Offers(app, house.store, lambda: now).dispatch({"tested"}) == 3
    with start_worker(app, pool="threads", concurrency=1, perform_ping_check=False, shutdown_timeout=30.0):
        assert all_of_them.wait(30.0)
    assert took == [(run.id, 1) for run in runs]
    app.close()
