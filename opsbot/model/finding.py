"""The waist: whatever opsbot looks at ends as a Finding, and reports, alerts and metrics all begin from one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.model.environment import Labels
from opsbot.model.status import Status
from opsbot.model.units import Unit

Plain = str | int | float | bool | None
Pairs = tuple[tuple[str, Plain], ...]
"""One of several things of a kind, such as a cause with its share: an object in JSON."""
Evidence = tuple[tuple[str, "Plain | tuple[Plain, ...] | tuple[Pairs, ...]"], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points for a chart: `times` in epoch seconds, evenly spaced; `values` in the finding's unit, None where no datum was.

    `judged` is how many of them were settled when they were judged; the rest is drawn only.
    """

    times: range
    values: tuple[float | None, ...]
    judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check says of one resource at one moment. `since` starts the unbroken breach the samples show.

    `value` is in `unit` and is the one that was judged. `rule` is the rule that spoke, as its author wrote it;
    `limit` its threshold in `unit`. `summary` is one sentence without the environment's name. Severity is never
    part of the key: a warning that becomes critical is the same finding, worse.
    """

    check: str
    environment: str
    resource: str
    status: Status
    at: datetime
    unit: Unit
    title: str
    area: str
    since: datetime | None = None
    hold: timedelta = timedelta(0)
    value: float | None = None
    limit: float | None = None
    rule: str = ""
    summary: str = ""
    means: str = ""
    labels: Labels = ()
    runbook: str | None = None
    owner: str = ""
    evidence: Evidence = ()
    series: Series | None = None

    @property
    def key(self) -> str:
        return f"{self.environment}/{self.check}/{self.resource}"

    @property
    def by_day(self) -> bool:
        """Whether it is of whole days in UTC, such as those of a bill: `since` is then the midnight of the first one."""
        return any(name == "start_day" for name, _ in self.evidence)

    def label(self, name: str) -> str:
        return next((value for key, value in self.labels if key == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """One thing expected and not evaluated, with the reason."""

    environment: str
    check: str
    resource: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of what was expected could be judged: always printed, because silence is not health."""

    expected: int
    evaluated: int
    missing: tuple[Absent, ...] = ()

    @classmethod
    def of(cls, findings: tuple[Finding, ...]) -> Coverage:
        blind = tuple(
            Absent(environment=f.environment, check=f.check, resource=f.resource, why=f.summary)
            for f in findings
            if f.status is Status.UNKNOWN
        )
        return cls(expected=len(findings), evaluated=len(findings) - len(blind), missing=blind)

    @property
    def share(self) -> float:
        return self.evaluated / self.expected if self.expected else 0.0
