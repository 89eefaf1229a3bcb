"""Several daemons on one PostgreSQL: killed, stopped, resumed; each fire is run once, by whoever is there."""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from opsbot.model.run import Run, RunState
from opsbot.store import open_store
from tests.daemon.served import wait_for
from tests.postgres import server

JOBS, LEASE, SECONDS = 2, 1.5, 10.0
ROOT = Path(__file__).parents[2]


@dataclass
class Fleet:
    """Replicas by name, the book in which their runs write, and their ledger's address."""

    folder: Path
    url: str
    replicas: dict[str, subprocess.Popen[bytes]]

    def signal(self, name: str, number: int) -> None:
        self.replicas[name].send_signal(number)

    def book(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "book").read_text().splitlines()]

    def runs(self) -> tuple[Run, ...]:
        store = open_store(self.url)
        try:
            return store.runs(limit=100_000)
        finally:
            store.close()


def launch(folder: Path, names: str, jobs: int, seconds: float) -> Fleet:
    url = server().database()
    words = [sys.executable, "-m", "tests.daemon.replica", url]
    more = [str(folder), str(jobs), str(LEASE), str(seconds)]
    replicas = {name: subprocess.Popen([*words, name, *more], cwd=ROOT) for name in names}
    wait_for(lambda: all((folder / name).exists() for name in names))
    return Fleet(folder, url, replicas)


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_f4_three_replicas_one_killed_one_stopped_and_resumed(tmp_path: Path) -> None:
    fleet = launch(tmp_path, "abc", JOBS, SECONDS)
    pause(1)
    fleet.signal("a", signal.SIGKILL)
    pause(1)
    fleet.signal("b", signal.SIGSTOP)
    pause(3)
    fleet.signal("b", signal.SIGCONT)
    for name in "bc":
        assert fleet.replicas[name].wait(60) == 0
    assert fleet.replicas["a"].wait(1) == -signal.SIGKILL
    _each_fire_was_run_once(fleet, SECONDS)
    delays = [(run.started_at - run.scheduled_for).total_seconds() for run in fleet.runs() if run.started_at]  # type: ignore[operator]
    # Whoever was there took over at once. The bound is for a machine that does ten other things: one replica that is
    # stopped in the middle of a transaction holds its job up until the database ends that.
    assert statistics.median(delays) < 2.0
    assert max(delays) < 20.0


def _each_fire_was_run_once(fleet: Fleet, seconds: float) -> None:
    runs, book = fleet.runs(), fleet.book()
    by_job: dict[str, list[datetime]] = defaultdict(list)
    for run in runs:
        assert run.scheduled_for is not None
        by_job[run.job].append(run.scheduled_for)
    for fires in by_job.values():
        fires.sort()
        assert len(fires) >= seconds - 3
        # Not one is missing between the first and the last, and none is there twice.
        assert [(later - fires[0]).total_seconds() for later in fires] == list(range(len(fires)))
    committed = Counter(run_id for what, run_id, *_ in book if what == "committed")
    assert set(committed.values()) == {1}
    ended = {run.id for run in runs if run.state is RunState.SUCCEEDED}
    # Only the very last fires may still wait when the replicas have ended.
    assert set(committed) == ended
    assert len(ended) >= len(runs) - 2 * JOBS
    assert all(run.state in (RunState.SUCCEEDED, RunState.QUEUED) for run in runs)
    _no_two_attempts_overlap(book)


def _no_two_attempts_overlap(book: list[list[str]]) -> None:
    """What one replica began again had been begun by a dead one, a lease before."""
    began: dict[str, list[float]] = defaultdict(list)
    for what, run_id, _, _, at in book:
        if what == "began":
            began[run_id].append(float(at))
    for moments in began.values():
        assert all(later - earlier >= LEASE * 0.9 for earlier, later in pairwise(moments))
