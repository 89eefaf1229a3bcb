"""What a file in `jobs/` declares: `job = Job(...)`. Its name is the file's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.period import Period
from opsbot.model.report import Report
from opsbot.model.uptime import Flip
from opsbot.ports import Looking

if TYPE_CHECKING:
    # The daemon reads schedules from job files and must not pay for numpy.
    from opsbot.evaluate.trend.ports import Forecast


class Settings(BaseModel):
    """A job's own settings: fields with types and defaults, set in `[jobs.<name>]` or with `--set`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoSettings(Settings):
    """A job with nothing to set."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """All a job may look at: read-only. `checks` are resolved per environment (overrides applied), `window` is what is judged.

    `flips` are what this run was called for, if probes changed their standing; a run on its schedule has none. `zone` is
    the one that people read times in.
    """

    now: datetime
    window: Period
    environments: tuple[Environment, ...]
    checks: dict[str, tuple[Check, ...]] = field(hash=False)
    looking: Looking
    flips: tuple[Flip, ...] = ()
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job returns: findings (the OK ones too, they are the coverage) and perhaps a report. `flips` are those of its
    context that it tells of: nobody else will. `forecasts` are kept, so that they can be held against what happened."""

    findings: tuple[Finding, ...] = ()
    report: Report | None = None
    flips: tuple[Flip, ...] = ()
    forecasts: tuple[Forecast, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[S]):
    """`schedule` is five cron fields with weekday names. `window` is how far back the job judges. `parts`: it asks for
    metrics more than once, whatever the first answer was, so that an estimate goes on to its end; it keeps nothing on its way."""

    run: Callable[[Context, S], Outcome]
    schedule: str
    settings: type[S]
    window: timedelta = timedelta(hours=24)
    timeout: timedelta = timedelta(minutes=10)
    parts: bool = False
