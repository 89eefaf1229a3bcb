"""A Cloud that answers from written series: what `observe` looks at when no AWS is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from opsbot.job import Context
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.model.resource import Gap, Inventory, Resource
from opsbot.model.run import Usage
from opsbot.model.status import Status
from opsbot.ports import Ask, CustomMetric, Estimate, Looking, MetricQuery, Reading
from opsbot.samples import Grid, Values, aligned
from tests.series import points

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
DAY = Period(start=NOW - timedelta(hours=24), end=NOW)


@dataclass
class Estate:
    """One environment's resources and gaps; None stands for an environment that nothing comes back for."""

    resources: tuple[Resource, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass
class WrittenCloud:
    """`series` maps "Namespace Name", with " <resource>" behind it for one of several, to a row in promtool's notation.

    A row's last item is the newest settled or unsettled point of the window; missing points stand before its first.
    `refused` maps the same names to why they cannot be read; `lost` regions never answer.
    """

    estates: Mapping[str, Estate]
    series: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    asked: list[Ask] = field(default_factory=list)
    wanted: list[tuple[frozenset[str], frozenset[CustomMetric]]] = field(default_factory=list)

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        self.wanted.append((kinds, custom))
        for environment in reversed(environments):
            estate = self.estates.get(environment.name)
            if estate is not None:
                yield Inventory(
                    environment=environment.name, taken_at=now, resources=estate.resources, gaps=estate.gaps
                )

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        metrics = sum(len(ask.queries) for ask in asks)
        return Estimate(calls=(), metrics=metrics, datapoints=0, usd=metrics / 100_000)

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        self.asked += asks
        for ask in reversed(asks):
            if ask.region not in self.lost:
                steps = sorted({query.period for query in ask.queries})
                yield tuple(self._reading(ask, step) for step in steps)

    def usage(self) -> Usage:
        return Usage()

    def _reading(self, ask: Ask, step: int) -> Reading:
        start, width = aligned(ask.window, step)
        queries = list(dict.fromkeys(query for query in ask.queries if query.period == step))
        gaps = {query: why for query in queries if (why := self._written(self.refused, query, ask))}
        read = [query for query in queries if query not in gaps]
        rows = [self._row(query, ask, width) for query in read]
        values = np.vstack(rows) if rows else np.empty((0, width))
        grid = Grid(start=start, step=step, values=values)
        return Reading(ask=ask, grid=grid, rows={query: place for place, query in enumerate(read)}, gaps=gaps)

    def _row(self, query: MetricQuery, ask: Ask, width: int) -> Values:
        written = points(self._written(self.series, query, ask) or "_")[-width:]
        return np.concatenate([np.full(width - len(written), np.nan), written])

    def _written(self, table: Mapping[str, str], query: MetricQuery, ask: Ask) -> str | None:
        metric = f"{query.namespace} {query.name}"
        places = [ask.environment.name, *(value for _, value in query.dimensions)]
        return next((table[key] for place in places if (key := f"{metric} {place}") in table), table.get(metric))


def environment(name: str = "dhbw-prod", **more: object) -> Environment:
    known: dict[str, object] = {
        "regions": ("eu-central-1",),
        "account_id": "123456789012",
        "tenant": "dhbw",
        "tier": "production",
    }
    return Environment(name=name, **{**known, **more})  # type: ignore[arg-type]


def context(
    cloud: WrittenCloud,
    checks: Sequence[Check] | Mapping[str, tuple[Check, ...]],
    environments: Sequence[Environment] = (),
    *,
    now: datetime = NOW,
    window: Period = DAY,
    history: Mapping[str, Status] | None = None,
) -> Context:
    """A job's context around a cloud; without environments there is one, named dhbw-prod."""
    chosen = tuple(environments) or (environment(),)
    table = dict(checks) if isinstance(checks, Mapping) else {one.name: tuple(checks) for one in chosen}
    return Context(
        now=now,
        window=window,
        environments=chosen,
        checks=table,
        looking=Looking(cloud=cloud, history=history or {}),
    )
