"""When a job runs, and what happens when it cannot: a schedule with its rules, as config.toml and the job file say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum


class CatchUp(StrEnum):
    """What becomes of fires that passed while nobody could run them; those not run are rows with a reason."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a fire while the run before it is still at work."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL = "cancel"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """A span in which nothing fires; `jobs` are globs, () means all."""

    start: datetime
    end: datetime
    reason: str
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """`cron` is read by `opsbot.schedule` in `zone`. `catch_up_max` bounds ALL; a fire older than `catch_up_window` is
    never run. `retries` are attempts beyond the first, `retry_after` doubles with each. `jitter` delays each fire by a
    part of itself that is the same every time. `business_days`: Monday to Friday only; on `holidays` (local dates) it never
    runs."""

    job: str
    cron: str
    zone: str
    timeout: timedelta
    enabled: bool = True
    catch_up: CatchUp = CatchUp.LATEST
    catch_up_max: int = 5
    catch_up_window: timedelta = timedelta(days=7)
    overlap: Overlap = Overlap.SKIP
    retries: int = 1
    retry_after: timedelta = timedelta(minutes=1)
    jitter: timedelta = timedelta(0)
    business_days: bool = False
    holidays: tuple[date, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """What the ledger remembers of a schedule. `cursor` is the last moment whose fires are rows; None: never seen.

    `cron` as it was when the cursor moved: a changed one begins anew. Paused until `paused_until`, by whom and why.
    """

    job: str
    cursor: datetime | None = None
    cron: str = ""
    paused_until: datetime | None = None
    paused_by: str = ""
    pause_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that takes runs. `beat` is when it last said that it lives; `host`:`pid` is where."""

    id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    beat: datetime
    draining: bool = False
