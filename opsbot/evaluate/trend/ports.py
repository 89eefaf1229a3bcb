"""The port of trends: the settled past of whatever may run full, kept longer than AWS keeps it, and what was forecast.

It stands here and not in `opsbot.ports` because the daemon imports that, and this brings numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from opsbot.samples import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One series of daily values: `values[0]` is of the day `first` (UTC), NaN where AWS had nothing.

    `key` names the series for good (environment, kind, resource, metric), `unit` is the values' unit as in model.units.
    """

    key: str
    first: date
    values: Values
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What was said of one series on the day `made`: the odds, the days, and the value and limit it was said from."""

    key: str
    made: date
    current: float
    limit: float
    p_breach_30d: float
    p_breach_90d: float
    p10: date | None
    p50: date | None
    p90: date | None


class Trends(Protocol):
    """Settled days and past forecasts. Raises StoreError."""

    def settle(self, series: Sequence[Settled]) -> None:
        """Keep these days; those given before are replaced only where they were NaN. Idempotent."""

    def settled(self, keys: Collection[str], since: date) -> Mapping[str, Settled]:
        """By key, from the first day kept at or after `since`; keys never kept are absent."""

    def note(self, forecasts: Sequence[Forecast]) -> None:
        """Keep what was said; the newest of a key and day wins."""

    def noted(self, since: date, until: date) -> tuple[Forecast, ...]:
        """Forecasts made in [since, until], by key and day."""
