"""A few environments with written pasts, and a look at what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np

from opsbot.aws.plan import estimate, plan
from opsbot.checks.capacity import CapacitySettings, Forecasts, forecast
from opsbot.evaluate.costdata.ports import Bills, Costs
from opsbot.evaluate.trend.ports import Trends
from opsbot.job import Context
from opsbot.model.budget import OwnBudget
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.period import last
from opsbot.model.resource import Gap, Inventory, Resource
from opsbot.model.run import Usage
from opsbot.ports import Ask, CustomMetric, Estimate, Looking, MetricQuery, Reading
from opsbot.samples import Grid, Values, aligned

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
GIB = float(2**30)
HOME = Environment(name="prod", regions=("eu-central-1",), account_id="123456789012", tenant="acme", tier="production")

Course = Callable[[Values], Values]
"""The value of a series by days before NOW (0 is today)."""


@dataclass
class Written:
    """A Cloud whose series are functions of the day: `courses` by metric name, with " <resource>" behind it for one."""

    resources: tuple[Resource, ...]
    courses: Mapping[str, Course] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    anchor: datetime = NOW
    asked: list[Ask] = field(default_factory=list)

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        for one in environments:
            seen = tuple(resource for resource in self.resources if resource.kind in kinds)
            yield Inventory(environment=one.name, taken_at=now, resources=seen, gaps=self.gaps)

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        return estimate(plan(asks))

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        self.asked += asks
        for ask in asks:
            yield tuple(self._reading(ask, step) for step in sorted({query.period for query in ask.queries}))

    def usage(self) -> Usage:
        return Usage()

    def _reading(self, ask: Ask, step: int) -> Reading:
        start, width = aligned(ask.window, step)
        days = (self.anchor.timestamp() // 86_400) - (start + step * np.arange(width)) // 86_400
        queries = [query for query in dict.fromkeys(ask.queries) if query.period == step]
        gaps = {query: self.refused[query.name] for query in queries if query.name in self.refused}
        read = [query for query in queries if query not in gaps]
        rows = [self._row(query, days.astype(float)) for query in read]
        values = np.vstack(rows) if rows else np.empty((0, width))
        places = {query: place for place, query in enumerate(read)}
        return Reading(ask=ask, grid=Grid(start=start, step=step, values=values), rows=places, gaps=gaps)

    def _row(self, query: MetricQuery, days: Values) -> Values:
        names = [f"{query.name} {value}" for _, value in query.dimensions]
        course = next((self.courses[name] for name in (*names, query.name) if name in self.courses), None)
        return np.full(days.size, np.nan) if course is None else course(days)


def resource(kind: str, name: str = "one", *, dimension: str = "Name", **facts: str | float) -> Resource:
    known = tuple(sorted(facts.items()))
    return Resource(kind=kind, name=name, region="eu-central-1", dimensions=((dimension, name),), facts=known)


def database(name: str = "db", allocated: float = 500, **facts: str | float) -> Resource:
    known: dict[str, str | float] = {"engine": "postgres", "allocated_bytes": allocated * GIB, "max_connections": 400.0}
    return resource("rds-instance", name, dimension="DBInstanceIdentifier", **{**known, **facts})


def straight(now: float, per_day: float = 0.0, noise: float = 0.0, *, days: int = 400) -> Course:
    """A line that is `now` today, with noise that the same day always has, for so many days."""

    def course(ago: Values) -> Values:
        drawn = np.random.default_rng(7).normal(size=3000)[ago.astype(int) + 10]
        values: Values = np.where(ago <= days, now - per_day * ago + noise * drawn, np.nan)
        return values

    return course


def free(used: Course, allocated: float = 500) -> Course:
    """FreeStorageSpace of a database that uses so many GiB."""
    return lambda ago: (allocated - used(ago)) * GIB


def look(
    cloud: Written,
    *,
    trends: Trends | None = None,
    costs: Costs | None = None,
    bills: Bills | None = None,
    budgets: tuple[OwnBudget, ...] = (),
    now: datetime = NOW,
    environment: Environment = HOME,
    **settings: object,
) -> Forecasts:
    looking = Looking(cloud=cloud, trends=trends, costs=costs, bills=bills, budgets=budgets)
    context = Context(now=now, window=last(days=90, now=now), environments=(environment,), checks={}, looking=looking)
    return forecast(context, CapacitySettings.model_validate(settings))


def found(forecasts: Forecasts, check: str) -> Finding:
    (one,) = [one for one in forecasts.findings if one.check == check]
    return one


def evidence(finding: Finding) -> dict[str, object]:
    return dict(finding.evidence)


def in_days(text: object) -> int:
    return (date.fromisoformat(str(text)) - NOW.date()).days


def later(days: int) -> datetime:
    return NOW + timedelta(days=days)
