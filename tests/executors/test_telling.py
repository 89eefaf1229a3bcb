"""What people hear of runs that fail, come late or are given up: in one process, with the clock in hand."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot import app, runner
from opsbot.errors import Fenced, JobError
from opsbot.executors import child
from opsbot.model.run import Attempt, Cause, Run, RunState
from opsbot.ports import World
from tests.executors.home import Home, home

MORNING = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
FAILS = 'raise ValueError("no such bucket")'


@dataclass
class Told:
    """A home, and a world whose clock stands where the test says."""

    house: Home
    now: datetime = MORNING

    @contextmanager
    def world(self, loaded: app.App) -> Iterator[World]:
        with app.world(loaded, channels=("folder",), sending=False) as world:
            yield replace(world, now=lambda: self.now, store=self.house.store)

    def run(self, at: datetime, *, cause: Cause = Cause.SCHEDULE, again: bool = False) -> Run:
        """One scheduled run, begun at `self.now`."""
        loaded = app.load_for_run(self.house.path)
        self.house.due(at, self.now, cause)
        run = self.house.claim(self.now)
        assert run is not None
        request = replace(loaded.request_for(run), channels=("folder",))
        with self.world(loaded) as world:
            return runner.execute(request, world, run=run, again=again).run

    def give_up(self, run: Run, state: RunState, why: str) -> runner.Result:
        loaded = app.load_for_run(self.house.path)
        request = replace(loaded.request_without_job(run), channels=("folder",))
        with self.world(loaded) as world:
            return runner.tell_given_up(request, world, run, state, why)

    def report(self, run: Run) -> str:
        return next(
            artifact.body for artifact in self.house.store.artifacts(run.id) if artifact.format == "text"
        ).decode()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(home(tmp_path, FAILS))
    yield made
    made.house.store.close()


def rewrite(told: Told, body: str) -> None:
    from tests.executors.home import JOB

    (told.house.path / "jobs" / "tested.py").write_text(JOB.format(body=body))


@pytest.mark.parametrize(
    ("hours", "heard"),
    [
        pytest.param([0, 1, 2, 3], [1, 0, 0, 0], id="hourly: once"),
        pytest.param([0, 24, 48], [1, 1, 1], id="daily: daily"),
        pytest.param([0, 8, 16, 24, 32, 40, 48], [1, 0, 0, 1, 0, 0, 1], id="thrice a day: daily"),
        pytest.param([0, 0.1, 0.2, 23, 23.1, 47], [1, 0, 0, 1, 0, 1], id="three, then quarantined to one a day"),
    ],
)
def test_f34_a_job_that_always_fails_is_told_once_a_day(told: Told, hours: list[float], heard: list[int]) -> None:
    counts = []
    for hour in hours:
        told.now = MORNING + timedelta(hours=hour)
        ended = told.run(told.now)
        assert ended.state is RunState.FAILED
        counts.append(len(told.house.store.messages(run_id=ended.id)))
    assert counts == heard


def test_f34_after_it_has_worked_again_the_next_failure_is_news(told: Told) -> None:
    bodies = itertools.chain([FAILS, FAILS, "", FAILS])
    counts = []
    for hour, body in enumerate(bodies):
        rewrite(told, body)
        told.now = MORNING + timedelta(hours=hour)
        counts.append(len(told.house.store.messages(run_id=told.run(told.now).id)))
    assert counts == [1, 0, 1, 1]


def test_f34_who_runs_it_by_hand_is_always_answered(told: Told) -> None:
    for minute in range(2):
        told.now = MORNING + timedelta(minutes=minute)
        ended = told.run(told.now, cause=Cause.MANUAL)
        assert len(told.house.store.messages(run_id=ended.id)) == 1


def test_while_attempts_remain_a_failure_is_raised_and_nothing_is_kept(told: Told) -> None:
    with pytest.raises(JobError, match="ValueError: no such bucket") as raised:
        told.run(MORNING, again=True)
    assert "Traceback" in raised.value.trace
    assert told.house.store.messages() == ()
    (run,) = told.house.store.runs()
    assert run.state is RunState.RUNNING


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("raise SystemExit(0)", "SystemExit: 0", id="exits"),
        pytest.param("raise MemoryError", "memory ran out", id="f27 memory"),
        pytest.param('raise CloudError("ecs:ListServices was denied", permanent=True, hint="add it to the role")',
                     "ecs:ListServices was denied; add it to the role", id="AWS refuses"),
        pytest.param('raise ValueError("postgresql://ops:hunter22@db/x")', "ValueError: postgresql(hidden)db/x", id="with a secret"),
    ],
)  # fmt: skip
def test_however_a_job_fails_its_run_ends_with_the_reason(told: Told, body: str, said: str) -> None:
    rewrite(told, f"from opsbot.errors import CloudError; {body}")
    run = told.run(MORNING)
    assert run.state is RunState.FAILED
    assert [finding.summary for finding in told.house.store.findings(run.id)] == [f"the run failed: {said}"]


def test_a_secret_that_was_read_is_told_to_who_writes_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    monkeypatch.setenv(child.LINE, str(theirs))
    monkeypatch.setenv("TOKEN", "correct horse")
    assert app.secret("env:TOKEN") == "correct horse"
    assert json.loads(os.read(ours, 1000)) == {"mask": "correct horse"}
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("begun_after", "said"),
    [
        pytest.param(timedelta(minutes=5), None, id="five minutes are no delay"),
        pytest.param(timedelta(minutes=6), "late by 6 min", id="six are"),
        pytest.param(timedelta(hours=2, minutes=30), "late by 2 h 30 min", id="hours"),
    ],
)
def test_a_late_report_says_so(told: Told, begun_after: timedelta, said: str | None) -> None:
    rewrite(told, "")
    told.now = MORNING + begun_after
    run = told.run(MORNING)
    assert run.at == MORNING
    assert ("late by" in told.report(run)) == (said is not None)
    assert (said or "") in told.report(run)


@pytest.mark.parametrize("state", [RunState.TIMED_OUT, RunState.LOST, RunState.FAILED])
def test_a_run_that_is_given_up_ends_as_what_it_was_with_a_finding_and_messages(told: Told, state: RunState) -> None:
    run = told.house.claimed(MORNING)
    result = told.give_up(run, state, "its worker was not heard of any more; 2 attempts were made")
    found = told.house.now_in_ledger(run)
    assert (found.state, found.verdict) == (state, "no-data")
    assert found.reason == "its worker was not heard of any more; 2 attempts were made"
    assert [finding.key for finding in told.house.store.findings(run.id)] == ["opsbot/job-failed/tested"]
    assert [message.subject for message in result.messages] == ["No answer: tested failed"]
    assert "2 attempts were made" in told.report(run)


def test_only_who_runs_at_this_attempt_can_be_given_up(told: Told) -> None:
    run = told.house.claimed(MORNING)
    ledger, later = told.house.store.ledger(), MORNING + timedelta(minutes=1)
    lost = Attempt(n=1, owner=run.owner, started_at=MORNING, ended_at=later)
    assert ledger.end(replace(run, state=RunState.LOST), lost, later)
    assert told.house.claim(later, "there:2") is not None
    with pytest.raises(Fenced):
        told.give_up(run, RunState.LOST, "too late")
    assert told.house.store.messages() == ()


def test_a_run_by_hand_is_in_the_ledger_with_its_process_and_a_lease_beyond_its_timeout(told: Told) -> None:
    rewrite(told, "")
    loaded = app.load_for_run(told.house.path)
    seen: list[Run] = []

    def look(context: object, settings: object) -> object:
        seen.extend(told.house.store.runs())
        return original(context, settings)  # type: ignore[arg-type]

    request = loaded.request("tested", at=MORNING)
    original = request.job.run
    request = replace(request, job=replace(request.job, run=look), timeout=timedelta(minutes=7))  # type: ignore[arg-type]
    with told.world(loaded) as world:
        runner.execute(request, world, owner="desk:42")
    (run,) = seen
    assert (run.state, run.cause, run.owner) == (RunState.RUNNING, Cause.MANUAL, "desk:42")
    assert run.lease_until == told.now + timedelta(minutes=8)
    (attempt,) = told.house.store.ledger().attempts(run.id)
    assert (attempt.owner, attempt.outcome) == ("desk:42", "succeeded")
