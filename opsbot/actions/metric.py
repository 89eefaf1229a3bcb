"""`metric`: one CloudWatch metric over the last hours: now, before, and its course."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from opsbot.actions.action import Action, Bench, Given, NotThere, Span
from opsbot.actions.telling import clock, number, spark
from opsbot.model.period import Period, epoch, from_epoch
from opsbot.model.runbook import Answer, Value
from opsbot.ports.cloud import Ask, MetricQuery

_PERIODS = "a multiple of 60s"


def _minutes(length: timedelta) -> timedelta:
    if length.total_seconds() % 60:
        raise ValueError(f"expected {_PERIODS}, got {length.total_seconds():g}s")
    return length


class MetricGiven(Given):
    """`metric` is the namespace and the name with a space between, as checks write it."""

    metric: str = Field(pattern=r"^[^\s]+( [^\s]+)+$", max_length=512)
    dimensions: Mapping[str, str] = Field(default_factory=dict)
    statistic: str = Field(
        default="Average", pattern=r"^(Average|Sum|Minimum|Maximum|SampleCount|p[0-9]{1,2}(\.[0-9]{1,2})?)$"
    )
    period: Annotated[Span, AfterValidator(_minutes)] = timedelta(minutes=5)
    since: Span = timedelta(hours=3)


def look(bench: Bench, given: MetricGiven) -> Answer:
    """Raises CloudError, and NotThere for a series without a single point in that time."""
    space, _, name = given.metric.rpartition(" ")
    step = int(given.period.total_seconds())
    start = from_epoch(epoch(bench.now - given.since) // step * step)
    query = MetricQuery(space, name, tuple(sorted(given.dimensions.items())), given.statistic, step)
    window = Period(start=start, end=bench.now)
    points = _points(bench, Ask(environment=bench.environment, region=bench.region, window=window, queries=(query,)))
    real = [(at, value) for at, value in points if value is not None]
    if not real:
        told = ", ".join(f"{key}={value}" for key, value in query.dimensions) or "no dimensions"
        raise NotThere(f"no point of {given.metric} ({told}) in the last {_hours(given.since)}")
    return _answer(bench, given, points, real)


def _points(bench: Bench, ask: Ask) -> list[tuple[int, float | None]]:
    for readings in bench.cloud.read([ask]):
        for reading in readings:
            (query,) = ask.queries
            if query in reading.gaps:
                raise NotThere(reading.gaps[query])
            values = reading.grid.values[reading.rows[query]].tolist()
            times = reading.grid.times.tolist()
            # NaN is the one value that differs from itself.
            return [(at, None if value != value else value) for at, value in zip(times, values, strict=True)]
    return []


def _answer(
    bench: Bench, given: MetricGiven, points: list[tuple[int, float | None]], real: list[tuple[int, float]]
) -> Answer:
    (_, first), (at, last) = real[0], real[-1]
    peak_at, peak = max(real, key=lambda point: point[1])
    what = given.metric.rpartition(" ")[2]
    headline = (
        f"{what} {given.statistic.lower() if given.statistic.isalpha() else given.statistic} {number(last)} at "
        f"{clock(from_epoch(at), bench.now)}; {_hours(given.since)} ago {number(first)}; "
        f"most {number(peak)} at {clock(from_epoch(peak_at), bench.now)}"
    )
    values: dict[str, Value] = {
        "last": last, "first": first, "most": peak, "least": min(value for _, value in real),
        "sum": sum(value for _, value in real), "mean": sum(value for _, value in real) / len(real),
        "points": len(real),
    }  # fmt: skip
    return Answer(headline=headline, rows=((spark(value for _, value in points),),), values=values)


def _hours(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours:g} h" if hours >= 1 else f"{length.total_seconds() / 60:g} min"


ACTION = Action(
    name="metric",
    about="one CloudWatch metric over the last hours",
    given=MetricGiven,
    look=look,
    reads=("cloudwatch:GetMetricData",),
)
