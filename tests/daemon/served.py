"""`opsbot serve` as a real process in a home of the test's: its page, its log, its ledger, its signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from opsbot.model.run import Cause, Run, RunState
from opsbot.store import open_store
from opsbot.store.sql import SqlStore

PATIENCE = 40.0
JOB = '''"""A job of a test."""
from opsbot.api import Context, Job, NoSettings, Outcome, Report, last


def run(ctx: Context, settings: NoSettings) -> Outcome:
    {body}
    return Outcome(report=Report(title="Test", period=last(hours=1, now=ctx.now), sections=(), headline="It ran"))


job = Job(run=run, schedule="0 0 1 1 *", settings=NoSettings)
'''
CONFIG = """
[[environments]]
name = "shop-prod"
regions = ["eu-central-1"]

[web]
listen = "127.0.0.1:0"
"""


def make_home(folder: Path, more: str = "", **bodies: str) -> Path:
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(CONFIG + more)
    for name, body in bodies.items():
        (folder / "jobs" / f"{name}.py").write_text(JOB.format(body=body))
    return folder


def wait_for(what: Callable[[], Any], told: Callable[[], str] = str) -> Any:
    """What it gives as soon as it gives anything."""
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while not (found := what()):
        assert time.monotonic() < end, f"it never came: {told()}"
        pause.wait(0.05)
    return found


def command(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "opsbot", "--home", str(home), *words]


@dataclass
class Served:
    """A daemon that was started; `log` is what it wrote to stderr."""

    home: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def heartbeat(self) -> dict[str, Any]:
        try:
            told: dict[str, Any] = json.loads((self.home / "var" / "daemon.json").read_text())
        except (OSError, ValueError):
            return {}
        return told if told["pid"] == self.process.pid else {}

    def wait_until_ready(self) -> Served:
        wait_for(lambda: self.heartbeat.get("ready") or self.process.poll() is not None, self.said)
        assert self.process.poll() is None, self.said()
        return self

    def said(self) -> str:
        """Its last words, without what the interpreter tells of imports."""
        lines = [line for line in self.log.read_text().splitlines() if not line.startswith("import time:")]
        return "\n".join(lines[-30:])

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """The log's lines of this event."""
        told = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in told if not event or line["event"] == event]

    def imported(self) -> set[str]:
        """The packages it imported, if it was begun with `-X importtime`."""
        told = [line for line in self.log.read_text().splitlines() if line.startswith("import time:")]
        return {line.rpartition("|")[2].strip().partition(".")[0] for line in told}

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.heartbeat["page"] + path, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    @cached_property
    def store(self) -> SqlStore:
        return open_store(f"sqlite:///{self.home}/var/opsbot.db")

    def queue(self, job: str, id: str, cause: Cause = Cause.SCHEDULE) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        self.store.ledger().add(Run(id=id, job=job, queued_at=now, at=now, state=RunState.QUEUED, cause=cause))

    def run(self, id: str) -> Run:
        found = self.store.run(id)
        assert found is not None
        return found

    def wait_for_run(self, id: str, state: RunState) -> Run:
        found: Run = wait_for(lambda: (run := self.run(id)).state is state and run, self.said)
        return found


def begin(home: Path, *python: str) -> Served:
    log = home / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *python, *command(home, "--log-format", "json", "serve")[1:]], stderr=file, stdout=file, start_new_session=True,
            env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
        )  # fmt: skip
    return Served(home, process, log)


@contextmanager
def served(home: Path, *python: str) -> Iterator[Served]:
    """A daemon that is ready; it is gone at the end, whatever happened. `python` are options of the interpreter."""
    daemon = begin(home, *python)
    try:
        yield daemon.wait_until_ready()
    except BaseException:
        print(daemon.said())
        raise
    finally:
        if daemon.process.poll() is None:
            daemon.tell(signal.SIGKILL)
            daemon.wait()
        daemon.store.close()
