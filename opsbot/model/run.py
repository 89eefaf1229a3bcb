"""One execution of a job, what it used, and where it stands in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run asked of AWS: calls by `service:Operation`, metrics asked (what CloudWatch bills), datapoints read, USD,
    bytes of logs scanned."""

    calls: tuple[tuple[str, int], ...] = ()
    metrics: int = 0
    datapoints: int = 0
    usd: float = 0.0
    throttled: int = 0
    log_bytes: float = 0.0


class RunState(StrEnum):
    """Where a run stands. QUEUED and RUNNING move on; the others are the end of it.

    SKIPPED never ran, by a rule that `reason` names. LOST was begun and nobody knows how it ended, as often as it
    may be tried. CANCELLED was ended by a person or by a newer run. TIMED_OUT ran past its deadline.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def ended(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


class Cause(StrEnum):
    """Why a run exists: its schedule, its schedule after the moment had passed, or a person."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch-up"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`scheduled_for` is None for a run by hand; `verdict` and `headline` are empty until it ended.

    `attempt` is the fence: whoever holds an older one has lost the run and may commit nothing. While QUEUED it is the
    number of attempts made so far, and `not_before` holds a retry back. `owner` is the worker that has it, until
    `lease_until`. `reason` says in words why it was skipped, is retried or ended otherwise than by itself.
    `cpu_seconds` and `peak_rss` (bytes) are the whole process group's; `log` names the file with what it printed.
    """

    id: str
    job: str
    queued_at: datetime
    at: datetime
    state: RunState
    cause: Cause = Cause.MANUAL
    scheduled_for: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_before: datetime | None = None
    attempt: int = 1
    owner: str = ""
    lease_until: datetime | None = None
    reason: str = ""
    verdict: str = ""
    headline: str = ""
    error: str = ""
    usage: Usage = Usage()
    exit_code: int | None = None
    cpu_seconds: float = 0.0
    peak_rss: int = 0
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a run. `outcome` is "" while it lasts, or for ever if its worker died; else a RunState or "retried"."""

    n: int
    owner: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    exit_code: int | None = None
    cpu_seconds: float = 0.0
    peak_rss: int = 0
    error: str = ""
