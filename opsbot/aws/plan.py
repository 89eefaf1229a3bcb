"""Asks -> batches -> what they will cost: pure, so that a plan is known and priced before AWS hears of it.

Equal queries are asked once per environment, region and window. A batch never holds more than 500 queries nor, unless
one query alone is larger, more than 100,800 points, so that one call is one page.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from opsbot.aws.price import billed_metrics, usd
from opsbot.model.environment import Environment
from opsbot.ports import Ask, Estimate, MetricQuery
from opsbot.samples import aligned

MAX_QUERIES = 500
MAX_POINTS = 100_800

Place = tuple[str, str]
"""An environment's name and a region."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Everything asked of one region of one environment over one window at one period: one matrix of samples.

    `start` and `step` in seconds, `count` points each. `rows` says where a query stands.
    """

    environment: Environment
    region: str
    start: int
    step: int
    count: int
    queries: tuple[MetricQuery, ...]
    rows: dict[MetricQuery, int]

    @property
    def place(self) -> Place:
        return self.environment.name, self.region


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Rows of a group asked in one call. `again` marks the second and last asking; `halved` how often it was cut."""

    group: Group
    rows: Sequence[int]
    again: bool = False
    halved: int = 0

    @property
    def points(self) -> int:
        return len(self.rows) * self.group.count

    @property
    def pages(self) -> int:
        return max(1, -(-self.points // MAX_POINTS))

    @property
    def queries(self) -> Iterator[MetricQuery]:
        return map(self.group.queries.__getitem__, self.rows)

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.rows) // 2
        return self._part(self.rows[:middle]), self._part(self.rows[middle:])

    def _part(self, rows: Sequence[int]) -> Batch:
        return Batch(group=self.group, rows=rows, again=self.again, halved=self.halved + 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """`groups_of[i]` are the groups that answer `asks[i]`, one per period length, in order of first use."""

    asks: tuple[Ask, ...]
    groups_of: tuple[tuple[Group, ...], ...]
    batches: tuple[Batch, ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(self.groups_of)))


_Key = tuple[str, str, int, int, int]


def plan(asks: Sequence[Ask]) -> Plan:
    """Pack what is asked into as few calls as AWS's limits allow."""
    wanted: dict[_Key, dict[MetricQuery, None]] = {}
    environments: dict[str, Environment] = {}
    keys_of: list[tuple[_Key, ...]] = []
    for ask in asks:
        environments.setdefault(ask.environment.name, ask.environment)
        keys_of.append(_collect(ask, wanted))
    groups = {key: _group(environments[key[0]], key, queries) for key, queries in wanted.items()}
    return Plan(
        asks=tuple(asks),
        groups_of=tuple(tuple(groups[key] for key in keys) for keys in keys_of),
        batches=tuple(_interleaved(groups.values())),
    )


def estimate(planned: Plan) -> Estimate:
    """What running the plan will cost, if nothing has to be asked twice."""
    metrics = sum(billed_metrics(batch.queries) for batch in planned.batches)
    calls = sum(batch.pages for batch in planned.batches)
    return Estimate(
        calls=(("cloudwatch:GetMetricData", calls),) if calls else (),
        metrics=metrics,
        datapoints=sum(batch.points for batch in planned.batches),
        usd=usd(metrics=metrics),
    )


def _collect(ask: Ask, wanted: dict[_Key, dict[MetricQuery, None]]) -> tuple[_Key, ...]:
    keys: dict[int, _Key] = {}
    for query in ask.queries:
        key = keys.get(query.period)
        if key is None:
            start, count = aligned(ask.window, query.period)
            key = keys[query.period] = (ask.environment.name, ask.region, query.period, start, count)
            wanted.setdefault(key, {})
        wanted[key][query] = None
    return tuple(keys.values())


def _group(environment: Environment, key: _Key, wanted: Iterable[MetricQuery]) -> Group:
    _, region, step, start, count = key
    queries = tuple(_side_by_side(wanted))
    rows = {query: row for row, query in enumerate(queries)}
    return Group(
        environment=environment, region=region, start=start, step=step, count=count, queries=queries, rows=rows
    )


def _side_by_side(queries: Iterable[MetricQuery]) -> Iterator[MetricQuery]:
    """Statistics of one metric next to each other: in one call they are billed as one."""
    metrics: dict[tuple[str, str, object], list[MetricQuery]] = {}
    for query in queries:
        metrics.setdefault((query.namespace, query.name, query.dimensions), []).append(query)
    return chain.from_iterable(metrics.values())


def _batches(group: Group) -> Iterator[Batch]:
    if not group.count:
        return
    size = max(1, min(MAX_QUERIES, MAX_POINTS // group.count))
    for first in range(0, len(group.queries), size):
        yield Batch(group=group, rows=range(first, min(first + size, len(group.queries))))


def _interleaved(groups: Iterable[Group]) -> Iterator[Batch]:
    """One batch of each place in turn: a large environment does not keep the small ones waiting."""
    places: dict[Place, list[Batch]] = {}
    for group in groups:
        places.setdefault(group.place, []).extend(_batches(group))
    turns = deque(deque(batches) for batches in places.values() if batches)
    while turns:
        batches = turns.popleft()
        yield batches.popleft()
        if batches:
            turns.append(batches)
