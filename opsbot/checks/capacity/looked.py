"""All that the capacity job found out, before it is written up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from opsbot.checks.capacity.judge import Judged
from opsbot.checks.capacity.settings import CapacitySettings
from opsbot.evaluate.trend.ports import Forecast
from opsbot.evaluate.trend.record import Record
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.resource import Resource
from opsbot.ports import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """`findings` are all of them, `noted` what the track record keeps of this run. `judged` are sorted by time left,
    `loose` are volumes that nothing is attached to. `asked` is what the missing history cost."""

    findings: tuple[Finding, ...]
    noted: tuple[Forecast, ...]
    judged: tuple[Judged, ...]
    loose: tuple[tuple[Environment, Resource], ...]
    record: Record
    asked: Estimate
    kept: int
    now: datetime
    today: date
    zone: str
    settings: CapacitySettings

    @property
    def limited(self) -> Sequence[Judged]:
        """What has a limit and a forecast, or is at its limit already: by time left."""
        return [one for one in self.judged if one.limit is not None and (one.forecast or one.over)]

    @property
    def endless(self) -> Sequence[Judged]:
        """What has no limit but its price, the dearest growth first."""
        found = [one for one in self.judged if one.limit is None and one.forecast]
        return sorted(found, key=lambda one: (-one.more_usd, one.track.key))

    @property
    def untold(self) -> Sequence[Judged]:
        """What could not be forecast."""
        return [one for one in self.judged if one.why and not one.over]
