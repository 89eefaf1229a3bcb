"""What the last capacity run said, read from what was noted: nothing is forecast again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta

from opsbot.checks.capacity.source import Source
from opsbot.checks.capacity.sources import SOURCES
from opsbot.evaluate.trend.ports import Forecast
from opsbot.job import Context
from opsbot.model.status import Status

FRESH = timedelta(days=10)
ACT_WITHIN, LIKELY, WORTH = timedelta(days=14), 0.5, 0.1
_CHECK = "capacity-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """One forecast with what it is of. `act_by` is the likeliest day less what it takes to get more."""

    environment: str
    resource: str
    source: Source
    said: Forecast
    act_by: date | None
    status: Status

    @property
    def share(self) -> float | None:
        """Percent of the limit that is used."""
        return 100.0 * self.said.current / self.said.limit if self.said.limit > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlooks:
    """`made` is the day of the newest forecast, None where none is kept or it is too old. `near` are those that get there
    within ninety days with odds worth a word, the soonest first; `of` is how many were made."""

    made: date | None = None
    near: tuple[Filling, ...] = ()
    of: int = 0
    kept: bool = True


def outlooks(ctx: Context) -> Outlooks:
    """Of the environments in question. Raises StoreError."""
    if ctx.looking.trends is None:
        return Outlooks(kept=False)
    today = ctx.now.astimezone(UTC).date()
    mine = {one.name for one in ctx.environments}
    said = {one.key: one for one in ctx.looking.trends.noted(today - FRESH, today) if one.key.partition("/")[0] in mine}
    if not said:
        return Outlooks()
    found = [filling for one in said.values() if (filling := _filling(one, today))]
    near = [one for one in found if one.status is not Status.OK or one.said.p_breach_90d >= WORTH]
    return Outlooks(made=max(one.made for one in said.values()), near=tuple(sorted(near, key=_soonest)), of=len(found))


def _soonest(one: Filling) -> tuple[int, date, float, str]:
    return -one.status.rank, one.said.p50 or date.max, -one.said.p_breach_90d, one.said.key


def _filling(one: Forecast, today: date) -> Filling | None:
    environment, _, rest = one.key.partition("/")
    check, _, resource = rest.partition("/")
    source = SOURCES.get(check.removeprefix(_CHECK))
    if source is None or one.limit <= 0:
        return None
    act_by = None if one.p50 is None else one.p50 - timedelta(days=source.lead)
    return Filling(
        environment=environment, resource=resource, source=source, said=one, act_by=act_by,
        status=_status(one, act_by, today),
    )  # fmt: skip


def _status(one: Forecast, act_by: date | None, today: date) -> Status:
    """As the capacity job judges, from what it noted."""
    if one.current >= one.limit or (act_by is not None and act_by <= today):
        return Status.CRITICAL
    if one.p_breach_30d >= LIKELY or (act_by is not None and act_by <= today + ACT_WITHIN):
        return Status.WARNING
    return Status.OK
