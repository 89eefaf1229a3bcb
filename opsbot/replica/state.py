"""What changes while the embedded AWS runs: sessions, published data, quotas, faults and the tally of calls."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opsbot.replica.doings import Doings
from opsbot.replica.faults import Faults
from opsbot.replica.limits import Limits
from opsbot.replica.published import Published

if TYPE_CHECKING:
    from opsbot.replica.bill import Books


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Credentials that AssumeRole issued."""

    access_key: str
    account: str
    role_arn: str
    name: str
    role_id: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What was published through SNS: `text` by kind of subscriber, `once` is its deduplication id."""

    id: str
    at: datetime
    topic: str
    phone: str
    subject: str
    text: dict[str, str]
    group: str
    once: str
    attributes: dict[str, str]


@dataclass(slots=True)
class Tally:
    """Counts what was asked; read by benchmarks and tests through the control endpoint."""

    calls: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    points: int = 0
    queries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, operation: str) -> None:
        with self._lock:
            self.calls[operation] += 1

    def fault(self, operation: str, code: str) -> None:
        with self._lock:
            self.faults[code] += 1
            if code.startswith("Throttling"):
                self.throttled[operation] += 1

    def not_known(self, operation: str) -> None:
        with self._lock:
            self.unknown.append(operation)

    def answered(self, *, queries: int, points: int) -> None:
        with self._lock:
            self.queries += queries
            self.points += points

    def snapshot(self) -> dict[str, Any]:
        """The counts as plain values."""
        with self._lock:
            return {
                "calls": dict(sorted(self.calls.items())),
                "throttled": dict(sorted(self.throttled.items())),
                "faults": dict(sorted(self.faults.items())),
                "unknown": list(self.unknown),
                "points": self.points,
                "queries": self.queries,
            }


@dataclass(slots=True)
class State:
    """Everything that changes, in one place; each part guards itself."""

    published: Published = field(default_factory=Published)
    limits: Limits = field(default_factory=Limits)
    faults: Faults = field(default_factory=Faults)
    tally: Tally = field(default_factory=Tally)
    sessions: dict[str, Session] = field(default_factory=dict)
    doings: Doings = field(default_factory=Doings)
    trail_delay: timedelta = timedelta(0)
    """How long until CloudTrail tells of what callers did; nothing where time stands still."""
    publications: list[Publication] = field(default_factory=list)
    books: Books | None = None
    """The bills, once anybody asked for one: reckoning a month takes a while."""
