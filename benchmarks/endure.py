"""The daemon under a life it does not deserve: killed, stopped and starved, with five schedules, for half an hour.

    python benchmarks/endure.py [--minutes 30] [--seed 1] [--keep DIR]

Against the embedded AWS, Slack and mail of the demo. Every few minutes something happens to `opsbot serve`: SIGKILL and
a new start, SIGSTOP for a while, SIGTERM (a deployment), two processes that burn the CPU. Afterwards the ledger is asked
whether each fire is one row, no run was at work twice, everything ended; Slack, whether each report arrived once; the
status page, whether it says what the ledger says. Prints what it found; exit 1 if any of it is not as it must be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from opsbot.cli.demo import Peers, Stage, _free_port
from opsbot.model.run import Run, RunState
from opsbot.schedule import fires
from opsbot.store import open_store
from opsbot.store.sql import SqlStore

ZONE = "Europe/Berlin"
JOBS = {
    "tick": ("* * * * *", "", ""),
    "slow": ("*/2 * * * *", "import time", "time.sleep(70)"),
    "flaky": ("*/3 * * * *", "", "if ctx.now.minute % 2: raise RuntimeError('every other one fails')"),
    "stubborn": ("*/4 * * * *", "import signal, time", "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"),
}  # fmt: skip
JOB = '''"""{name}"""
{imports}
from datetime import timedelta
from opsbot.api import Context, Job, NoSettings, Outcome, Report, last


def run(ctx: Context, settings: NoSettings) -> Outcome:
    {body}
    return Outcome(report=Report(title="{name}", period=last(hours=1, now=ctx.now), sections=()))


job = Job(run=run, schedule="{cron}", settings=NoSettings, timeout=timedelta(seconds={timeout}))
'''


class Ordeal:
    """One daemon and what happens to it."""

    def __init__(self, stage: Stage, peers: Peers, seed: int) -> None:
        self.stage, self.peers, self.random = stage, peers, random.Random(seed)
        self.told: Counter[str] = Counter()
        self.log = (stage.out / "daemon.log").open("ab")
        self.daemon = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "opsbot", "--home", str(self.stage.home), "--log-format", "json", "serve"]
        return subprocess.Popen(command, env=self.stage._environment(self.peers), stderr=self.log, stdout=self.log)

    def harm(self) -> None:
        what = self.random.choice(("kill", "stop", "deploy", "starve", "kill"))
        self.told[what] += 1
        print(f"  {datetime.now(UTC):%H:%M:%S} {what}", flush=True)
        getattr(self, f"_{what}")()

    def _kill(self) -> None:
        self.daemon.kill()
        self.daemon.wait()
        time.sleep(self.random.choice((0, 1, 5, 90)))
        self.daemon = self._start()

    def _stop(self) -> None:
        self.daemon.send_signal(signal.SIGSTOP)
        time.sleep(self.random.choice((5, 20, 70)))
        self.daemon.send_signal(signal.SIGCONT)

    def _deploy(self) -> None:
        self.end()
        self.daemon = self._start()

    def _starve(self) -> None:
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 2))]
        time.sleep(30)
        for hog in hogs:
            hog.kill()
            hog.wait()

    def end(self) -> int:
        self.daemon.terminate()
        try:
            return self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            return -9

    def revive(self) -> None:
        """As an orchestrator would; a daemon that ended by itself (70, its watchdog) is counted."""
        if self.daemon.poll() is not None:
            self.told[f"ended by itself with {self.daemon.returncode}"] += 1
            self.daemon = self._start()


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--keep", type=Path, help="keep the home and the logs there")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(out=options.keep or Path(folder), at=None, scenario=None)
        stage.out.mkdir(parents=True, exist_ok=True)
        with stage.peers() as peers:
            return _endure(stage, peers, options.minutes, options.seed)


def _endure(stage: Stage, peers: Peers, minutes: float, seed: int) -> int:
    port = _free_port(8080)
    stage.write_home(peers, page=port)
    _write_jobs(stage.home)
    begun = datetime.now(UTC)
    ordeal = Ordeal(stage, peers, seed)
    until = time.monotonic() + minutes * 60
    while time.monotonic() < until:
        time.sleep(min(ordeal.random.uniform(20, 120), max(until - time.monotonic(), 1)))
        ordeal.revive()
        ordeal.harm()
    print("  left alone until what is due has ended", flush=True)
    settled = datetime.now(UTC)
    _settle(stage)
    faults = _page(port, stage)
    code = ordeal.end()
    print(f"ordeal: {dict(ordeal.told)}; the last stop exited {code}")
    faults += [f"the last stop exited {code}"] if code else []
    faults += _judge(stage, peers, begun, settled)
    for fault in faults:
        print(f"NOT AS IT MUST BE: {fault}")
    return 1 if faults else 0


def _settle(stage: Stage) -> None:
    """Until nothing that fired before now waits or runs; ten minutes at most."""
    store, now = _store(stage), datetime.now(UTC)
    for _ in range(120):
        if all(run.state.ended for run in store.runs(limit=1000) if run.at < now):
            return
        time.sleep(5)


def _store(stage: Stage) -> SqlStore:
    return open_store(f"sqlite:///{stage.home}/var/opsbot.db")


def _write_jobs(home: Path) -> None:
    (home / "jobs").mkdir(exist_ok=True)
    for name, (cron, imports, body) in JOBS.items():
        timeout = 20 if name == "stubborn" else 300
        text = JOB.format(name=name, cron=cron, imports=imports, body=body or "pass", timeout=timeout)
        (home / "jobs" / f"{name}.py").write_text(text, encoding="utf-8")
    tables = "".join(f'\n[jobs.{name}]\nretry_after = "10s"\noverlap = "{_overlap(name)}"\n' for name in JOBS)
    with (home / "config.toml").open("a", encoding="utf-8") as file:
        file.write(tables + "\n[daemon]\nparallel = 6\n")


def _overlap(name: str) -> str:
    return {"slow": "queue"}.get(name, "skip")


def _judge(stage: Stage, peers: Peers, begun: datetime, ended: datetime) -> list[str]:
    store = _store(stage)
    runs = store.runs(limit=100_000)
    faults: list[str] = []
    for job, cron in {"daily_health": "*/5 * * * *", **{name: told[0] for name, told in JOBS.items()}}.items():
        mine = [run for run in runs if run.job == job and run.scheduled_for]
        faults += _fires(job, cron, mine, begun, ended)
        faults += _alone(job, mine, store)
        states = Counter(str(run.state) for run in mine)
        late = sorted((run.started_at - run.at).total_seconds() for run in mine if run.started_at and run.scheduled_for)
        print(
            f"{job:<13} {len(mine):>4} fires  {dict(sorted(states.items()))}  started late: median {_middle(late):.1f} s"
        )
    faults += _slack(peers, runs)
    return faults


def _fires(job: str, cron: str, runs: list[Run], begun: datetime, ended: datetime) -> list[str]:
    """Each fire one row; the first minute, in which the daemon came up, and the last are left out."""
    first, last = begun + timedelta(minutes=1), ended - timedelta(minutes=1)
    due = set()
    for fire in fires(cron, first, ZoneInfo(ZONE)):
        if fire > last:
            break
        due.add(fire)
    rows = Counter(run.scheduled_for for run in runs)
    faults = [f"{job}: no row for the fire of {fire:%H:%M}" for fire in sorted(due - rows.keys())]
    faults += [f"{job}: {count} rows for {fire:%H:%M}" for fire, count in rows.items() if count > 1]
    faults += [
        f"{job}: the run of {run.at:%H:%M} is {run.state}" for run in runs if not run.state.ended and run.at < last
    ]
    return faults + [f"{job}: {run.at:%H:%M} skipped without a reason" for run in runs
                     if run.state is RunState.SKIPPED and not run.reason]  # fmt: skip


def _alone(job: str, runs: list[Run], store: SqlStore) -> list[str]:
    """No two attempts of a job at work at once; one whose worker died lasts until the next begins."""
    ledger = store.ledger()
    spans = sorted(
        (one.started_at, one.ended_at, run.id) for run in runs for one in ledger.attempts(run.id) if one.ended_at
    )
    return [
        f"{job}: {later[2]} began {(earlier[1] - later[0]).total_seconds():.1f} s before {earlier[2]} had ended"
        for earlier, later in pairwise(spans)
        if earlier[1] and later[0] < earlier[1]
    ]


def _slack(peers: Peers, runs: tuple[Run, ...]) -> list[str]:
    """Each finished daily_health told Slack once."""
    told = Counter(_run_of(message) for message in peers.slack.messages)
    told.pop("", None)
    print(f"Slack: {sum(told.values())} first messages of runs, {sum(count > 1 for count in told.values())} twice")
    return [f"Slack got {run} {count} times" for run, count in told.items() if count > 1]


def _run_of(message: dict[str, object]) -> str:
    text = json.dumps(message)
    metadata = message.get("metadata")
    known = metadata.get("event_payload", {}) if isinstance(metadata, dict) else {}
    return str(known.get("message_id", known.get("id", ""))) if isinstance(known, dict) and text else ""


def _page(port: int, stage: Stage) -> list[str]:
    """The status page lives and names every job."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            page = answer.read().decode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            alive = json.load(answer)["alive"]
    except OSError as error:
        return [f"the status page does not answer: {error}"]
    (stage.out / "status.html").write_text(page, encoding="utf-8")
    missing = [
        name for name in ("daily_health", *JOBS) if name not in page and name.replace("_", " ") not in page.lower()
    ]
    return ([f"the status page does not name {', '.join(missing)}"] if missing else []) + (
        [] if alive else ["/healthz is red"]
    )


def _middle(values: list[float]) -> float:
    return values[len(values) // 2] if values else float("nan")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
