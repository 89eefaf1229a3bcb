"""Reading one series the way CloudWatch keeps it: base steps, settle delay, retention, published data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from opsbot.replica.codec import Fault, Request
from opsbot.replica.statistics import pool, statistic
from opsbot.replica.world import Buckets, Floats, SeriesId

MINUTE, FIVE_MINUTES, HOUR, DAY = 60, 300, 3600, 86_400
# How long CloudWatch keeps data of a period (CloudWatch user guide, "Metrics retention").
RETENTION = ((HOUR, 455 * DAY), (FIVE_MINUTES, 63 * DAY), (MINUTE, 15 * DAY), (1, 3 * HOUR))
FINE_PERIODS = (1, 5, 10, 20, 30)


@dataclass(frozen=True, slots=True)
class Span:
    """n periods from `start` (epoch seconds, a multiple of `period`)."""

    start: int
    n: int
    period: int

    @property
    def end(self) -> int:
        return self.start + self.n * self.period

    @property
    def times(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The periods' starts."""
        return np.arange(self.start, self.end, self.period, dtype=np.int64)

    def part(self, first: int, last: int) -> Span:
        """The periods first..last-1 of this span."""
        return Span(self.start + first * self.period, last - first, self.period)


def span_of(start: float, end: float, period: int) -> Span:
    """The periods that a window asks for: start rounded down to the period, end exclusive."""
    first = int(start // period) * period
    return Span(first, max(0, -int((first - end) // period)), period)


def check_period(period: object) -> int:
    """A period that CloudWatch has. Raises Fault ValidationError."""
    if isinstance(period, int) and (period in FINE_PERIODS or (period > 0 and period % MINUTE == 0)):
        return period
    raise Fault("ValidationError", "The parameter Period must be 1, 5, 10, 20, 30, or a multiple of 60.")


def series_id(metric: Mapping[str, Any]) -> SeriesId:
    """The series that a request's Metric names. Raises Fault ValidationError when a part is missing."""
    try:
        dimensions = tuple(sorted((str(d["Name"]), str(d["Value"])) for d in metric.get("Dimensions") or ()))
        return SeriesId(str(metric["Namespace"]), str(metric["MetricName"]), dimensions)
    except (KeyError, TypeError, AttributeError) as error:
        raise Fault("ValidationError", "The parameter Metric needs Namespace, MetricName and Dimensions.") from error


@dataclass(slots=True)
class Reader:
    """Reads series of one account and region as of one moment; what it read once it keeps for the request."""

    request: Request
    now: float
    _kept: dict[tuple[SeriesId, int, int, int], Buckets | None] = field(default_factory=dict)

    def values(self, series: SeriesId, stat: str, span: Span) -> Floats:
        """The statistic for each period of `span`; NaN where CloudWatch has no datapoint."""
        work_out = statistic(stat)
        if span.period < MINUTE:
            return self._fine(series, stat, span)
        base = FIVE_MINUTES if span.period % FIVE_MINUTES == 0 else MINUTE
        per_period = span.period // base
        buckets = self._buckets(series, span.start, span.n * per_period, base) if span.n else None
        if buckets is None:
            return np.full(span.n, np.nan)
        return self._kept_only(work_out(pool(buckets, per_period)), span)

    def _fine(self, series: SeriesId, stat: str, span: Span) -> Floats:
        """Sub-minute periods: all series here have a resolution of a minute, so only minutes have points."""
        minutes = span_of(span.start, span.end, MINUTE)
        values = np.full(span.n, np.nan)
        slots = (minutes.times - span.start) // span.period
        inside = (slots >= 0) & (slots < span.n)
        values[slots[inside]] = self.values(series, stat, minutes)[inside]
        return self._kept_only(values, span)

    def _kept_only(self, values: Floats, span: Span) -> Floats:
        """Without the points that are older than CloudWatch keeps this period."""
        oldest = self.now - next(kept for period, kept in RETENTION if span.period % period == 0)
        if span.start >= oldest:
            return values
        return np.where(span.times >= oldest, values, np.nan)

    def _buckets(self, series: SeriesId, start: int, n: int, base: int) -> Buckets | None:
        key = (series, start, n, base)
        if key not in self._kept:
            self._kept[key] = self._read(series, start, n, base)
        return self._kept[key]

    def _read(self, series: SeriesId, start: int, n: int, base: int) -> Buckets | None:
        request = self.request
        published = request.state.published.buckets(request.account, request.region, series, start, n, base)
        signal = request.world.series(request.account, request.region).get(series)
        if signal is None:
            return published
        settled = self._settled(signal.buckets(start, n, base), series.namespace, start, n, base)
        return settled if published is None else _both(settled, published)

    def _settled(self, buckets: Buckets, namespace: str, start: int, n: int, base: int) -> Buckets:
        final = int((self.now - self.request.world.settle(namespace) - start) // base)
        if final >= n:
            return buckets
        count = buckets.count.copy()
        count[max(final, 0) :] = 0.0
        return Buckets(count=count, mean=buckets.mean, spread=buckets.spread)


def _both(one: Buckets, other: Buckets) -> Buckets:
    """Two sources of one series, sample by sample."""
    count = one.count + other.count
    weight = np.maximum(count, 1e-300)
    mean = (one.count * one.mean + other.count * other.mean) / weight
    spread = (one.count * one.spread + other.count * other.spread) / weight
    return Buckets(count=count, mean=mean, spread=spread)


def all_series(request: Request) -> Iterable[SeriesId]:
    """Every series of the account and region: the world's and the published ones, each once."""
    known = request.world.series(request.account, request.region)
    yield from known
    yield from (s for s in request.state.published.names(request.account, request.region) if s not in known)
