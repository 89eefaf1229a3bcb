"""What it takes to follow one kind of capacity: its metrics, how they become one value a day, its limit and its price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from opsbot.model.environment import Labels
from opsbot.model.resource import Resource
from opsbot.model.units import Unit
from opsbot.ports import MetricQuery
from opsbot.samples import Values

DAY, HOUR = 86_400, 3_600
GIB = float(2**30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`said` tells where it comes from: "allocated storage", "the account's quota"."""

    value: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What else was found in a resource's region: the targets of Application Auto Scaling by resource id and dimension."""

    targets: Mapping[tuple[str, str], Resource] = field(default_factory=dict)

    def most(self, id: str, dimension: str) -> float | None:
        """The most that scaling may go to; None without a target."""
        target = self.targets.get((id, dimension))
        return None if target is None else number(target, "most")


Limits = Callable[[Resource, Around], "Limit | str | None"]
"""A limit; why it cannot be told; None where nothing limits it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One kind of capacity. `value` makes one row of daily values of those of its queries.

    `level`: a size that stays, so that today's part counts already; a peak is known when its day is over. `optional`: a
    resource without any datum does not use it. `needs` says what must be switched on where a datum is missing. `usd` is
    the price of one unit of the value for a month, at us-east-1 list price. `lead` is days, `sure` that a limit is a wall.
    """

    name: str
    kind: str
    title: str
    noun: str
    area: str
    unit: Unit
    queries: Callable[[Resource], tuple[MetricQuery, ...]]
    value: Callable[[Resource, tuple[Values, ...]], Values]
    limit: Limits
    lead: int
    advice: str
    takes: Callable[[Resource], bool] = lambda resource: True
    level: bool = False
    optional: bool = False
    needs: str = ""
    usd: float | None = None
    runbook: str | None = None
    means: str = ""
    also: tuple[str, ...] = ()

    @property
    def check(self) -> str:
        return f"capacity-{self.name}"


def number(resource: Resource, fact: str) -> float | None:
    value = resource.fact(fact)
    return float(value) if isinstance(value, float | int) else None


def one(namespace: str, name: str, statistic: str, *, step: int = DAY) -> Callable[[Resource], tuple[MetricQuery, ...]]:
    """The one series of a resource under its own dimensions."""

    def queries(resource: Resource) -> tuple[MetricQuery, ...]:
        return (MetricQuery(namespace, name, resource.dimensions, statistic, step),)

    return queries


def under(
    dimensions: Labels, namespace: str, name: str, statistic: str
) -> Callable[[Resource], tuple[MetricQuery, ...]]:
    """A series under the same dimensions for every resource."""
    return lambda resource: (MetricQuery(namespace, name, dimensions, statistic, DAY),)


def as_it_is(resource: Resource, rows: tuple[Values, ...]) -> Values:
    return rows[0]


def total(resource: Resource, rows: tuple[Values, ...]) -> Values:
    """Their sum; a part without a datum adds nothing, a day without any stays unknown."""
    stack = np.vstack(rows)
    known = np.isfinite(stack)
    summed: Values = np.where(known.any(axis=0), np.where(known, stack, 0.0).sum(axis=0), np.nan)
    return summed


def fixed(fact: str, said: str) -> Limits:
    """A limit that stands in the resource's own facts."""

    def limit(resource: Resource, around: Around) -> Limit | str | None:
        value = number(resource, fact)
        return f"its limit is not known ({said})" if value is None or value <= 0 else Limit(value=value, said=said)

    return limit


def none(resource: Resource, around: Around) -> Limit | str | None:
    """Nothing limits it but its price."""
    return None


def percent(resource: Resource, around: Around) -> Limit | str | None:
    return Limit(value=100.0, said="all of it")
