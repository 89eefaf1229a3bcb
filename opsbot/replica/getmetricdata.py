"""GetMetricData: 500 queries over one window, in pages of 100,800 datapoints, written straight to bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from opsbot.replica.codec import Fault, Params, Request, Result
from opsbot.replica.labels import label_of
from opsbot.replica.metricmath import Scope, TimeSeries, results
from opsbot.replica.series import RETENTION, Reader, Span, check_period, series_id, span_of
from opsbot.replica.statistics import statistic
from opsbot.replica.world import Floats, SeriesId

MAX_QUERIES = 500
PAGE = 100_800
THREE_HOURS = 3 * 3600
USUAL_PERIOD = 300
_ID = re.compile(r"[a-z]\w*", re.ASCII)
_FAILURES = {"internal_error_query": "InternalError", "forbidden_query": "Forbidden"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A query for one statistic of one series."""

    id: str
    series: SeriesId
    stat: str
    span: Span
    label: str
    returned: bool
    status: str
    """`Complete`, or how a fault rule wants this query to fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A query that is metric math over others."""

    id: str
    text: str
    period: int
    label: str
    returned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series of the answer. `read(low, high)` gives the values of those periods of the span."""

    id: str
    label: str
    span: Span
    read: Callable[[int, int], Floats]
    status: str = "Complete"
    series: SeriesId | None = None
    stat: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What all queries of a request share; epoch seconds."""

    start: float
    end: float
    now: float

    def span(self, period: int) -> Span:
        """The window in periods; what CloudWatch no longer or not yet has is cut off at once."""
        return _held(self.start, self.end, self.now, period)


@lru_cache(maxsize=256)
def _held(start: float, end: float, now: float, period: int) -> Span:
    kept = next(kept for step, kept in RETENTION if period % step == 0)
    return span_of(max(start, now - kept), min(end, now), period)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where an answer stands: page `page` of `pages`, as things were at `now`."""

    page: int
    pages: int
    now: float


@dataclass(slots=True)
class Page:
    """One answer: rows of (line, times, values) and the token of the next."""

    rows: list[tuple[Line, Span, Floats]] = field(default_factory=list)
    token: str | None = None
    newest_first: bool = True


def get_metric_data(request: Request, params: Params) -> Result:
    """The answer as a plain dict, for clients that speak the query protocol."""
    page = _page(request, params)
    rows = [_row(line, *_present(span, values, page)) for line, span, values in page.rows]
    for row in rows:
        row["Timestamps"] = [int(t) for t in row["Timestamps"]]
        row["Values"] = [float(v) for v in row["Values"]]
    return _document(page, rows)


def get_metric_data_json(request: Request, params: Params) -> bytes:
    """The answer as bytes of awsJson; arrays that many rows share are serialised once."""
    page = _page(request, params)
    shared: dict[tuple[int, int, int], orjson.Fragment] = {}
    rows = []
    for line, span, values in page.rows:
        first, last = _edges(values)
        inside = values[first:last]
        if np.isnan(inside).any():
            rows.append(_row(line, *_present(span, values, page)))
            continue
        times = _shared_times(shared, span.part(first, last), page.newest_first)
        rows.append(_row(line, times, np.ascontiguousarray(inside[::-1]) if page.newest_first else inside))
    return orjson.dumps(_document(page, rows), option=orjson.OPT_SERIALIZE_NUMPY)


def _shared_times(
    shared: dict[tuple[int, int, int], orjson.Fragment], span: Span, newest_first: bool
) -> orjson.Fragment:
    key = (span.start, span.n, span.period)
    if key not in shared:
        times = span.times[::-1] if newest_first else span.times
        shared[key] = orjson.Fragment(orjson.dumps(np.ascontiguousarray(times), option=orjson.OPT_SERIALIZE_NUMPY))
    return shared[key]


def _edges(values: Floats) -> tuple[int, int]:
    """Where the data begin and end."""
    if values.size and not (np.isnan(values[0]) or np.isnan(values[-1])):
        return 0, values.size
    there = np.flatnonzero(~np.isnan(values))
    return (int(there[0]), int(there[-1]) + 1) if there.size else (0, 0)


def _present(span: Span, values: Floats, page: Page) -> tuple[Any, Floats]:
    """Times and values of the datapoints that exist, in the order asked for."""
    there = ~np.isnan(values)
    step = -1 if page.newest_first else 1
    return np.ascontiguousarray(span.times[there][::step]), np.ascontiguousarray(values[there][::step])


def _row(line: Line, times: Any, values: Floats) -> dict[str, Any]:
    row = {"Id": line.id, "Label": line.label, "Timestamps": times, "Values": values, "StatusCode": line.status}
    if line.status not in ("Complete", "PartialData"):
        row["Messages"] = [{"Code": line.status, "Value": "The query failed; no datapoints were returned."}]
    return row


def _document(page: Page, rows: Sequence[Mapping[str, Any]]) -> Result:
    document: Result = {"MetricDataResults": rows, "Messages": []}
    return document if page.token is None else {**document, "NextToken": page.token}


def _page(request: Request, params: Params) -> Page:
    """The page that the token asks for, computed as of the moment of the first page."""
    digest = _digest(params)
    repeated = any(rule.fault == "repeated_token" for rule in request.trouble)
    going_on = bool(params.get("NextToken")) and not repeated
    cursor = _cursor(params["NextToken"], digest) if going_on else Cursor(0, 0, request.now.timestamp())
    window = _window(params, cursor.now)
    queries = [_query(request, window, query) for query in _queries(params)]
    _check_ids(queries)
    reader = Reader(request, cursor.now)
    lines = _lines(reader, window, queries)
    pages = cursor.pages or _pages([line.span.n for line in lines], _cap(params))
    page = _cut(request, lines, params, Cursor(cursor.page, pages, cursor.now))
    recent = window.start >= window.now - THREE_HOURS
    points = sum(span.n for _, span, _ in page.rows)
    request.state.limits.spend_points(request.account, request.region, points, recent=recent)
    request.state.tally.answered(queries=len(queries) if cursor.page == 0 else 0, points=points)
    if cursor.page + 1 < pages:
        page.token = _token(Cursor(cursor.page + 1, pages, cursor.now), digest)
    if repeated:
        page.token = digest
    return page


def _cut(request: Request, lines: Iterable[Line], params: Params, cursor: Cursor) -> Page:
    page = Page(newest_first=params.get("ScanBy", "TimestampDescending") != "TimestampAscending")
    unfinished = cursor.page + 1 < cursor.pages
    for line in lines:
        width = -(-line.span.n // max(1, cursor.pages))
        low, high = (min(line.span.n, k * width) for k in (cursor.page, cursor.page + 1))
        if page.newest_first:
            low, high = line.span.n - high, line.span.n - low
        span = line.span.part(low, high)
        values = line.read(low, high) if line.status == "Complete" else np.full(span.n, np.nan)
        status = "PartialData" if unfinished and line.status == "Complete" else line.status
        page.rows.append((_with_label(request, line, status, values), span, values))
    return page


def _with_label(request: Request, line: Line, status: str, values: Floats) -> Line:
    if status == line.status and "${" not in line.label:
        return line
    label = line.label
    if "${" in label:
        facts = {"Region": request.region, "AccountId": request.account, "Period": str(line.span.period)}
        label = label_of(label, line.series, line.stat, facts, values)
    return replace(line, label=label, status=status)


def _lines(reader: Reader, window: Window, queries: Sequence[Metric | Expression]) -> list[Line]:
    if not any(isinstance(query, Expression) for query in queries):
        return [_metric_line(reader, query) for query in queries if isinstance(query, Metric) and query.returned]
    scope = _scope(reader, window, queries)
    lines: list[Line] = []
    for query in queries:
        if isinstance(query, Metric) and query.returned:
            lines.append(_metric_line(reader, query))
        elif isinstance(query, Expression) and query.returned:
            lines += _expression_lines(query, scope)
    return lines


def _metric_line(reader: Reader, query: Metric) -> Line:
    return Line(
        id=query.id,
        label=query.label or query.series.name,
        span=query.span,
        read=lambda low, high: reader.values(query.series, query.stat, query.span.part(low, high)),
        status=query.status,
        series=query.series,
        stat=query.stat,
    )


def _expression_lines(query: Expression, scope: Scope) -> Iterable[Line]:
    for found in results(query.id, scope):
        label = f"{query.label} {found.label}".strip() if found.many else query.label
        yield Line(
            id=query.id, label=label or query.id, span=found.span, read=_part_of(found.values), status=found.status
        )


def _part_of(values: Floats) -> Callable[[int, int], Floats]:
    return lambda low, high: values[low:high]


def _scope(reader: Reader, window: Window, queries: Sequence[Metric | Expression]) -> Scope:
    def read(query: Metric) -> TimeSeries:
        values = reader.values(query.series, query.stat, query.span) if query.status == "Complete" else None
        return TimeSeries(
            span=query.span,
            values=np.full(query.span.n, np.nan) if values is None else values,
            label=query.label or query.series.name,
            status=query.status,
            series=query.series,
            stat=query.stat,
        )

    metrics = {query.id: query for query in queries if isinstance(query, Metric)}
    expressions = {query.id: query.text for query in queries if isinstance(query, Expression)}
    periods = {query.id: query.period for query in queries if isinstance(query, Expression)}
    usual = next((query.span.period for query in queries if isinstance(query, Metric)), USUAL_PERIOD)
    return Scope(
        read_metric=lambda name: read(metrics[name]),
        metrics=tuple(metrics),
        expressions=expressions,
        reader=reader,
        span_of=window.span,
        period_of=lambda name: periods.get(name) or usual,
    )


def _queries(params: Params) -> list[Mapping[str, Any]]:
    queries = params.get("MetricDataQueries")
    if not isinstance(queries, list) or not queries:
        raise Fault("ValidationError", "The parameter MetricDataQueries must contain at least one query.")
    if len(queries) > MAX_QUERIES:
        raise Fault(
            "ValidationError",
            f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}.",
        )
    return queries


def _query(request: Request, window: Window, query: Mapping[str, Any]) -> Metric | Expression:
    if not isinstance(query, dict) or not isinstance(query.get("Id"), str) or not _ID.fullmatch(query["Id"]):
        raise Fault("ValidationError", "The value for parameter Id must match ^[a-z][a-zA-Z0-9_]*$.")
    returned = query.get("ReturnData") is not False
    if ("MetricStat" in query) == ("Expression" in query):
        raise Fault("ValidationError", f"Query {query['Id']} needs either MetricStat or Expression, and not both.")
    label = str(query.get("Label") or "")
    if "MetricStat" in query:
        return _metric(request, window, query, label, returned)
    period = check_period(query["Period"]) if query.get("Period") else 0
    return Expression(id=query["Id"], text=str(query["Expression"]), period=period, label=label, returned=returned)


def _metric(request: Request, window: Window, query: Mapping[str, Any], label: str, returned: bool) -> Metric:
    asked = query["MetricStat"]
    if not isinstance(asked, dict) or not isinstance(asked.get("Metric"), dict) or not asked.get("Stat"):
        raise Fault("ValidationError", f"Query {query['Id']}: MetricStat needs Metric, Period and Stat.")
    stat, series = str(asked["Stat"]), series_id(asked["Metric"])
    statistic(stat)
    return Metric(
        id=query["Id"],
        series=series,
        stat=stat,
        span=window.span(check_period(asked.get("Period"))),
        label=label,
        returned=returned,
        status=_status(request, query, series),
    )


def _status(request: Request, query: Mapping[str, Any], series: SeriesId) -> str:
    if query.get("AccountId") not in (None, request.account):
        return "Forbidden"
    for rule in request.trouble:
        if rule.fault in _FAILURES and rule.metric in ("*", series.name):
            return _FAILURES[rule.fault]
    return "Complete"


def _check_ids(queries: Sequence[Metric | Expression]) -> None:
    if len({query.id for query in queries}) != len(queries):
        raise Fault("ValidationError", "The values for parameter Id in MetricDataQueries must be unique.")
    if not any(query.returned for query in queries):
        raise Fault("ValidationError", "At least one query must have ReturnData true.")


def _window(params: Params, now: float) -> Window:
    start, end = _epoch(params, "StartTime"), _epoch(params, "EndTime")
    if start >= end:
        raise Fault("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    return Window(start=start, end=end, now=now)


def _epoch(params: Params, name: str) -> float:
    value = params.get(name)
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e11:
        return float(value)
    raise Fault("ValidationError", f"The parameter {name} is required and must be a time.")


def _cap(params: Params) -> int:
    cap = params.get("MaxDatapoints") or PAGE
    if not isinstance(cap, int) or not 0 < cap <= PAGE:
        raise Fault("ValidationError", f"The parameter MaxDatapoints must be from 1 to {PAGE}.")
    return cap


def _pages(counts: Sequence[int], cap: int) -> int:
    """The fewest equal parts of the window of which none has more than `cap` datapoints."""
    total, longest = sum(counts), max(counts, default=0)
    pages = max(1, -(-total // cap))
    while pages < longest and sum(-(-n // pages) for n in counts) > cap:
        pages += 1
    return pages


def _digest(params: Params) -> str:
    asked = orjson.dumps({k: v for k, v in params.items() if k != "NextToken"}, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(asked, digest_size=8).hexdigest()


def _token(cursor: Cursor, digest: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([cursor.page, cursor.pages, cursor.now, digest])).decode()


def _cursor(token: object, digest: str) -> Cursor:
    try:
        page, pages, now, asked = orjson.loads(base64.urlsafe_b64decode(str(token)))
        cursor = Cursor(int(page), int(pages), float(now))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Fault("InvalidNextToken", "The next token specified is invalid.") from error
    if asked != digest or not 0 < cursor.page < cursor.pages:
        raise Fault("InvalidNextToken", "The next token belongs to another request.")
    return cursor


DIRECT = {("cloudwatch", "GetMetricData"): get_metric_data_json}
