"""What every Ledger promises, on every database of `conftest.store`: each run once, one holder, nothing forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from opsbot.errors import Fenced, StoreError
from opsbot.model.run import Attempt, Cause, Run, RunState
from opsbot.model.status import Status
from opsbot.model.timetable import Clockwork, Overlap, Worker
from opsbot.ports import Artifact, Ledger
from opsbot.store.engine import at_once
from opsbot.store.sql import SqlStore
from tests.contracts.test_store_contract import finding
from tests.outbox.world import START, message

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
LEASE = 30.0
JOB = "daily_health"
OVERLAPS = {JOB: Overlap.SKIP, "costs": Overlap.SKIP}


@pytest.fixture
def ledger(store: SqlStore) -> Ledger:
    return store.ledger()


def fire(minutes: float = 0, job: str = JOB, **changes: object) -> Run:
    """A run as a schedule makes it."""
    at = START + minutes * MINUTE
    told: dict[str, object] = {"queued_at": at, "at": at, "scheduled_for": at, "state": RunState.QUEUED, "attempt": 0}
    told |= {"id": f"{job}-{minutes:g}", "cause": Cause.SCHEDULE}
    return Run(job=job, **told | changes)  # type: ignore[arg-type]


def by_hand(id: str = "hand", **changes: object) -> Run:
    told: dict[str, object] = {"job": JOB, "queued_at": START, "at": START, "state": RunState.QUEUED}
    return Run(id=id, **told | changes)  # type: ignore[arg-type]


def clockwork(minutes: float = 0, cron: str = "0 7 * * *", job: str = JOB) -> Clockwork:
    return Clockwork(job=job, cursor=START + minutes * MINUTE, cron=cron)


def worker(id: str = "a", minutes: float = 0, **changes: object) -> Worker:
    told: dict[str, object] = {"host": "box", "pid": 7, "version": "1.0", "started_at": START}
    return Worker(id=id, beat=START + minutes * MINUTE, **told | changes)  # type: ignore[arg-type]


def attempt(n: int = 1, minutes: float = 1, owner: str = "a", **used: object) -> Attempt:
    return Attempt(n=n, owner=owner, started_at=START, ended_at=START + minutes * MINUTE, **used)  # type: ignore[arg-type]


def claim(ledger: Ledger, minutes: float = 0, worker: str = "a", rule: Overlap = Overlap.SKIP, **which: object) -> Run:
    found = ledger.claim(worker, START + minutes * MINUTE, LEASE, {JOB: rule, "costs": rule}, **which)  # type: ignore[arg-type]
    assert found is not None
    return found


def nothing(ledger: Ledger, minutes: float = 0, rule: Overlap = Overlap.SKIP) -> bool:
    return ledger.claim("b", START + minutes * MINUTE, LEASE, {JOB: rule}) is None


def ended(run: Run, state: RunState = RunState.SUCCEEDED, **changes: object) -> Run:
    return replace(run, state=state, finished_at=START + MINUTE, **changes)  # type: ignore[arg-type]


def the(store: SqlStore, id: str) -> Run:
    found = store.run(id)
    assert found is not None
    return found


def states(store: SqlStore) -> dict[str, str]:
    return {run.id: str(run.state) for run in store.runs()}


def test_a_fire_becomes_one_row_however_often_it_is_planned(store: SqlStore, ledger: Ledger) -> None:
    skipped = fire(1, state=RunState.SKIPPED, reason="paused by Ada")
    assert ledger.plan(clockwork(1), (fire(0), skipped)) == (fire(0), skipped)
    assert ledger.plan(clockwork(2), (replace(fire(0), id="from-a-peer"), skipped, fire(2))) == (fire(2),)
    assert states(store) == {f"{JOB}-0": "queued", f"{JOB}-1": "skipped", f"{JOB}-2": "queued"}
    assert the(store, skipped.id) == skipped


@pytest.mark.parametrize(
    ("to", "stands"),
    [
        pytest.param(10, 10, id="on"),
        pytest.param(-10, 0, id="not back to where a slower peer stands"),
        pytest.param(-180, -180, id="back from a future that a wrong clock had made"),
    ],
)
def test_a_cursor_moves(ledger: Ledger, to: float, stands: float) -> None:
    ledger.plan(clockwork(0), ())
    ledger.plan(clockwork(to, "5 * * * *"), ())
    assert ledger.clockworks() == {JOB: clockwork(stands, "5 * * * *")}


def test_planning_leaves_a_pause_alone_and_a_pause_the_cursor(ledger: Ledger) -> None:
    until = START + 60 * MINUTE
    ledger.pause(JOB, until, "Ada", "moving house", START)
    ledger.plan(clockwork(1), ())
    ledger.pause(JOB, until, "Ada", "moving house", START)
    told = Clockwork(
        job=JOB,
        cursor=START + MINUTE,
        cron="0 7 * * *",
        paused_until=until,
        paused_by="Ada",
        pause_reason="moving house",
    )
    assert ledger.clockworks() == {JOB: told}


def test_a_resumed_job_was_paused_until_then(ledger: Ledger) -> None:
    ledger.pause(JOB, None, "Ada", "", START)
    assert ledger.clockworks() == {}
    ledger.pause(JOB, START + 60 * MINUTE, "Ada", "moving house", START)
    ledger.pause(JOB, None, "Bob", "", START + MINUTE)
    ledger.pause(JOB, None, "Eve", "", START + 2 * MINUTE)
    told = ledger.clockworks()[JOB]
    assert (told.paused_until, told.paused_by, told.pause_reason) == (START + MINUTE, "Ada", "moving house")


def test_a_claim_begins_the_oldest_due_run_of_the_jobs_named(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(
        clockwork(5), (fire(5), fire(-1, job="costs"), fire(-2, job="gone"), fire(3, not_before=START + 9 * MINUTE))
    )
    begun = claim(ledger, 5, rule=Overlap.ALLOW)
    now = START + 5 * MINUTE
    wanted = replace(
        fire(-1, job="costs"),
        state=RunState.RUNNING,
        attempt=1,
        owner="a",
        started_at=now,
        lease_until=now + 30 * SECOND,
    )
    assert begun == wanted == the(store, begun.id)
    assert ledger.attempts(begun.id) == (Attempt(n=1, owner="a", started_at=now),)
    assert claim(ledger, 5, rule=Overlap.ALLOW).id == f"{JOB}-5"
    assert nothing(ledger, 8.9, Overlap.ALLOW)
    assert claim(ledger, 9, rule=Overlap.ALLOW).id == f"{JOB}-3"


def test_a_run_by_hand_is_queued_for_a_daemon_whatever_attempt_it_names(store: SqlStore, ledger: Ledger) -> None:
    ledger.add(by_hand(attempt=1))
    assert claim(ledger).attempt == 1
    with pytest.raises(StoreError, match="already holds"):
        ledger.add(by_hand())


@pytest.mark.parametrize(
    ("which", "taken"),
    [
        pytest.param({"run_id": f"{JOB}-0", "attempt": 1}, True, id="the attempt to be made"),
        pytest.param({"run_id": f"{JOB}-0"}, True, id="whatever attempt is next"),
        pytest.param({"run_id": f"{JOB}-0", "attempt": 2}, False, id="a stale message of the queue"),
        pytest.param({"run_id": f"{JOB}-1", "attempt": 1}, True, id="a run that is not the oldest"),
        pytest.param({"run_id": "unknown", "attempt": 1}, False, id="a run that is gone"),
    ],
)
def test_a_task_queue_asks_for_one_run(ledger: Ledger, which: dict[str, object], taken: bool) -> None:
    ledger.plan(clockwork(1), (fire(0), fire(1)))
    found = ledger.claim("a", START + MINUTE, LEASE, OVERLAPS, **which)  # type: ignore[arg-type]
    assert (found is not None) is taken
    assert ledger.claim("a", START + MINUTE, LEASE, OVERLAPS, **which) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "first", "second", "told"),
    [
        pytest.param(Overlap.SKIP, "running", "skipped", {}, id="skip"),
        pytest.param(Overlap.QUEUE, "running", "queued", {}, id="queue"),
        pytest.param(Overlap.CANCEL, "running", "queued", {f"{JOB}-0": "the fire of"}, id="cancel"),
        pytest.param(Overlap.ALLOW, "running", "running", {}, id="allow"),
    ],
)
def test_a_fire_meets_a_run_at_work(
    store: SqlStore, ledger: Ledger, rule: Overlap, first: str, second: str, told: dict[str, str]
) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    claim(ledger, rule=rule)
    ledger.plan(clockwork(1), (fire(1),))
    ledger.claim("b", START + MINUTE, LEASE, {JOB: rule})
    assert states(store) == {f"{JOB}-0": first, f"{JOB}-1": second}
    endings = ledger.beat(worker(minutes=1), {f"{JOB}-0": 1}, LEASE)
    assert {id: why[: len("the fire of")] for id, why in endings.items()} == told
    assert ("still at work" in the(store, f"{JOB}-1").reason) is (rule is Overlap.SKIP)


def test_a_cancelled_predecessor_makes_room(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    first = claim(ledger, rule=Overlap.CANCEL)
    ledger.plan(clockwork(1), (fire(1),))
    assert nothing(ledger, 1, Overlap.CANCEL)
    why = ledger.beat(worker(minutes=1), {first.id: 1}, LEASE)[first.id]
    assert ledger.end(ended(first, RunState.CANCELLED, reason=why), attempt())
    assert claim(ledger, 1, rule=Overlap.CANCEL).id == f"{JOB}-1"
    assert (the(store, first.id).state, the(store, first.id).reason) == (RunState.CANCELLED, why)


def test_a_beat_renews_leases_and_is_remembered(ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    claim(ledger)
    assert ledger.beat(worker(minutes=0.4), {f"{JOB}-0": 1}, LEASE) == {}
    assert ledger.expired(START + 0.8 * MINUTE) == ()
    assert [run.id for run in ledger.expired(START + 0.9 * MINUTE)] == [f"{JOB}-0"]
    ledger.beat(worker("b", 2, draining=True), {}, LEASE)
    assert ledger.workers(START) == (worker(minutes=0.4), worker("b", 2, draining=True))
    assert ledger.workers(START + MINUTE) == (worker("b", 2, draining=True),)


def test_a_worker_that_stood_still_learns_what_it_lost(store: SqlStore, ledger: Ledger) -> None:
    names = ("lost", "retried", "taken", "ended", "kept")
    ledger.plan(clockwork(0), tuple(fire(n, id=name) for n, name in enumerate(names)))
    held = {name: claim(ledger, 9, rule=Overlap.ALLOW, run_id=name, attempt=1) for name in names}
    for name in ("lost", "retried", "taken"):
        again = None if name == "lost" else START + 20 * MINUTE
        assert ledger.end(ended(held[name], RunState.LOST), attempt(minutes=10), again)
    claim(ledger, 20, worker="b", rule=Overlap.ALLOW, run_id="taken", attempt=2)
    store.commit(ended(held["ended"]), (), (), ())
    told = ledger.beat(worker(minutes=20), dict.fromkeys((*names, "pruned"), 1), LEASE)
    assert told == {
        "lost": "it was given up as lost",
        "retried": "it was given up as lost",
        "taken": "b has it now",
        "pruned": "the ledger does not know it any more",
    }


def test_a_run_may_be_committed_by_its_holder_alone(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    first = claim(ledger)
    assert ledger.end(ended(first, RunState.LOST), attempt(), again=START + MINUTE)
    waits = the(store, first.id)
    assert (waits.state, waits.attempt, waits.not_before) == (RunState.QUEUED, 1, START + MINUTE)
    told = (finding(Status.CRITICAL),)
    with pytest.raises(Fenced, match="expected to end attempt 1, found it queued at attempt 1"):
        store.commit(ended(first), told, (message("m1", "slack"),), ())
    second = claim(ledger, 1, worker="b")
    with pytest.raises(Fenced, match="found it running at attempt 2"):
        store.commit(ended(first), told, (message("m1", "slack"),), ())
    assert (store.findings(first.id), store.messages(), store.history().statuses(JOB)) == ((), (), {})
    store.commit(ended(second), told, (message("m2", "slack"),), ())
    with pytest.raises(Fenced, match="found it succeeded"):
        store.commit(ended(second), told, (), ())
    assert [kept.id for kept in store.messages()] == ["m2"]
    assert [(tried.outcome, tried.owner) for tried in ledger.attempts(first.id)] == [
        ("retried", "a"),
        ("succeeded", "b"),
    ]


def test_what_a_later_attempt_finds_replaces_what_a_failed_one_told(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    for n, told in ((1, "a"), (2, "b")):
        run = claim(ledger, n)
        page = Artifact(run_id=run.id, format="html", body=told.encode())
        store.commit(ended(run, RunState.FAILED), (finding(Status.CRITICAL, told),), (), (page,))
        assert ledger.end(ended(run, RunState.FAILED), attempt(n), again=START + MINUTE)
    assert [kept.resource for kept in store.findings(run.id)] == ["b"]
    assert [kept.body for kept in store.artifacts(run.id)] == [b"b"]


@pytest.mark.parametrize(
    ("committed", "again", "stands", "outcome"),
    [
        pytest.param(None, None, "timed_out", "timed_out", id="one that told nothing ends as its worker says"),
        pytest.param(None, 5, "queued", "retried", id="or is tried again"),
        pytest.param(RunState.SUCCEEDED, None, "succeeded", "succeeded", id="what it committed stays"),
        pytest.param(RunState.SUCCEEDED, 5, "succeeded", "succeeded", id="and is not repeated"),
        pytest.param(RunState.FAILED, None, "failed", "failed", id="also that it failed"),
        pytest.param(RunState.FAILED, 5, "queued", "retried", id="which may be tried again"),
    ],
)
def test_an_attempt_ends(
    store: SqlStore, ledger: Ledger, committed: RunState | None, again: float | None, stands: str, outcome: str
) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    run = claim(ledger)
    if committed:
        store.commit(ended(run, committed, headline="2 of 8"), (), (), ())
    used = attempt(exit_code=-9, cpu_seconds=1.5, peak_rss=2**33, error="no answer")
    said = ended(run, RunState.TIMED_OUT, reason="it ran past 10m", log="daily_health.log")
    assert ledger.end(said, used, again and START + again * MINUTE)
    kept = the(store, run.id)
    assert (kept.state, kept.lease_until, kept.log) == (stands, None, "daily_health.log")
    assert (kept.exit_code, kept.cpu_seconds, kept.peak_rss) == (-9, 1.5, 2**33)
    assert ledger.attempts(run.id) == (replace(used, outcome=outcome),)
    assert ledger.due(START) == (START + again * MINUTE if stands == "queued" and again else None)


def test_only_who_holds_a_run_may_end_it(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    first = claim(ledger)
    assert ledger.end(ended(first, RunState.LOST), attempt(), again=START + MINUTE)
    assert not ledger.end(ended(first, RunState.FAILED), attempt())
    second = claim(ledger, 1, worker="b")
    assert not ledger.end(ended(first, RunState.FAILED), attempt())
    assert the(store, first.id) == second
    assert not ledger.end(by_hand("unknown", state=RunState.LOST), attempt())


def test_a_run_that_beats_is_not_lost(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    claim(ledger)
    (late,) = ledger.expired(START + MINUTE)
    assert ledger.beat(worker(minutes=1), {late.id: 1}, LEASE) == {}
    assert not ledger.end(ended(late, RunState.LOST), attempt())
    assert not ledger.end(late, attempt())
    assert the(store, late.id).state is RunState.RUNNING
    assert ledger.end(ended(late, RunState.LOST), attempt(minutes=1.5))


@pytest.mark.parametrize(
    ("where", "had", "then"),
    [
        pytest.param("queued", RunState.QUEUED, RunState.CANCELLED, id="at once while it waits"),
        pytest.param("running", RunState.RUNNING, RunState.RUNNING, id="at the next beat while it runs"),
        pytest.param("succeeded", RunState.SUCCEEDED, RunState.SUCCEEDED, id="not after its end"),
    ],
)
def test_a_run_is_cancelled(store: SqlStore, ledger: Ledger, where: str, had: RunState, then: RunState) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    if where != "queued":
        run = claim(ledger)
    if where == "succeeded":
        store.commit(ended(run), (), (), ())
    assert ledger.cancel(f"{JOB}-0", "Ada said so", START) is had
    assert the(store, f"{JOB}-0").state is then
    told = ledger.beat(worker(), {f"{JOB}-0": 1}, LEASE) if where != "queued" else {}
    assert told == ({f"{JOB}-0": "Ada said so"} if where == "running" else {})
    assert ledger.cancel("unknown", "Ada said so", START) is None


def test_a_run_cancelled_in_vain_does_not_stay_cancelled(ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(0),))
    run = claim(ledger)
    ledger.cancel(run.id, "Ada said so", START)
    ledger.end(ended(run, RunState.FAILED), attempt(), again=START + MINUTE)
    claim(ledger, 1)
    assert ledger.beat(worker(minutes=1), {run.id: 2}, LEASE) == {}


def test_the_last_runs_are_those_that_were_begun_and_ended(store: SqlStore, ledger: Ledger) -> None:
    ledger.plan(clockwork(0), (fire(-1, state=RunState.SKIPPED), *(fire(n) for n in range(4)), fire(9, job="costs")))
    for n in range(3):
        store.commit(ended(claim(ledger, n, rule=Overlap.ALLOW), RunState.FAILED), (), (), ())
    claim(ledger, 3, rule=Overlap.ALLOW)
    assert [run.id for run in ledger.last(JOB, 2)] == [f"{JOB}-2", f"{JOB}-1"]
    assert [run.id for run in ledger.last(JOB, 9)] == [f"{JOB}-2", f"{JOB}-1", f"{JOB}-0"]


@pytest.mark.parametrize(
    ("held_back", "when"),
    [
        pytest.param((), None, id="nothing waits"),
        pytest.param((None, 5.0), 0.0, id="one waits already"),
        pytest.param((7.0, 5.0), 5.0, id="a retry is held back"),
    ],
)
def test_when_there_is_work_next(ledger: Ledger, held_back: tuple[float | None, ...], when: float | None) -> None:
    waits = (by_hand(f"r{n}", not_before=late and START + late * MINUTE) for n, late in enumerate(held_back))
    for run in waits:
        ledger.add(run)
    assert ledger.due(START + MINUTE) == (None if when is None else START + when * MINUTE)


def test_a_run_by_hand_is_an_attempt_too_and_expires_like_any_other(store: SqlStore, ledger: Ledger) -> None:
    begun = by_hand(state=RunState.RUNNING, started_at=START, lease_until=START + MINUTE, owner="hand", attempt=1)
    store.begin(begun)
    assert ledger.attempts("hand") == (Attempt(n=1, owner="hand", started_at=START),)
    assert ledger.expired(START + 59 * SECOND) == ()
    assert ledger.expired(START + MINUTE) == (begun,)
    store.commit(ended(begun), (), (), ())
    assert the(store, "hand") == ended(begun, lease_until=None)
    assert ledger.attempts("hand")[0].outcome == "succeeded"


def test_names_from_outside_break_nothing(store: SqlStore, ledger: Ledger) -> None:
    odd = "a\x00b \ud800 '; DROP TABLE run; --"
    plain = "a?b ? '; DROP TABLE run; --"
    ledger.plan(clockwork(0), (fire(0),))
    ledger.pause(JOB, START, odd, odd, START)
    assert ledger.clockworks()[JOB].pause_reason == plain
    run = claim(ledger)
    ledger.end(ended(run, RunState.FAILED, reason=odd, error=odd), attempt(error=odd))
    assert (the(store, run.id).reason, the(store, run.id).error) == (plain, plain)


def test_times_are_kept_to_the_microsecond(store: SqlStore, ledger: Ledger) -> None:
    exact = datetime.fromisoformat("2026-10-25T02:30:00.000001+02:00")
    ledger.add(by_hand(not_before=exact))
    assert the(store, "hand").not_before == exact


def test_f23_what_a_wrong_clock_planned_ahead_is_forgotten_and_runs_when_its_time_comes(
    store: SqlStore, ledger: Ledger
) -> None:
    day = 24 * 60
    ahead = (fire(day, state=RunState.SKIPPED, reason="missed"), fire(30 * day))
    done = fire(29 * day, id="ran-ahead")
    ledger.plan(clockwork(30 * day), (*ahead, done))
    store.commit(ended(replace(claim(ledger, 30 * day), state=RunState.RUNNING)), (), (), ())
    assert ledger.plan(clockwork(1), ()) == ()
    assert states(store) == {"ran-ahead": "succeeded"}
    assert ledger.plan(clockwork(day), (fire(day),)) == (fire(day),)


def test_f04_a_peer_that_stands_still_in_the_middle_of_a_claim_stops_nobody(store: SqlStore, ledger: Ledger) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one daemon, and its writers wait for one another")
    ledger.plan(clockwork(0), (fire(0), fire(0, job="costs")))
    with store.engine.begin() as stopped:
        assert at_once(stopped, f"job/{JOB}")
        assert at_once(stopped, f"plan/{JOB}")
        assert claim(ledger).job == "costs"
        assert ledger.plan(clockwork(1), (fire(1),)) == ()
        assert nothing(ledger)
    assert claim(ledger).job == JOB
    assert ledger.plan(clockwork(1), (fire(1),)) == (fire(1),)
