"""What can be set in `[jobs.capacity_trends]`."""

from __future__ import annotations

import re
from difflib import get_close_matches

from pydantic import Field, field_validator

from opsbot.checks.capacity.sources import SOURCES
from opsbot.job import Settings
from opsbot.model.units import Unit, convert, suffixes

NAMES = tuple(SOURCES)
_AMOUNT = re.compile(r"\s*\$?\s*(?P<number>\d[\d,]*(?:\.\d+)?)\s*(?P<suffix>%|\$|[A-Za-z]+)?\s*")


class OwnLimit(Settings):
    """A limit that AWS does not know: for resources whose `environment/name` fits the glob `where`."""

    where: str = "*"
    metric: str
    limit: float | str

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str) -> str:
        return _named(name)

    @property
    def amount(self) -> float:
        """In the unit of the metric."""
        return amount(self.limit, SOURCES[self.metric].unit)


class CapacitySettings(Settings):
    """`skip`: what is not looked at. `lead_days`: how long it takes to get more of something. `days`: how far back the
    first run asks. `log_groups`: the largest of so many in each environment are followed."""

    days: int = Field(default=455, ge=30, le=455)
    act_within_days: int = Field(default=14, ge=1, le=180)
    skip: tuple[str, ...] = ()
    lead_days: dict[str, int] = Field(default_factory=dict)
    limits: tuple[OwnLimit, ...] = ()
    log_groups: int = Field(default=20, ge=0, le=1000)

    @field_validator("skip")
    @classmethod
    def _all_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_named(name) for name in names)

    @field_validator("lead_days")
    @classmethod
    def _leads(cls, leads: dict[str, int]) -> dict[str, int]:
        for name, days in leads.items():
            _named(name)
            if not 0 <= days <= 180:
                raise ValueError(f"expected 0 to 180 days for {name}, got {days}")
        return leads

    @field_validator("limits")
    @classmethod
    def _amounts(cls, limits: tuple[OwnLimit, ...]) -> tuple[OwnLimit, ...]:
        for own in limits:
            if own.amount <= 0:
                raise ValueError(f"expected a limit above zero for {own.metric}, got {own.limit!r}")
        return limits

    def lead(self, name: str) -> int:
        """Days from a decision until there is more."""
        return self.lead_days.get(name, SOURCES[name].lead)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in NAMES if name not in self.skip)


def amount(limit: float | str, unit: Unit) -> float:
    """`500 GiB`, `$2,000`, `80 %` or a bare number in the unit. Raises ValueError that says what was expected."""
    if not isinstance(limit, str):
        return float(limit)
    found = _AMOUNT.fullmatch(limit)
    if found is None:
        known = ", ".join(suffixes(unit)) or "no suffix"
        raise ValueError(f"expected a number with {known}, got {limit!r}")
    return convert(float(found["number"].replace(",", "")), found["suffix"] or "", unit)


def _named(name: str) -> str:
    if name not in SOURCES:
        near = get_close_matches(name, NAMES, n=1)
        offer = f'; did you mean "{near[0]}"?' if near else ""
        raise ValueError(f"expected one of {', '.join(NAMES)}; got {name!r}{offer}")
    return name
