"""One execution of a job, and what it used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run asked of AWS: calls by `service:Operation`, metrics asked (what CloudWatch bills), datapoints read, USD."""

    calls: tuple[tuple[str, int], ...] = ()
    metrics: int = 0
    datapoints: int = 0
    usd: float = 0.0
    throttled: int = 0


class RunState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`scheduled_for` is None for a run by hand; `verdict` and `headline` are empty until it ended."""

    id: str
    job: str
    started_at: datetime
    at: datetime
    state: RunState
    scheduled_for: datetime | None = None
    finished_at: datetime | None = None
    attempt: int = 1
    verdict: str = ""
    headline: str = ""
    error: str = ""
    usage: Usage = Usage()
