"""`opsbot _exec` as a daemon starts it: one process, one run, and what the ledger and people know of it afterwards."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.executors import child
from opsbot.executors.local import Ended, Supervisor
from opsbot.model.message import Delivery
from opsbot.model.run import Run, RunState
from opsbot.timetable import retry_at, why_given_up
from tests.executors.home import Home, again, by_the_clock, home
from tests.executors.test_supervisor import alive, pids, until, written

# In the job: says who it is and that it began, waits to be killed the first time, says that it is through.
WAITS = """
    import os, pathlib, time
    marks = pathlib.Path({marks!r})
    with (marks / "trace").open("a") as trace: trace.write(f"+{{os.getpid()}}\\n")
    if not (marks / "go").exists():
        (marks / "pid").write_text(str(os.getpid()))
        time.sleep(60)
    with (marks / "trace").open("a") as trace: trace.write(f"-{{os.getpid()}}\\n")
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Home]:
    made = home(tmp_path, WAITS.format(marks=str(tmp_path)))
    yield made
    made.store.close()


def started(house: Home, run: Run) -> tuple[Supervisor, int]:
    """The run as a child that is in the middle of its job."""
    (house.path / "pid").unlink(missing_ok=True)
    supervisor = house.supervisor(grace=timedelta(seconds=0.2))
    supervisor.start(run, timedelta(seconds=60))
    return supervisor, pids(house.path / "pid")[0]


def test_a_run_commits_its_end_and_its_messages_without_the_channels_secrets(tmp_path: Path) -> None:
    house = home(tmp_path, 'print("asked nobody")')
    run = house.claimed()
    ended = house.ran(run)
    assert ended.state is None
    assert ended.attempt.exit_code == child.COMMITTED
    assert house.store.ledger().end(ended.run, ended.attempt)
    found = house.now_in_ledger(run)
    assert (found.state, found.headline, found.attempt) == (RunState.SUCCEEDED, "It ran", 1)
    assert found.peak_rss > 30_000_000
    assert found.cpu_seconds > 0.1
    assert house.told() == [("folder", "It ran"), ("ops", "It ran")]
    assert {message.state for message in house.store.messages()} == {Delivery.QUEUED}
    lines = house.log(run).splitlines()
    assert lines[0] == "asked nobody"
    assert all(f"run={run.id}" in line for line in lines[1:])
    (attempt,) = house.store.ledger().attempts(run.id)
    assert (attempt.outcome, attempt.exit_code) == ("succeeded", 0)
    # Once more, as a message of a queue that is delivered twice: it is nobody's to run.
    assert house.ran(run).attempt.exit_code == child.FENCED
    assert len(house.told()) == 2
    house.store.close()


def test_a_job_that_raises_is_told_with_its_last_attempt_only(tmp_path: Path) -> None:
    house = home(tmp_path, 'raise ValueError("no such bucket")')
    now, run = by_the_clock(), house.claimed()
    ended = house.ran(run)
    assert (ended.state, ended.run.reason) == (RunState.FAILED, "ValueError: no such bucket")
    assert house.told() == []
    assert house.store.ledger().end(ended.run, ended.attempt, now)
    second = house.claim(now + timedelta(minutes=2))
    assert second is not None
    ended = house.ran(second)
    assert (ended.state, ended.attempt.exit_code) == (None, child.COMMITTED)
    found = house.now_in_ledger(run)
    assert (found.state, found.attempt) == (RunState.FAILED, 2)
    assert house.told() == [("folder", "No answer: tested failed"), ("ops", "No answer: tested failed")]
    assert [finding.summary for finding in house.store.findings(run.id)] == [
        "the run failed: ValueError: no such bucket"
    ]
    house.store.close()


def _follow(house: Home, supervisor: Supervisor, ended: Ended) -> Run | None:
    """What a daemon does with an end: try again at once, or tell; the next attempt."""
    from opsbot import app

    timetable = app.load_for_run(house.path).timetable(house.job)
    assert timetable is not None
    ledger, now = house.store.ledger(), by_the_clock()
    if ended.state is None or ended.given_up:
        assert ledger.end(ended.run, ended.attempt)
        return None
    if retry_at(timetable, ended.run, now) is None:
        supervisor.give_up(ended.run, ended.state, f"{ended.run.reason}; {why_given_up(timetable, ended.run, now)}")
        (ended,) = supervisor.ended(60.0)
        assert ledger.end(ended.run, ended.attempt)
        return None
    assert ledger.end(ended.run, ended.attempt, now)
    return house.claim(now)


def _never_two_at_once(trace: str) -> bool:
    at_work: set[str] = set()
    for line in trace.split():
        at_work = {pid for pid in at_work if alive(int(pid))}
        if line[0] == "+" and at_work:
            return False
        at_work = at_work | {line[1:]} if line[0] == "+" else at_work - {line[1:]}
    return True


def test_f2_a_run_that_is_killed_is_repeated_once_and_then_given_up_and_told(house: Home) -> None:
    run = house.claimed()
    supervisor, pid = started(house, run)
    os.kill(pid, signal.SIGKILL)
    (ended,) = supervisor.ended(30.0)
    assert ended.run.reason == "killed from outside, perhaps because memory ran out"
    second = _follow(house, supervisor, ended)
    assert second is not None
    assert (second.id, second.attempt) == (run.id, 2)
    supervisor, pid = started(house, second)
    os.kill(pid, signal.SIGKILL)
    (ended,) = supervisor.ended(30.0)
    assert house.told() == []
    assert _follow(house, supervisor, ended) is None
    found = house.now_in_ledger(run)
    assert (found.state, found.attempt, found.exit_code) == (RunState.FAILED, 2, -signal.SIGKILL)
    assert found.reason == "killed from outside, perhaps because memory ran out; 2 attempts were made"
    assert house.told() == [("folder", "No answer: tested failed"), ("ops", "No answer: tested failed")]
    assert _never_two_at_once((house.path / "trace").read_text())
    assert [attempt.outcome for attempt in house.store.ledger().attempts(run.id)] == ["retried", "failed"]


KILLS = int(os.environ.get("OPSBOT_RUN_KILLS", "1"))


@pytest.mark.timeout(60 + 10 * KILLS)
def test_f2_killed_at_any_instant_a_run_is_told_once(house: Home) -> None:
    """A kill before the commit repeats the run; one after it changes nothing."""
    chance = random.Random(KILLS)
    (house.path / "go").touch()
    for n in range(KILLS):
        run = house.claimed(by_the_clock() - timedelta(days=1, seconds=n), by_the_clock())
        supervisor = house.supervisor()
        supervisor.start(run, timedelta(seconds=60))
        (ended,) = supervisor.ended(chance.uniform(0.1, 1.5)) or _killed(supervisor)
        second = _follow(house, supervisor, ended)
        if second is not None:
            assert house.ran(second).state is None
        assert house.now_in_ledger(run).state is RunState.SUCCEEDED
        assert len(house.store.messages(run_id=run.id)) == 2


def _killed(supervisor: Supervisor) -> list[Ended]:
    """Its end, by a kill: whatever it is doing, even before there is a process."""
    (one,) = supervisor._children.values()
    if "pid" not in one.report:
        return supervisor.stop(timedelta(0))
    with suppress(ProcessLookupError):
        os.kill(one.report["pid"], signal.SIGKILL)
    return supervisor.ended(30.0)


def test_a_run_at_its_deadline_is_given_up_and_told_though_its_job_no_longer_loads(house: Home) -> None:
    run = house.claimed()
    supervisor = house.supervisor(grace=timedelta(seconds=0.2))
    supervisor.start(run, timedelta(seconds=4))
    pids(house.path / "pid")
    (house.path / "jobs" / "tested.py").write_text("import no_such_module")
    (ended,) = supervisor.ended(30.0)
    assert ended.state is RunState.TIMED_OUT
    # Where it hung is in its log.
    assert 'tested.py", line' in house.log(run)
    for _ in range(2):
        # Two loops may come to the same end; people hear of it once.
        supervisor.give_up(ended.run, RunState.TIMED_OUT, "ended at its deadline of 4s; one attempt was made")
    (told,) = supervisor.ended(60.0)
    assert (told.given_up, told.state) == (True, None)
    assert house.store.ledger().end(told.run, told.attempt)
    found = house.now_in_ledger(run)
    assert (found.state, found.reason) == (RunState.TIMED_OUT, "ended at its deadline of 4s; one attempt was made")
    assert found.exit_code in (-signal.SIGTERM, -signal.SIGKILL)
    assert [finding.summary for finding in house.store.findings(run.id)] == [
        "the run failed: ended at its deadline of 4s; one attempt was made"
    ]
    assert len(house.told()) == 2


def test_a_job_that_ends_the_process_has_not_answered(tmp_path: Path) -> None:
    house = home(tmp_path, "import os; os._exit(0)")
    run = house.claimed()
    ended = house.ran(run)
    assert ended.state is RunState.FAILED
    assert ended.run.reason == "ended with exit code 0 and without an answer; its log says more"
    assert house.now_in_ledger(run).state is RunState.RUNNING
    house.store.close()


def test_a_run_that_was_taken_away_commits_nothing(house: Home) -> None:
    run = house.claimed()
    (house.path / "pid").unlink(missing_ok=True)
    supervisor = house.supervisor()
    supervisor.start(run, timedelta(seconds=60))
    assert until(lambda: written(house.path / "pid"))
    ledger, later = house.store.ledger(), run.at + timedelta(minutes=5)
    attempt = Ended(run=again(run, state=RunState.LOST), attempt=_lost(run, later), state=RunState.LOST)
    assert ledger.end(attempt.run, attempt.attempt, later)
    other = house.claim(later, worker="there:2")
    assert other is not None
    supervisor.cancel(run.id, "there:2 has it now")
    (ended,) = supervisor.ended(30.0)
    assert not ledger.end(ended.run, ended.attempt)
    assert house.now_in_ledger(run) == other


def _lost(run: Run, at: object) -> object:
    from opsbot.model.run import Attempt

    return Attempt(n=run.attempt, owner=run.owner, started_at=run.at, ended_at=at)  # type: ignore[arg-type]
