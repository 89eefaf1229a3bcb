"""What the cost scan says: one anomaly with its dollars, its reason and where it stands in its life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Kind(StrEnum):
    """What the excess looks like so far; it may be told better on a later morning."""

    SPIKE = "spike"
    STEP = "step"
    LEAK = "leak"
    NEW = "new"
    WEEKEND = "weekend"
    COMMITMENT = "commitment"
    DROP = "drop"


class State(StrEnum):
    """OPENED, GROWING and OVER are said once, on the morning they become true; OPEN is everything between."""

    OPENED = "opened"
    OPEN = "open"
    GROWING = "growing"
    OVER = "over"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCause:
    """One leaf of the excess and its share of it, 0 to 1."""

    account: str
    service: str
    region: str
    usage_type: str
    share: float
    impact: float
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Cost that its own past does not explain.

    `actual`, `expected` and `impact` are dollars from `start` to `last`, both days included; `daily` is the excess of
    the last days, per day. `confidence` is 0 to 1. `causes` come largest first; `also` are services that rise along
    with the cause and are not counted in the dollars. `score` is the excess in units of what would still be chance.
    """

    id: str
    kind: Kind
    state: State
    account: str
    service: str
    start: date
    last: date
    actual: float
    expected: float
    impact: float
    daily: float
    confidence: float
    score: float
    causes: tuple[RootCause, ...]
    also: tuple[str, ...]
    why: str

    @property
    def news(self) -> bool:
        """Whether people should be told this morning; a drop is listed and told to nobody."""
        return self.kind is not Kind.DROP and self.state in (State.OPENED, State.GROWING)
