"""What every Store promises, on every database of `conftest.store`."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.errors import StoreError
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery, Message
from opsbot.model.run import RunState, Usage
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.ports import Artifact
from opsbot.store import open_store
from opsbot.store.sql import SqlStore
from tests.outbox.world import START, fresh, message, queue, run

MINUTE = timedelta(minutes=1)
LEASE = 60.0


def finding(status: Status, resource: str = "backend") -> Finding:
    told = {"check": "ecs-cpu", "environment": "dhbw-prod", "title": "ECS CPU", "area": "ecs", "summary": "CPU 93 %"}
    return Finding(resource=resource, status=status, at=START, unit=Unit.PERCENT, value=93.1, **told)


def states(store: SqlStore) -> dict[str, Delivery]:
    return {told.id: told.state for told in store.messages()}


def test_a_run_comes_back_as_it_was_committed(store: SqlStore) -> None:
    usage = Usage(calls=(("cloudwatch:GetMetricData", 3),), metrics=1240, datapoints=99, usd=0.0124, throttled=1)
    begun = run(state=RunState.RUNNING, scheduled_for=START)
    ended = replace(
        begun, state=RunState.SUCCEEDED, finished_at=START + MINUTE, verdict="action", headline="2 of 8", usage=usage
    )
    store.begin(begun)
    assert store.run("run-1") == begun
    store.commit(ended, (), (), ())
    assert store.runs() == (ended,)


def test_only_what_is_not_ok_is_kept_and_the_rest_is_counted(store: SqlStore) -> None:
    bad = finding(Status.CRITICAL)
    store.commit(run(), (bad, finding(Status.OK, "a"), finding(Status.OK, "b")), (), ())
    assert store.findings("run-1") == (bad,)
    assert store.ok_findings("run-1") == 2


def test_two_runs_of_one_fire_time_are_refused_and_runs_by_hand_are_not(store: SqlStore) -> None:
    store.begin(run("a", scheduled_for=START))
    store.begin(run("b"))
    store.begin(run("c"))
    with pytest.raises(StoreError, match="already holds"):
        store.begin(run("d", scheduled_for=START))


def test_a_commit_that_fails_half_way_leaves_nothing(store: SqlStore) -> None:
    queue(store, message("m1", "slack"))
    with pytest.raises(StoreError):
        store.commit(run("run-2"), (finding(Status.CRITICAL),), (message("new", "slack"), message("m1", "slack")), ())
    assert [told.id for told in store.messages()] == ["m1"]
    assert (store.run("run-2"), store.findings("run-2"), store.history().statuses("daily_health")) == (None, (), {})


def test_a_run_is_found_by_an_unambiguous_beginning(store: SqlStore) -> None:
    for id in ("ab1", "ab2", "ab", "c_1"):
        store.begin(run(id))
    found = {words: told and told.id for words in ("ab1", "ab", "c", "_", "%", "") for told in [store.run(words)]}
    assert found == {"ab1": "ab1", "ab": "ab", "c": "c_1", "_": None, "%": None, "": None}
    with pytest.raises(StoreError, match="several runs begin with 'a': ab, ab1, ab2"):
        store.run("a")


def test_runs_are_newest_first_and_by_job(store: SqlStore) -> None:
    for n, job in enumerate(("health", "costs", "health")):
        store.begin(run(f"r{n}", job=job, queued_at=START + n * MINUTE, started_at=START + n * MINUTE))
    assert [told.id for told in store.runs()] == ["r2", "r1", "r0"]
    assert [told.id for told in store.runs(job="health", limit=1)] == ["r2"]


def test_artifacts_come_back_byte_by_byte(store: SqlStore) -> None:
    kept = tuple(Artifact(run_id="run-1", format=format_, body=bytes(range(256)) * 50) for format_ in ("html", "text"))
    store.commit(run(), (), (), kept)
    assert store.artifacts("run-1") == kept


def test_history_knows_the_last_status_of_what_is_not_ok(store: SqlStore) -> None:
    store.commit(
        run("r1"), (finding(Status.CRITICAL, "a"), finding(Status.WARNING, "b"), finding(Status.OK, "c")), (), ()
    )
    store.commit(
        run("r2"), (finding(Status.OK, "a"), finding(Status.UNKNOWN, "c"), finding(Status.UNKNOWN, "c")), (), ()
    )
    assert store.history().statuses("daily_health") == {
        "dhbw-prod/ecs-cpu/b": Status.WARNING,
        "dhbw-prod/ecs-cpu/c": Status.UNKNOWN,
    }
    assert store.history().statuses("other") == {}


def test_a_message_is_claimed_once_and_settled(store: SqlStore) -> None:
    queue(store, message("m1", "slack"))
    claimed = store.claim(START, LEASE)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.attempts) == ("m1", Delivery.SENDING, 1)
    assert store.claim(START, LEASE) is None
    store.settle(claimed, Delivery.SENT, now=START, provider_id="C1/1.0")
    told = store.message("m1")
    assert told == replace(message("m1", "slack"), state=Delivery.SENT, attempts=1, provider_id="C1/1.0")


def test_a_lease_that_ran_out_comes_back_with_its_attempt_counted(store: SqlStore) -> None:
    queue(store, message("m1", "slack"))
    store.claim(START, LEASE)
    assert store.claim(START + timedelta(seconds=59), LEASE) is None
    again = store.claim(START + timedelta(seconds=60), LEASE)
    assert again is not None
    assert again.attempts == 2


def test_who_lost_the_lease_changes_nothing_but_that_it_was_sent(store: SqlStore) -> None:
    queue(store, message("m1", "slack"))
    stale = _claimed(store, 0)
    holder = _claimed(store, 2)
    store.settle(stale, Delivery.DEAD, now=START, error="too late", also=(message("notice", "email"),))
    assert states(store) == {"m1": Delivery.SENDING}
    store.settle(stale, Delivery.SENT, now=START, provider_id="C1/1.0")
    store.settle(holder, Delivery.QUEUED, now=START, error="reset")
    assert store.messages()[0].provider_id == "C1/1.0"
    assert states(store) == {"m1": Delivery.SENT}


def _claimed(store: SqlStore, minutes: int) -> Message:
    claimed = store.claim(START + minutes * MINUTE, LEASE)
    assert claimed is not None
    return claimed


def test_a_message_to_be_tried_later_is_not_claimed_before(store: SqlStore) -> None:
    queue(store, message("m1", "slack"))
    store.settle(_claimed(store, 0), Delivery.QUEUED, now=START, error="reset", not_before=START + MINUTE)
    assert (store.messages()[0].error, store.messages()[0].not_before) == ("reset", START + MINUTE)
    assert store.claim(START + 0.99 * MINUTE, LEASE) is None
    assert _claimed(store, 1).attempts == 2


def test_a_channel_that_asks_to_wait_is_left_alone_by_every_sender(store: SqlStore) -> None:
    queue(store, message("m1", "slack"), message("m2", "slack"), message("m3", "email"))
    later = START + MINUTE
    store.settle(_claimed(store, 0), Delivery.QUEUED, now=START, error="429", not_before=later, hold_channel=True)
    assert _claimed(store, 0).id == "m3"
    assert store.claim(START, LEASE) is None
    assert [_claimed(store, 1).id for _ in range(2)] == ["m1", "m2"]


def test_one_line_leaves_in_order_and_does_not_hold_up_another(store: SqlStore) -> None:
    first, second = (message(f"m{n}", "slack", key="health", reply_to="gone") for n in (1, 2))
    queue(store, first, second, message("m3", "slack", key="costs"), message("m4", "email", key="health"))
    assert [_claimed(store, 0).id for _ in range(3)] == ["m1", "m3", "m4"]
    assert store.claim(START, LEASE) is None


@pytest.mark.parametrize(
    ("parent_ends", "reply_leaves"),
    [
        pytest.param(Delivery.SENT, True, id="in its thread"),
        pytest.param(Delivery.DEAD, True, id="alone when its parent died"),
        pytest.param(Delivery.UNKNOWN, True, id="alone when nobody knows"),
        pytest.param(Delivery.QUEUED, False, id="not before its parent"),
    ],
)
def test_a_reply_waits_for_its_parent(store: SqlStore, parent_ends: Delivery, reply_leaves: bool) -> None:
    queue(store, message("m1", "slack", key="a"), message("m2", "slack", key="b", reply_to="m1"))
    parent = _claimed(store, 0)
    assert store.claim(START, LEASE) is None
    store.settle(parent, parent_ends, now=START, error="so it went", not_before=START + MINUTE)
    reply = store.claim(START, LEASE)
    assert (reply is not None and reply.id == "m2") is reply_leaves


def test_what_is_newer_supersedes_what_has_not_left(store: SqlStore) -> None:
    queue(
        store,
        message("m1", "slack", key="a"),
        message("m2", "slack", key="a", reply_to="m1"),
        message("m3", "email", key="a"),
    )
    queue(store, message("m4", "slack", key="a"), message("m5", "slack", key="a", reply_to="m4"), run_id="run-2")
    gone, waiting = Delivery.SUPERSEDED, Delivery.QUEUED
    assert states(store) == {"m1": gone, "m2": gone, "m3": waiting, "m4": waiting, "m5": waiting}


def test_a_reply_supersedes_nothing_and_what_is_under_way_is_left_alone(store: SqlStore) -> None:
    queue(store, message("m1", "slack", key="a"))
    queue(store, message("m2", "slack", key="a", reply_to="m1"), run_id="run-2")
    under_way = _claimed(store, 0)
    queue(store, message("m3", "slack", key="a"), run_id="run-3")
    assert under_way.id == "m1"
    assert states(store) == {"m1": Delivery.SENDING, "m2": Delivery.QUEUED, "m3": Delivery.QUEUED}


def test_claims_and_lists_can_be_narrowed(store: SqlStore) -> None:
    queue(store, message("m1", "slack"))
    queue(store, message("m2", "slack", run_id="run-2"), run_id="run-2")
    claimed = store.claim(START, LEASE, run_id="run-2")
    assert claimed is not None
    assert claimed.id == "m2"
    assert store.claim(START, LEASE, without={"slack", "email"}) is None
    assert [told.id for told in store.messages(run_id="run-2")] == ["m2"]
    assert [told.id for told in store.messages(states=(Delivery.QUEUED, Delivery.DEAD))] == ["m1"]


def test_many_senders_claim_each_message_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/opsbot.db"
    shared = fresh(tmp_path / "opsbot.db")
    queue(shared, *(message(f"m{n}", "slack") for n in range(60)))
    claimed: list[str] = []

    def work() -> None:
        mine = open_store(url)
        while (told := mine.claim(START, LEASE)) is not None:
            claimed.append(told.id)
            mine.settle(told, Delivery.SENT, now=START)
        mine.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed) == sorted(f"m{n}" for n in range(60))
    assert set(states(shared).values()) == {Delivery.SENT}
    shared.close()
