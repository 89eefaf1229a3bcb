"""The functions of metric math."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from opsbot.replica.expressions import Name, Node
from opsbot.replica.metricmath import Scope, TimeSeries, Value, aligned, combine, evaluate, worst
from opsbot.replica.search import find
from opsbot.replica.series import DAY, Span, check_period
from opsbot.replica.world import Floats

Function = Callable[[tuple[Node, ...], Scope], Value]
TRAINING = 14 * DAY
# Default quotas by (service, resource) of AWS/Usage metrics; the account's own would come from Service Quotas.
QUOTAS = {
    ("Lambda", "ConcurrentExecutions"): 1000.0,
    ("CloudWatch", "GetMetricData"): 50.0,
    ("EC2", "vCPU"): 32.0,
    ("Fargate", "vCPU"): 6.0,
}


def _arguments(nodes: tuple[Node, ...], scope: Scope, least: int, most: int) -> list[Value]:
    if not least <= len(nodes) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise scope.fail(f"expected {wanted} arguments, found {len(nodes)}")
    return [evaluate(node, scope) for node in nodes]


def _each(change: Callable[[TimeSeries, Scope], Floats]) -> Function:
    """A function of one time series, applied to each of an array."""

    def apply(nodes: tuple[Node, ...], scope: Scope) -> Value:
        (value,) = _arguments(nodes, scope, 1, 1)
        if isinstance(value, TimeSeries):
            return replace(value, values=change(value, scope), series=None)
        if isinstance(value, list):
            return [replace(one, values=change(one, scope), series=None) for one in value]
        raise scope.fail("expected a time series")

    return apply


def _rounded(of: Callable[[Floats], Floats]) -> Function:
    """A function that takes a number as well."""
    series = _each(lambda one, _: of(one.values))

    def apply(nodes: tuple[Node, ...], scope: Scope) -> Value:
        (value,) = _arguments(nodes, scope, 1, 1)
        return float(of(np.float64(value))) if isinstance(value, float) else series(nodes, scope)  # type: ignore[arg-type]

    return apply


def _summed_up(of_points: Callable[[Floats], float], of_series: Callable[[Floats], Floats]) -> Function:
    """SUM and its like: of one series a number, of an array a series."""

    def apply(nodes: tuple[Node, ...], scope: Scope) -> Value:
        (value,) = _arguments(nodes, scope, 1, 1)
        if isinstance(value, TimeSeries):
            there = value.values[np.isfinite(value.values)]
            return of_points(there) if there.size else float("nan")
        if not isinstance(value, list):
            raise scope.fail("expected a time series or an array of them")
        if not value:
            return []
        rows, span = aligned(list(value))
        block = np.vstack(rows)
        there = ~np.isnan(block)
        values = np.where(there.any(axis=0), of_series(block), np.nan)
        return TimeSeries(span=span, values=values, status=worst(list(value)))

    return apply


def _over(block: Floats, of: Callable[..., Floats], nothing: float) -> Floats:
    return np.asarray(of(np.where(np.isnan(block), nothing, block), axis=0))


def _mean(block: Floats) -> Floats:
    mean: Floats = _over(block, np.sum, 0.0) / np.maximum((~np.isnan(block)).sum(axis=0), 1)
    return mean


def _deviation(block: Floats) -> Floats:
    away = np.where(np.isnan(block), np.nan, (block - _mean(block)) ** 2)
    return np.asarray(np.sqrt(_mean(away)))


def _fill(nodes: tuple[Node, ...], scope: Scope) -> Value:
    if len(nodes) != 2:
        raise scope.fail("FILL takes a time series and what to fill with")
    value = evaluate(nodes[0], scope)
    word = nodes[1].value.upper() if isinstance(nodes[1], Name) else ""
    if word in ("REPEAT", "LINEAR") and word.lower() not in scope.metrics:
        filler = _repeated if word == "REPEAT" else _interpolated
        return _each(lambda one, _: filler(one.values))((nodes[0],), scope)
    other = evaluate(nodes[1], scope)
    return combine(value, other, lambda a, b: np.where(np.isnan(a), b, a), scope)


def _repeated(values: Floats) -> Floats:
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(values.size)))
    return np.where(last >= 0, values[last], np.nan)


def _interpolated(values: Floats) -> Floats:
    there = np.flatnonzero(~np.isnan(values))
    if not there.size:
        return values
    return np.interp(np.arange(values.size), there, values[there], left=np.nan, right=np.nan)


def _if(nodes: tuple[Node, ...], scope: Scope) -> Value:
    arguments = _arguments(nodes, scope, 2, 3)
    parts: list[float | TimeSeries] = []
    for value in [*arguments, float("nan")][:3]:
        if isinstance(value, str | list):
            raise scope.fail("IF takes time series and numbers")
        parts.append(value)
    if not any(isinstance(part, TimeSeries) for part in parts):
        condition, yes, no = parts
        return yes if condition else no
    (test, then, other), span = aligned(parts)
    values = np.where(np.isnan(test), np.nan, np.where(test != 0, then, other))
    return TimeSeries(span=span, values=values, status=worst(parts))


def _differences(series: TimeSeries) -> tuple[Floats, Floats]:
    """From each datapoint to the one before: the change, and the seconds between; NaN for the first."""
    there = np.flatnonzero(~np.isnan(series.values))
    change, seconds = np.full(series.span.n, np.nan), np.full(series.span.n, np.nan)
    change[there[1:]] = np.diff(series.values[there])
    seconds[there[1:]] = np.diff(there) * series.span.period
    return change, seconds


def _rate(series: TimeSeries, _: Scope) -> Floats:
    change, seconds = _differences(series)
    return change / seconds


def _running_sum(series: TimeSeries, _: Scope) -> Floats:
    missing = np.isnan(series.values)
    return np.where(missing, np.nan, np.where(missing, 0.0, series.values).cumsum())


def _period(nodes: tuple[Node, ...], scope: Scope) -> Value:
    (value,) = _arguments(nodes, scope, 1, 1)
    if not isinstance(value, TimeSeries):
        raise scope.fail("PERIOD takes a time series")
    return float(value.span.period)


def _metrics(nodes: tuple[Node, ...], scope: Scope) -> Value:
    wanted = _arguments(nodes, scope, 0, 1)
    part = wanted[0] if wanted else ""
    if not isinstance(part, str):
        raise scope.fail("METRICS takes nothing or a text in quotes")
    found = ((name, scope.value(name)) for name in scope.metrics)
    return [v for name, v in found if isinstance(v, TimeSeries) and (part in name or part in v.label)]


def _count(nodes: tuple[Node, ...], scope: Scope) -> Value:
    (value,) = _arguments(nodes, scope, 1, 1)
    return float(len(value)) if isinstance(value, list) else 1.0


def _time_series(nodes: tuple[Node, ...], scope: Scope) -> Value:
    (value,) = _arguments(nodes, scope, 1, 1)
    if not isinstance(value, float):
        raise scope.fail("TIME_SERIES takes a number")
    span = scope.span_of(scope.period)
    return TimeSeries(span=span, values=np.full(span.n, value))


def _search(nodes: tuple[Node, ...], scope: Scope) -> Value:
    arguments = _arguments(nodes, scope, 2, 3)
    text, stat = arguments[0], arguments[1]
    if not isinstance(text, str) or not isinstance(stat, str):
        raise scope.fail("SEARCH takes a search, a statistic and a period")
    period = arguments[2] if len(arguments) == 3 else float(scope.period)
    if not isinstance(period, float) or period != int(period):
        raise scope.fail("the period of SEARCH must be a whole number of seconds")
    span = scope.span_of(check_period(int(period)))
    return [
        TimeSeries(
            span=span,
            values=scope.reader.values(series, stat, span),
            label=" ".join((series.name, *(value for _, value in series.dimensions))),
            series=series,
            stat=stat,
        )
        for series in find(text, scope.reader.request)
    ]


def _service_quota(nodes: tuple[Node, ...], scope: Scope) -> Value:
    (value,) = _arguments(nodes, scope, 1, 1)
    if not isinstance(value, TimeSeries) or value.series is None or value.series.namespace != "AWS/Usage":
        raise scope.fail("SERVICE_QUOTA takes a metric of the namespace AWS/Usage")
    dimensions = dict(value.series.dimensions)
    quota = QUOTAS.get((dimensions.get("Service", ""), dimensions.get("Resource", "")))
    if quota is None:
        raise scope.fail("there is no quota for this metric")
    return replace(value, values=np.full(value.span.n, quota), series=None)


def _band(nodes: tuple[Node, ...], scope: Scope) -> Value:
    arguments = _arguments(nodes, scope, 1, 2)
    series, width = arguments[0], arguments[1] if len(arguments) == 2 else 2.0
    if not isinstance(series, TimeSeries) or not isinstance(width, float):
        raise scope.fail("ANOMALY_DETECTION_BAND takes a time series and a number of standard deviations")
    middle, deviation = _usual_day(series, scope)
    return [
        replace(series, values=middle + width * deviation, label=f"{series.label} High", series=None),
        replace(series, values=middle - width * deviation, label=f"{series.label} Low", series=None),
    ]


def _usual_day(series: TimeSeries, scope: Scope) -> tuple[Floats, float]:
    """What each time of day usually shows, from the two weeks up to the window's end, and how far it strays."""
    span, history = series.span, series.values
    start = span.start
    if series.series is not None and span.n:
        before = TRAINING // span.period
        start = span.start - before * span.period
        history = scope.reader.values(series.series, series.stat, Span(start, before + span.n, span.period))
    slots = max(1, DAY // span.period)
    slot = (start // span.period + np.arange(history.size)) % slots
    known = ~np.isnan(history)
    weight = np.bincount(slot[known], minlength=slots)
    total = np.bincount(slot[known], weights=history[known], minlength=slots)
    usual = np.where(weight > 0, total / np.maximum(weight, 1), np.nan)
    strays = (history - usual[slot])[known]
    own = (span.start // span.period + np.arange(span.n)) % slots
    return usual[own], float(np.sqrt(np.mean(strays**2))) if strays.size else float("nan")


def _clock(read: Callable[[datetime], int]) -> Function:
    def values(series: TimeSeries, _: Scope) -> Floats:
        return np.array([read(datetime.fromtimestamp(t, UTC)) for t in series.span.times.tolist()], dtype=np.float64)

    return _each(values)


FUNCTIONS: Mapping[str, Function] = {
    "ABS": _rounded(np.abs),
    "CEIL": _rounded(np.ceil),
    "FLOOR": _rounded(np.floor),
    "EXP": _rounded(np.exp),
    "LOG": _rounded(np.log),
    "LOG10": _rounded(np.log10),
    "SUM": _summed_up(lambda v: float(v.sum()), lambda b: _over(b, np.sum, 0.0)),
    "AVG": _summed_up(lambda v: float(v.mean()), _mean),
    "MIN": _summed_up(lambda v: float(v.min()), lambda b: _over(b, np.min, np.inf)),
    "MAX": _summed_up(lambda v: float(v.max()), lambda b: _over(b, np.max, -np.inf)),
    "STDDEV": _summed_up(lambda v: float(v.std()), _deviation),
    "FILL": _fill,
    "IF": _if,
    "RATE": _each(_rate),
    "DIFF": _each(lambda one, _: _differences(one)[0]),
    "DIFF_TIME": _each(lambda one, _: _differences(one)[1]),
    "RUNNING_SUM": _each(_running_sum),
    "PERIOD": _period,
    "METRICS": _metrics,
    "METRIC_COUNT": _count,
    "TIME_SERIES": _time_series,
    "ANOMALY_DETECTION_BAND": _band,
    "SEARCH": _search,
    "SERVICE_QUOTA": _service_quota,
    "EPOCH": _each(lambda one, _: one.span.times.astype(np.float64)),
    "MINUTE": _clock(lambda at: at.minute),
    "HOUR": _clock(lambda at: at.hour),
    "DAY": _clock(lambda at: at.isoweekday()),
    "DATE": _clock(lambda at: at.day),
    "MONTH": _clock(lambda at: at.month),
    "YEAR": _clock(lambda at: at.year),
}
