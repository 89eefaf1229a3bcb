"""The embedded CloudWatch beside GetMetricData: statistics, lists, published data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from opsbot.replica import alarms
from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.getmetricdata import get_metric_data
from opsbot.replica.paging import page_start, page_token
from opsbot.replica.published import Datum
from opsbot.replica.series import DAY, Reader, Span, all_series, check_period, series_id, span_of
from opsbot.replica.world import SeriesId

MAX_POINTS = 1440
LIST_PAGE = 500
MAX_DATA = 1000
MAX_VALUES = 150
MAX_DIMENSIONS = 30
RECENT = 3 * 3600
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


def _get_metric_statistics(request: Request, params: Params) -> Result:
    series = series_id(params)
    plain, extended = params.get("Statistics") or [], params.get("ExtendedStatistics") or []
    if not plain and not extended:
        raise Fault("InvalidParameterCombination", "At least one of Statistics or ExtendedStatistics is required.")
    for name in plain:
        if name not in STATISTICS:
            raise Fault("InvalidParameterValue", f"The value {name} for parameter Statistics is not supported.")
    span = _window(request, params)
    reader = Reader(request, request.now.timestamp())
    columns = {name: reader.values(series, name, span) for name in (*plain, *extended)}
    unit = params.get("Unit") or _unit(series)
    points = [_point(span, place, columns, extended, unit) for place in _unordered(columns)]
    return {"Label": series.name, "Datapoints": points}


def _window(request: Request, params: Params) -> Span:
    start, end = params["StartTime"].timestamp(), params["EndTime"].timestamp()
    if start >= end:
        raise Fault("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    span = span_of(start, end, check_period(params.get("Period")))
    if span.n > MAX_POINTS:
        raise Fault(
            "InvalidParameterCombination",
            f"You have requested up to {span.n} datapoints, which exceeds the limit of {MAX_POINTS}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
    return span_of(start, min(end, max(start, request.now.timestamp())), span.period)


def _unordered(columns: Mapping[str, Any]) -> list[int]:
    """The periods with data, in an order that nobody should rely on: AWS gives none."""
    some = next(iter(columns.values()))
    places = np.flatnonzero(~np.isnan(some))
    return sorted(places.tolist(), key=lambda place: (place * 2_654_435_761) % 2**32)


def _point(span: Span, place: int, columns: Mapping[str, Any], extended: Sequence[str], unit: str) -> Result:
    at = datetime.fromtimestamp(span.start + place * span.period, UTC)
    values = {name: float(column[place]) for name, column in columns.items()}
    point: Result = {"Timestamp": at, "Unit": unit}
    point |= {name: value for name, value in values.items() if name not in extended}
    if extended:
        point["ExtendedStatistics"] = {name: values[name] for name in extended}
    return point


_UNITS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: name.endswith(("Utilization", "Percentage", "Rate", "_percent")), "Percent"),
    (lambda name: name in ("Duration", "Latency"), "Milliseconds"),
    (lambda name: name.endswith(("Latency", "ResponseTime", "LatencySource", "LatencyTarget")), "Seconds"),
    (lambda name: "Storage" in name or "Bytes" in name, "Bytes"),
    (lambda name: name.endswith(("Errors", "Error", "Count", "Invocations", "Requests", "Throttles")), "Count"),
)


def _unit(series: SeriesId) -> str:
    return next((unit for fits, unit in _UNITS if fits(series.name)), "None")


def _list_metrics(request: Request, params: Params) -> Result:
    fits = _filter(params)
    found = sorted((s for s in all_series(request) if fits(s)), key=lambda s: (s.namespace, s.name, s.dimensions))
    if params.get("RecentlyActive"):
        found = [s for s in found if _active(request, s)]
    first = page_start(params.get("NextToken"))
    result: Result = {"Metrics": [_metric(s) for s in found[first : first + LIST_PAGE]]}
    if params.get("IncludeLinkedAccounts"):
        result["OwningAccounts"] = [request.account] * len(result["Metrics"])
    if first + LIST_PAGE < len(found):
        result["NextToken"] = page_token(first + LIST_PAGE)
    return result


def _filter(params: Params) -> Callable[[SeriesId], bool]:
    namespace, name = params.get("Namespace"), params.get("MetricName")
    wanted = [(d["Name"], d.get("Value")) for d in params.get("Dimensions") or ()]
    if params.get("RecentlyActive") not in (None, "PT3H"):
        raise Fault("InvalidParameterValue", "The value for parameter RecentlyActive must be PT3H.")

    def fits(series: SeriesId) -> bool:
        dimensions = dict(series.dimensions)
        return (
            namespace in (None, series.namespace)
            and name in (None, series.name)
            and all(key in dimensions and value in (None, dimensions[key]) for key, value in wanted)
        )

    return fits


def _active(request: Request, series: SeriesId) -> bool:
    """Whether the last three hours have a datapoint."""
    now = request.now.timestamp()
    values = Reader(request, now).values(series, "SampleCount", span_of(now - RECENT, now, 300))
    return bool((values > 0).any())


def _metric(series: SeriesId) -> Result:
    dimensions = [{"Name": name, "Value": value} for name, value in series.dimensions]
    return {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dimensions}


def _put_metric_data(request: Request, params: Params) -> Result:
    namespace, data = params.get("Namespace", ""), params.get("MetricData") or []
    if not namespace or namespace.startswith("AWS/"):
        raise Fault("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
    if not data or len(data) > MAX_DATA:
        raise Fault("InvalidParameterValue", f"The collection MetricData must have 1 to {MAX_DATA} members.")
    read = [(_series(namespace, datum), _data(request, datum)) for datum in data]
    for series, values in read:
        for value in values:
            request.state.published.add(request.account, request.region, series, value)
    return {}


def _series(namespace: str, datum: Mapping[str, Any]) -> SeriesId:
    if len(datum.get("Dimensions") or ()) > MAX_DIMENSIONS:
        raise Fault("InvalidParameterValue", f"No more than {MAX_DIMENSIONS} dimensions may be given.")
    return series_id({**datum, "Namespace": namespace})


def _data(request: Request, datum: Mapping[str, Any]) -> list[Datum]:
    at = datum.get("Timestamp") or request.now
    second, now = int(at.timestamp()), request.now.timestamp()
    if not now - 14 * DAY <= second <= now + 7200:
        raise Fault(
            "InvalidParameterValue", "The value for parameter Timestamp must be within two weeks and two hours."
        )
    if summary := datum.get("StatisticValues"):
        return [_summary(second, summary)]
    values = datum["Values"] if datum.get("Values") else [datum.get("Value")]
    counts = datum.get("Counts") or [1.0] * len(values)
    if len(values) > MAX_VALUES or len(counts) != len(values):
        raise Fault("InvalidParameterValue", f"Values and Counts must be of one length, at most {MAX_VALUES}.")
    return [Datum(second, float(count), _number(value), 0.0) for value, count in zip(values, counts, strict=True)]


def _summary(second: int, summary: Mapping[str, Any]) -> Datum:
    count = _number(summary.get("SampleCount"))
    if count <= 0:
        raise Fault("InvalidParameterValue", "The parameter SampleCount must be greater than 0.")
    low, high = _number(summary.get("Minimum")), _number(summary.get("Maximum"))
    # Between the extremes of a handful lie about four sigmas.
    spread = math.log(high / low) / 4 if 0 < low < high else 0.0
    return Datum(second, count, _number(summary.get("Sum")) / count, spread)


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise Fault("InvalidParameterValue", "A value must be a finite number.")
    return float(value)


HANDLERS: dict[tuple[str, str], Handler] = {
    ("cloudwatch", "GetMetricData"): get_metric_data,
    ("cloudwatch", "GetMetricStatistics"): _get_metric_statistics,
    ("cloudwatch", "ListMetrics"): _list_metrics,
    ("cloudwatch", "PutMetricData"): _put_metric_data,
    **alarms.HANDLERS,
}
