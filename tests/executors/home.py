"""A home with jobs that do what jobs should not, its ledger, and the supervisor that a daemon would have."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.executors.local import Ended, Supervisor
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import Clockwork, Overlap
from opsbot.store import open_store
from opsbot.store.sql import SqlStore
from opsbot.timetable import run_id
from tests.outbox.world import fresh
from tests.recording.suite import surroundings

ROOT = Path(__file__).parents[2]

JOB = '''"""A job of a test."""
from opsbot.api import Context, Job, NoSettings, Outcome, Report, last


def run(ctx: Context, settings: NoSettings) -> Outcome:
    report = Report(title="Test", period=last(hours=1, now=ctx.now), sections=(), headline="It ran")
    {body}
    return Outcome(report=report)


job = Job(run=run, schedule="0 7 * * MON-FRI", settings=NoSettings)
'''

CONFIG = """
timezone = "Europe/Berlin"

[[environments]]
name = "shop-prod"
regions = ["eu-central-1"]

[channels.folder]
kind = "file"
folder = "{told}"
format = "email"

[channels.ops]
kind = "slack"
token = "env:NOT_SET_ANYWHERE"
channel = "C0123456"

[jobs.{job}]
channels = ["folder", "ops"]
{more}
"""


def by_the_clock() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Home:
    """One job in a home on disk, told through two channels; nothing is sent."""

    path: Path
    store: SqlStore
    job: str

    @property
    def environ(self) -> dict[str, str]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.path), "OPSBOT_HOME": str(self.path)}
        return own | surroundings()

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "opsbot", "--home", str(self.path), "_exec"]

    def supervisor(self, environ: Mapping[str, str] | None = None, **options: object) -> Supervisor:
        told = {**self.environ, **(environ or {})}
        return Supervisor(self.command, self.path / "logs", environ=told, **options)  # type: ignore[arg-type]

    def due(self, at: datetime, now: datetime | None = None, cause: Cause = Cause.SCHEDULE) -> Run:
        """A run queued for `at`."""
        run = Run(id=run_id(self.job, at), job=self.job, queued_at=now or at, at=at, scheduled_for=at,
                  state=RunState.QUEUED, cause=cause)  # fmt: skip
        self.store.ledger().plan(Clockwork(job=self.job, cursor=at, cron="0 7 * * MON-FRI"), (run,))
        return run

    def claim(self, now: datetime, worker: str = "here:1", lease: float = 30.0) -> Run | None:
        return self.store.ledger().claim(worker, now, lease, {self.job: Overlap.SKIP})

    def claimed(self, at: datetime | None = None, now: datetime | None = None) -> Run:
        """A run due at `at`, begun at `now`."""
        at = at or by_the_clock()
        self.due(at, now)
        run = self.claim(now or at)
        assert run is not None
        return run

    def ran(self, run: Run, timeout: float = 30.0, **options: object) -> Ended:
        """Run it as a child and wait for its end."""
        supervisor = self.supervisor(**options)
        supervisor.start(run, timedelta(seconds=timeout))
        (ended,) = supervisor.ended(60.0)
        return ended

    def log(self, run: Run) -> str:
        return (self.path / "logs" / run.job / f"{run.id}.{run.attempt}.log").read_text()

    def now_in_ledger(self, run: Run) -> Run:
        found = self.store.run(run.id)
        assert found is not None
        return found

    def told(self) -> list[tuple[str, str]]:
        """What each channel has got to say, without what stands below it in a thread."""
        return [(message.channel, message.subject) for message in self.store.messages() if not message.reply_to]


def home(folder: Path, body: str = "", *, job: str = "tested", more: str = "") -> Home:
    (folder / "jobs").mkdir(exist_ok=True)
    (folder / "jobs" / f"{job}.py").write_text(JOB.format(body=body), encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG.format(told=folder / "told", job=job, more=more), encoding="utf-8")
    (folder / "var").mkdir(exist_ok=True)
    fresh(folder / "var" / "opsbot.db").close()
    return Home(path=folder, store=open_store(f"sqlite:///{folder / 'var' / 'opsbot.db'}"), job=job)


def again(run: Run, **changes: object) -> Run:
    return replace(run, **changes)  # type: ignore[arg-type]
