"""What nobody asks for any more goes, and nothing that still has to be told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from opsbot.model.message import Delivery
from opsbot.model.run import RunState
from opsbot.model.status import Status
from opsbot.model.timetable import Worker
from opsbot.ports import Artifact
from opsbot.store import tables as t
from opsbot.store.engine import reading
from opsbot.store.retention import Pruned
from opsbot.store.sql import SqlStore
from tests.contracts.test_store_contract import finding
from tests.outbox.world import START, message, run

LEASE = 60.0


def count(store: SqlStore, *names: str) -> dict[str, int]:
    with reading(store.engine) as db:
        return {
            name: db.execute(select(func.count()).select_from(t.metadata.tables[name])).scalar_one() for name in names
        }


def old_run(store: SqlStore, id: str, days: float, state: RunState = RunState.SUCCEEDED, **changes: object) -> None:
    at = START - timedelta(days=days)
    made = run(id, queued_at=at, started_at=at, at=at, state=RunState.RUNNING, job=id, **changes)
    store.begin(made)
    if state is not RunState.RUNNING:
        page = Artifact(run_id=id, format="html", body=b"<p>")
        store.commit(replace(made, state=state), (finding(Status.CRITICAL, id),), (), (page,))


def test_runs_go_with_all_that_belongs_to_them(store: SqlStore) -> None:
    old_run(store, "old", 401)
    old_run(store, "kept", 399)
    old_run(store, "at work", 401, RunState.RUNNING)
    old_run(store, "skipped", 91, RunState.SKIPPED)
    old_run(store, "skipped lately", 89, RunState.SKIPPED)
    assert store.prune(START) == Pruned(runs=2, messages=0, workers=0, statuses=1)
    assert {told.id for told in store.runs()} == {"kept", "at work", "skipped lately"}
    assert count(store, "finding", "artifact", "run_attempt") == {"finding": 2, "artifact": 2, "run_attempt": 3}
    assert store.history().statuses("old") == {}
    assert store.prune(START) == Pruned(runs=0, messages=0, workers=0, statuses=0)


def test_what_was_told_goes_and_what_was_not_stays(store: SqlStore) -> None:
    ends = {Delivery.SENT: 31, Delivery.UNKNOWN: 401, Delivery.DEAD: 401}
    kept = {Delivery.SENT: 29, Delivery.UNKNOWN: 399, Delivery.DEAD: 399, Delivery.QUEUED: 500, Delivery.HELD: 500}
    for place, (state, days) in enumerate([*ends.items(), *kept.items()]):
        made = START - timedelta(days=days)
        told = message(f"{state}-{days}", f"channel-{place}", created_at=made, run_id="none")
        store.commit(run(told.id, queued_at=made), (), (told,), ())
        claimed = store.claim(START, LEASE, run_id="none")
        assert claimed is not None
        store.settle(claimed, state, now=START, not_before=START + timedelta(days=1))
    assert store.prune(START).messages == 3
    assert {told.id for told in store.messages()} == {f"{state}-{days}" for state, days in kept.items()}
    assert count(store, "delivery_attempt") == {"delivery_attempt": len(kept)}


def test_a_run_stays_while_something_of_it_has_to_be_told(store: SqlStore) -> None:
    made = START - timedelta(days=401)
    store.commit(run("r1", queued_at=made), (), (message("m1", "slack", created_at=made, run_id="r1"),), ())
    assert store.prune(START) == Pruned(runs=0, messages=0, workers=0, statuses=0)
    claimed = store.claim(START, LEASE)
    assert claimed is not None
    store.settle(claimed, Delivery.SENT, now=START)
    assert store.prune(START) == Pruned(runs=1, messages=1, workers=0, statuses=0)


def test_the_beginning_of_a_thread_stays_until_its_replies_have_left(store: SqlStore) -> None:
    made = START - timedelta(days=31)
    first = message("m1", "slack", created_at=made, key="a")
    store.commit(run("r1"), (), (first, message("m2", "slack", created_at=made, key="b", reply_to="m1")), ())
    for kept in (["m1", "m2"], []):
        claimed = store.claim(START, LEASE)
        assert claimed is not None
        store.settle(claimed, Delivery.SENT, now=START, provider_id="C1/1.0")
        store.prune(START)
        assert [told.id for told in store.messages()] == kept


def test_many_rows_go_a_few_at_a_time_and_workers_are_forgotten(store: SqlStore) -> None:
    for n in range(60):
        old_run(store, f"r{n}", 401 + n)
    ledger = store.ledger()
    for id, days in (("gone", 8), ("here", 6)):
        at = START - timedelta(days=days)
        ledger.beat(Worker(id=id, host="box", pid=1, version="1", started_at=at, beat=at), {}, 30)
    assert store.prune(START) == Pruned(runs=60, messages=0, workers=1, statuses=60)
    assert [worker.id for worker in ledger.workers(START - timedelta(days=99))] == ["here"]
