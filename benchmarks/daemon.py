"""What the daemon costs when nothing happens, how soon it is ready, and what several of them miss when some are killed.

    nice -n 19 [PYTHON=/venv/of/requirements.lock/bin/python] python benchmarks/daemon.py [idle|replicas]

idle: `opsbot serve` in the demo's home, whose jobs are not due. CPU is of one core; ready is wall-clock time from the
start of the process to its first "ready" heartbeat, the median of five, beside the CPU time the start costs. With the
tests' packages installed the daemon's log library imports one of them (rich, 2 MB): PYTHON names an interpreter
that has what users install and nothing else.
replicas: 1,000 due runs (10 jobs, each due every second, 100 times) over 5 processes with the daemon's own loops on one
PostgreSQL; one is killed at 8 s, one stopped from 18 to 26 s. A run is an insert, a claim, 20 ms of nothing, a commit.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from opsbot.replica import scenario  # noqa: E402
from tests.daemon.test_replicas import LEASE, Fleet, launch  # noqa: E402

IDLE_SECONDS = 60.0
STARTS = 5
JOBS, FIRES = 10, 100


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def make_home(folder: Path) -> Path:
    """The demo's, with a page on a free port."""
    text = scenario.opsbot_config(scenario.load(scenario.SHIPPED))
    (folder / "config.toml").write_text(text + '\n[web]\nlisten = "127.0.0.1:0"\n', encoding="utf-8")
    return folder


def start(home: Path) -> tuple[subprocess.Popen[bytes], float]:
    """A daemon that is ready, and after how many seconds it was."""
    began = time.perf_counter()
    words = [
        os.environ.get("PYTHON", sys.executable),
        "-m",
        "opsbot",
        "--home",
        str(home),
        "--log-format",
        "json",
        "serve",
    ]
    daemon = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    while not is_ready(home, daemon.pid):
        pause(0.005)
    return daemon, time.perf_counter() - began


def is_ready(home: Path, pid: int) -> bool:
    try:
        told = json.loads((home / "var" / "daemon.json").read_text())
    except (OSError, ValueError):
        return False
    return told["pid"] == pid and bool(told["ready"])


def stop(daemon: subprocess.Popen[bytes]) -> float:
    began = time.perf_counter()
    daemon.terminate()
    assert daemon.wait(30) == 0
    return time.perf_counter() - began


def cpu_seconds(pid: int) -> float:
    """Of the process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def idle(folder: Path) -> None:
    home = make_home(folder)
    stop(start(home)[0])
    ready, cost, ends = [], [], []
    for _ in range(STARTS):
        daemon, seconds = start(home)
        ready.append(seconds)
        cost.append(cpu_seconds(daemon.pid))
        ends.append(stop(daemon))
    daemon, _ = start(home)
    pause(15)
    before = cpu_seconds(daemon.pid)
    pause(IDLE_SECONDS)
    used, memory = cpu_seconds(daemon.pid) - before, rss_mb(daemon.pid)
    stop(daemon)
    row("idle memory", f"{memory:.1f} MB", "<= 60 MB")
    row("idle CPU", f"{100 * used / IDLE_SECONDS:.2f} % of a core", "<= 1 %")
    row("start to ready", f"{statistics.median(ready):.2f} s (best {min(ready):.2f}, CPU {min(cost):.2f})", "<= 1.5 s")
    row("told to end, gone", f"{statistics.median(ends):.2f} s", "")


def replicas(folder: Path) -> None:
    fleet = launch(folder, "abcde", JOBS, FIRES + 6.0)
    pause(8)
    fleet.signal("a", signal.SIGKILL)
    killed = datetime.now().astimezone()
    pause(10)
    fleet.signal("b", signal.SIGSTOP)
    pause(8)
    fleet.signal("b", signal.SIGCONT)
    for daemon in fleet.replicas.values():
        daemon.wait(120)
    told(fleet, killed)


def told(fleet: Fleet, killed: datetime) -> None:
    runs = sorted((run for run in fleet.runs() if run.scheduled_for), key=lambda run: (run.scheduled_for, run.job))
    runs = runs[: JOBS * FIRES]
    committed = Counter(run_id for what, run_id, *_ in fleet.book() if what == "committed")
    fires = Counter((run.job, run.scheduled_for) for run in runs)
    late = sorted((run.started_at - run.scheduled_for).total_seconds() for run in runs if run.started_at)  # type: ignore[operator]
    after = [run for run in runs if killed <= run.scheduled_for][: 2 * JOBS]  # type: ignore[operator]
    again = [run for run in runs if run.attempt > 1]
    row("due runs", str(len(runs)), "1,000")
    row("missed", str(sum(run.id not in committed for run in runs)), "0")
    row("doubled", str(sum(n > 1 for n in (*committed.values(), *fires.values()))), "0")
    row("delay, median and p99", f"{statistics.median(late):.2f} s, {late[int(len(late) * 0.99)]:.2f} s", "p99 <= 1 s")
    worst = max((run.started_at - run.scheduled_for).total_seconds() for run in after if run.attempt == 1)  # type: ignore[operator]
    row("takeover after a kill", f"{worst:.2f} s (the worst of the next {len(after)} fires)", "<= 2 s")
    row("in a dead one's hands", f"{len(again)} begun again after a lease of {LEASE} s", "")


def row(what: str, found: str, wanted: str) -> None:
    print(f"{what:<24} {found:<48} {wanted}", flush=True)


def main() -> None:
    wanted = sys.argv[1:] or ["idle", "replicas"]
    for work in (idle, replicas):
        if work.__name__ in wanted:
            with tempfile.TemporaryDirectory() as folder:
                work(Path(folder))


if __name__ == "__main__":
    main()
