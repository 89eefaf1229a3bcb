"""What a judgement of waste ends as: a saving with its computation, or the reason why none can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from opsbot.model.finding import Evidence

LONGEST = 60
"""Days: for so long CloudWatch keeps points of five minutes, and nobody waits longer."""


class Confidence(StrEnum):
    """HIGH: nobody uses it. MEDIUM: very likely, or the figure is an estimate. LOW: look before you act."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """`usd_month` by list price, None where no price is known; `how` is the computation in words."""

    summary: str
    how: str
    confidence: Confidence
    usd_month: float | None
    evidence: Evidence = ()


@dataclass(frozen=True, slots=True)
class Left:
    """It was not judged, and why; equal reasons are told once."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thrift:
    """What counts as waste. Percents, days and USD a month; `days` is how far back use is looked for.

    Below `least_usd` a saving is not told alone but added up with others of its kind. `logs_days` is the retention
    that the saving of log groups is computed with. `coverage` is the share of compute under a commitment below which
    that is told, where on-demand use is worth at least `coverage_usd` a month.
    """

    # A job's settings may hold one: a key that is no limit is a mistake there.
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    days: int = 7
    cpu: float = 5.0
    burst: float = 40.0
    network_gb: float = 50.0
    snapshot_days: int = 180
    logs_days: int = 90
    least_usd: float = 1.0
    coverage: float = 0.6
    coverage_usd: float = 200.0
    prices: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.days <= LONGEST:
            raise ValueError(f"expected days from 1 to {LONGEST}, got {self.days}")
        limits = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "prices"}
        for name, value in {**limits, **self.prices}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: expected a number of 0 or more, got {value}")
