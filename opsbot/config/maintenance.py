"""`[[maintenance]]`: planned work in which probes and checks go on, and nobody is told of new trouble."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from opsbot.config.serving import Globs, Moment
from opsbot.config.types import Length, Name, Schedule, Table, Text
from opsbot.model.maintenance import Maintenance
from opsbot.model.period import show_duration

LONGEST = timedelta(days=14)


def _bounded(length: timedelta) -> timedelta:
    if length > LONGEST:
        raise ValueError(f"expected at most {show_duration(LONGEST)}, got {show_duration(length)}")
    return length


class MaintenanceTable(Table):
    """Planned work: one window, or one that comes again. Probing and checking go on; new trouble in it is excused."""

    name: Name = Field(description="What reports call it; unique.", examples=["db-move"])
    reason: Text = Field(description="Shown wherever something is excused for it.", examples=["move to Aurora 17"])
    owner: Text | None = Field(default=None, description="Who does the work.", examples=["team-data"])
    environments: Globs = Field(
        default=("*",), description="Where: names or globs of environments.", examples=[["shop-*"]]
    )
    probes: Globs = Field(
        default=(),
        description="Names or globs of probes. With neither these nor `checks` it covers all of both.",
        examples=[["api-*"]],
    )
    checks: Globs = Field(default=(), description="Names or globs of checks.", examples=[["rds-*"]])
    start: Moment | None = Field(
        default=None,
        description="With its offset from UTC; of a single window.",
        examples=["2026-12-05T22:00:00+01:00"],
    )
    end: Moment | None = Field(
        default=None, description="With its offset from UTC; not part of it.", examples=["2026-12-06T04:00:00+01:00"]
    )
    schedule: Schedule | None = Field(
        default=None,
        description="Five cron fields, in `timezone`: when it begins, if it comes again; instead of `start` and `end`.",
        examples=["0 2 * * SUN"],
    )
    length: Annotated[Length, AfterValidator(_bounded)] | None = Field(
        default=None, description="How long it takes each time, in time that passes; with `schedule`.", examples=["4h"]
    )


def windows(tables: Iterable[MaintenanceTable], zone: str) -> tuple[Maintenance, ...]:
    """The same as values; `zone` is the one in which schedules are read."""
    return tuple(
        Maintenance(
            name=table.name,
            reason=table.reason,
            owner=table.owner or "",
            environments=table.environments,
            probes=table.probes,
            checks=table.checks,
            start=table.start,
            end=table.end,
            cron=table.schedule or "",
            zone=zone,
            length=table.length or timedelta(0),
        )
        for table in tables
    )
