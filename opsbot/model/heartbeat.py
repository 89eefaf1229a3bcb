"""What somebody else's job last said by calling its address: started, ended well, ended badly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Beat(StrEnum):
    """What a call says."""

    OK = "ok"
    START = "start"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """`known` is since when it is awaited. `at` and `ok` are of the last end that was told, None before the first;
    `started` of a run that has not ended since. `seconds` is from start to end, None if no start was told. `said` is the
    beginning of what was sent along, redacted."""

    probe: str
    known: datetime
    at: datetime | None = None
    ok: bool = True
    exit_code: int | None = None
    started: datetime | None = None
    seconds: float | None = None
    said: str = ""
