"""AWS, read only, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from opsbot.model.environment import Environment, Labels
from opsbot.model.period import Period
from opsbot.model.resource import Inventory
from opsbot.model.run import Usage

if TYPE_CHECKING:
    # The daemon imports this module and must not pay for numpy.
    from opsbot.samples import Grid


class MetricQuery(NamedTuple):
    """One CloudWatch series: equal queries are asked once, however many checks want them. `period` in seconds.

    A tuple, because a plan of 50 accounts hashes these a million times.
    """

    namespace: str
    name: str
    dimensions: Labels
    statistic: str
    period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Series wanted from one region of one environment over one window. Queries may repeat; they are asked once."""

    environment: Environment
    region: str
    window: Period
    queries: tuple[MetricQuery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The answer to one Ask for one period length: `rows` says where a query stands in `grid`, `gaps` why it could not be read.

    Every query of that period is in exactly one of the two. A series that exists but had no points is a row of NaN.
    """

    ask: Ask
    grid: Grid
    rows: Mapping[MetricQuery, int]
    gaps: Mapping[MetricQuery, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan will cost before it runs. `calls` by `service:Operation`; `metrics` as CloudWatch bills them.

    `log_bytes` is what queries of logs would scan, guessed from what their groups store.
    """

    calls: tuple[tuple[str, int], ...]
    metrics: int
    datapoints: int
    usd: float
    log_bytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomMetric:
    """A metric whose dimensions cannot be derived from a describe call: found by listing its namespace."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]


class Cloud(Protocol):
    """AWS, read only. One failing account, region or service never stops another: it comes back as a Gap."""

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        """What these environments hold, one Inventory each, as they are ready. `kinds` are resource kinds; `custom` metrics
        to be listed (their resources have the kind `metric:<namespace>/<name>`). Never raises CloudError for one environment."""

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        """The price of `read(asks)`: pure, asks AWS nothing."""

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        """One tuple of Readings (one per period length) for each Ask, as they are ready. Raises PlanTooDear before the first call."""

    def usage(self) -> Usage:
        """What this object has asked so far."""
