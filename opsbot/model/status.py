"""How bad something is (Status), what a reader must do about it (Verdict), how fast a human must come (Priority)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What a reader must do: act, look, nothing; or opsbot cannot tell."""

    OK = "ok"
    NO_DATA = "no-data"
    ATTENTION = "attention"
    ACTION = "action"


class Status(StrEnum):
    """How bad one finding is. UNKNOWN outranks WARNING: blindness is worse than a known slight trouble."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return _RANK[self]

    @property
    def verdict(self) -> Verdict:
        return _VERDICT[self]


_RANK = {status: place for place, status in enumerate(Status)}
_VERDICT = {
    Status.OK: Verdict.OK,
    Status.INFO: Verdict.OK,
    Status.WARNING: Verdict.ATTENTION,
    Status.UNKNOWN: Verdict.NO_DATA,
    Status.CRITICAL: Verdict.ACTION,
}
_VERDICT_RANK = {Verdict.OK: 0, Verdict.NO_DATA: 1, Verdict.ATTENTION: 2, Verdict.ACTION: 3}


def worst(statuses: Iterable[Status]) -> Status:
    """The status of a group: its worst member's; OK for an empty one."""
    return max(statuses, key=lambda status: status.rank, default=Status.OK)


def verdict_of(statuses: Iterable[Status]) -> Verdict:
    """A report's verdict: its worst item's. A known trouble is named before a blind spot, and a blind spot is never OK."""
    return max((status.verdict for status in statuses), key=_VERDICT_RANK.__getitem__, default=Verdict.OK)


class Priority(StrEnum):
    """How fast a human must come; given by a route, never by a check."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
