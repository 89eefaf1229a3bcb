"""`opsbot serve` from its start to its end, as a real process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.model.run import RunState
from opsbot.model.timetable import Clockwork
from opsbot.store import open_store
from tests.daemon.served import CONFIG, Served, begin, command, make_home, served, wait_for

# 200 restarts take a while.
pytestmark = pytest.mark.timeout(3600)
ROUNDS = int(os.environ.get("OPSBOT_RESTARTS", "3"))
HEAVY = (
    "pandas",
    "numpy",
    "boto3",
    "botocore",
    "matplotlib",
    "pydantic",
    "slack_sdk",
    "moto",
    "alembic",
    "_opsbot_jobs",
)


def health(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(home, "health"), capture_output=True, text=True, check=False)


def test_a_day_of_a_daemon(tmp_path: Path) -> None:
    home = make_home(tmp_path, quick="print('hello from the job')", slow="import time; time.sleep(2.5)", broken="1 +")
    open_store(f"sqlite:///{home}/var/opsbot.db").close()
    with served(home, "-X", "importtime") as daemon:
        # It is well, and says what it had to leave out.
        assert health(home).returncode == 0
        assert daemon.get("healthz")[0] == 200
        assert daemon.get("readyz")[0] == 200
        assert daemon.heartbeat["troubles"] == ["jobs/broken.py:6: SyntaxError: invalid syntax"]
        _runs_what_is_queued(daemon)
        _f20_keeps_the_last_good_configuration(daemon)
        daemon.tell(signal.SIGUSR1)
        wait_for(lambda: any(line["named"] == "MainThread" for line in daemon.lines("thread")))
        # Told to end, it lets the run that is at work finish and takes no other.
        daemon.queue("slow", "run-slow")
        daemon.wait_for_run("run-slow", RunState.RUNNING)
        daemon.tell(signal.SIGTERM)
        wait_for(lambda: daemon.lines("draining"))
        assert daemon.get("readyz")[0] == 503
        daemon.queue("quick", "run-late")
        assert daemon.wait() == 0
        assert daemon.run("run-slow").state is RunState.SUCCEEDED
        assert daemon.run("run-late").state is RunState.QUEUED
    told = health(home)
    assert (told.returncode, told.stdout) == (3, "")
    assert "no daemon" in told.stderr
    assert "sqlalchemy" in daemon.imported()
    assert daemon.imported().isdisjoint(HEAVY)


def _runs_what_is_queued(daemon: Served) -> None:
    daemon.queue("quick", "run-quick")
    run = daemon.wait_for_run("run-quick", RunState.SUCCEEDED)
    assert "hello from the job" in (daemon.home / "logs" / "quick" / "run-quick.1.log").read_text()
    wait_for(lambda: daemon.lines("run ended"))
    mine = [line["event"] for line in daemon.lines() if line.get("run") == run.id]
    assert mine == ["run started", "run ended"]
    assert daemon.run("run-quick").cpu_seconds > 0.1


def _f20_keeps_the_last_good_configuration(daemon: Served) -> None:
    config = daemon.home / "config.toml"
    config.write_text(CONFIG + "[jobs.quick]\nretries = = 3\n")
    told = wait_for(lambda: (all := daemon.heartbeat["troubles"])[0].startswith("config.toml") and all)
    assert told[0].startswith("config.toml:9:11: ")
    assert told[0].endswith("(not taken over; the last good configuration holds)")
    # Runs go on, by the copy of what was good.
    daemon.queue("quick", "run-meanwhile")
    daemon.wait_for_run("run-meanwhile", RunState.SUCCEEDED)
    config.write_text(CONFIG + "[jobs.quick]\nretries = 3\n")
    daemon.tell(signal.SIGHUP)
    wait_for(lambda: daemon.lines("configuration taken over"))
    assert [line["change"] for line in daemon.lines("configuration changed")] == ["job quick: retries: 1 -> 3"]
    wait_for(lambda: daemon.heartbeat["troubles"] == ["jobs/broken.py:6: SyntaxError: invalid syntax"])


def test_f28_told_twice_it_ends_at_once_and_hands_back_what_ran(tmp_path: Path) -> None:
    home = make_home(
        tmp_path, stubborn="import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(99)"
    )
    with served(home) as daemon:
        daemon.queue("stubborn", "run-1")
        daemon.wait_for_run("run-1", RunState.RUNNING)
        wait_for(lambda: (home / "logs" / "stubborn" / "run-1.1.log").exists())
        second = subprocess.run(command(home, "serve"), capture_output=True, text=True, check=False)
        assert second.returncode == 3
        assert "another daemon serves it" in second.stderr
        daemon.tell(signal.SIGTERM)
        wait_for(lambda: daemon.lines("draining"))
        began = time.monotonic()
        daemon.tell(signal.SIGTERM)
        assert daemon.wait() == 143
        assert time.monotonic() - began < 15
        handed = daemon.run("run-1")
        assert (handed.state, handed.attempt) == (RunState.QUEUED, 1)
        assert handed.reason.startswith("interrupted")


def test_a_configuration_with_problems_starts_nothing_and_tells_them_all(tmp_path: Path) -> None:
    home = make_home(tmp_path, '[daemon]\nparallel = 0\ndrain = "2h"\n')
    told = subprocess.run(command(home, "serve"), capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.splitlines() == [
        "config.toml.daemon.parallel: expected at least 1, got int 0 (line 9)",
        "config.toml.daemon.drain: expected at most 1h, got 2h (line 10)",
        f"2 problems in {home}; nothing was started",
    ]
    assert not (home / "var" / "opsbot.db").exists()


def test_f3_restarts_at_any_moment_cost_no_fire_and_make_none_twice(tmp_path: Path) -> None:
    home = make_home(tmp_path, '[jobs.daily]\nschedule = "0 0 * * *"\n', daily="pass")
    now = datetime.now(UTC)
    store = open_store(f"sqlite:///{home}/var/opsbot.db")
    store.ledger().plan(Clockwork(job="daily", cursor=now - timedelta(days=3), cron="0 0 * * *"), ())
    store.close()
    moments = random.Random(7)
    for _ in range(ROUNDS):
        daemon = begin(home)
        threading.Event().wait(moments.uniform(0.2, 3.0))
        daemon.tell(signal.SIGKILL)
        daemon.wait()
    with served(home) as daemon:
        runs = [run for run in daemon.store.runs() if run.job == "daily"]
        fires = [run.scheduled_for for run in runs]
        assert len(set(fires)) == len(fires) == 3
        assert sorted(run.state is RunState.SKIPPED for run in runs) == [False, True, True]
        assert max(run.attempt for run in runs) <= ROUNDS + 1
        daemon.tell(signal.SIGTERM)
        assert daemon.wait() == 0
