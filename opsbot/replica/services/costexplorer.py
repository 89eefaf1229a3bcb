"""Cost Explorer: costs by day or month in groups, what values a dimension has, and a forecast of what comes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import orjson

from opsbot.replica.bill import Books, Line, Month, closed
from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.paging import page_start, page_token
from opsbot.replica.services.costfilter import Keep, Value, dimension, keeper, refused, tag
from opsbot.replica.spending import PayerSpec
from opsbot.replica.world import Floats

# AWS tells no figure; so many groups (of all days together) are a page here.
PAGE = 5000
MONTHS_BACK = 13
MOST_GROUPS = 2
UNIT = "USD"
_METRICS = (
    "AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost", "NormalizedUsageAmount", "UnblendedCost",
    "UsageQuantity",
)  # fmt: skip
_QUANTITIES = ("UsageQuantity", "NormalizedUsageAmount")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Whose bill is looked at: all that a payer pays for, or one account's own part of it."""

    books: Books
    payer: PayerSpec
    keep: Keep
    request: Request
    kept: dict[date, Month] = field(default_factory=dict)

    def months(self, start: date, end: date) -> Iterator[tuple[Month, slice]]:
        """The months of [start, end) with their days in it; nothing is known of tomorrow."""
        first = start.replace(day=1)
        while first < end:
            following = (first + timedelta(days=32)).replace(day=1)
            if first not in self.kept:
                self.kept[first] = self.books.shown(self.payer, first, self.request.now)
            yield self.kept[first], slice(max((start - first).days, 0), (min(end, following) - first).days)
            first = following

    def amounts(self, month: Month, metric: str) -> Floats:
        """Lines by days in one metric."""
        if metric in _QUANTITIES:
            return month.quantity
        whole = month.amortized if "Amortized" in metric else month.unblended
        return whole * (1 - self.payer.discount) if metric.startswith("Net") else whole


def view(request: Request, expression: Params | None) -> View:
    """The caller's view of the bill. Raises Fault for an account that nobody pays for."""
    payer = request.world.spending.payer(request.account)
    if payer is None:
        raise Fault("DataUnavailableException", "Data is not available. Please try to adjust the time period.")
    wanted = keeper(expression)
    if payer.account == request.account:
        return View(books=books(request), payer=payer, keep=wanted, request=request)

    def own(line: Line) -> bool:
        return line.account == request.account and wanted(line)

    return View(books=books(request), payer=payer, keep=own, request=request)


def books(request: Request) -> Books:
    """The bills of this AWS, made when first asked for."""
    if request.state.books is None:
        request.state.books = Books(world=request.world)
    return request.state.books


def get_cost_and_usage(request: Request, params: Params) -> Result:
    start, end = _interval(request, params)
    metrics = _metrics(params)
    by = [_grouping(one) for one in params.get("GroupBy") or ()]
    if len(by) > MOST_GROUPS:
        raise refused(f"GroupBy: expected at most {MOST_GROUPS} groups, got {len(by)}")
    seen = view(request, params.get("Filter"))
    answers = [_period(seen, one, metrics, by) for one in _periods(params, start, end)]
    described = {"GroupDefinitions": params["GroupBy"]} if by else {}
    return {**described, **_paged(answers, params), "DimensionValueAttributes": []}


def _interval(request: Request, params: Params) -> tuple[date, date]:
    given = params.get("TimePeriod") or {}
    try:
        start, end = date.fromisoformat(str(given.get("Start"))), date.fromisoformat(str(given.get("End")))
    except ValueError as error:
        raise refused("Start time and end time must be of the form yyyy-MM-dd") from error
    if start >= end:
        raise refused("Start date (and hour) should be before end date (and hour)")
    today = request.now.date()
    year, month = divmod(today.year * 12 + today.month - 1 - MONTHS_BACK, 12)
    if start < date(year, month + 1, 1):
        raise refused("You haven't enabled historical data beyond 14 months. Please update the start date.")
    return start, min(end, (today + timedelta(days=1)))


def _metrics(params: Params) -> list[str]:
    metrics = [str(metric) for metric in params.get("Metrics") or ()]
    if not metrics or (unknown := [metric for metric in metrics if metric not in _METRICS]):
        raise refused(f"Metrics: expected some of {', '.join(_METRICS)}; got {unknown if metrics else 'none'}")
    return metrics


def _grouping(one: Params) -> Value:
    key = str(one.get("Key"))
    if one.get("Type") == "TAG":
        value = tag(key)
        # Groups of a tag are called "team$backend"; what has no such tag is "team$".
        return lambda line: f"{key}${value(line)}"
    return dimension(key)


def _periods(params: Params, start: date, end: date) -> Iterator[tuple[date, date]]:
    granularity = params.get("Granularity")
    if granularity not in ("DAILY", "MONTHLY"):
        raise refused("Hourly data is not enabled for this account. Please opt in to hourly granularity.")
    while start < end:
        following = start + timedelta(days=1)
        if granularity == "MONTHLY":
            following = min((start.replace(day=1) + timedelta(days=32)).replace(day=1), end)
        yield start, following
        start = following


def _period(seen: View, period: tuple[date, date], metrics: list[str], by: list[Value]) -> dict[str, Any]:
    totals = np.zeros(len(metrics))
    groups: dict[tuple[str, ...], Floats] = {}
    units: dict[tuple[str, ...], set[str]] = {}
    for month, days in seen.months(*period):
        amounts = np.stack([seen.amounts(month, metric)[:, days].sum(axis=1) for metric in metrics], axis=1)
        used = month.quantity[:, days].sum(axis=1)
        there = amounts.any(axis=1) | (used != 0)
        for line, row in ((month.lines[n], amounts[n]) for n in np.flatnonzero(there)):
            if seen.keep(line):
                key = tuple(value(line) for value in by)
                groups[key] = groups.get(key, 0.0) + row
                units.setdefault(key, set()).add(line.unit)
                totals += row
    return {
        "TimePeriod": {"Start": period[0].isoformat(), "End": period[1].isoformat()},
        "Total": {} if by else _worded(metrics, totals, "N/A"),
        "Groups": [
            {"Keys": list(key), "Metrics": _worded(metrics, groups[key], _unit(units[key]))} for key in sorted(groups)
        ]
        if by
        else [],
        "Estimated": not closed(period[0], seen.request.now),
    }


def _unit(units: set[str]) -> str:
    return next(iter(units)) or "N/A" if len(units) == 1 else "N/A"


def _worded(metrics: list[str], row: Floats, unit: str) -> dict[str, dict[str, str]]:
    return {
        metric: {"Amount": f"{amount:.10f}", "Unit": unit if metric in _QUANTITIES else UNIT}
        for metric, amount in zip(metrics, row.tolist(), strict=True)
    }


def _paged(answers: list[dict[str, Any]], params: Params) -> dict[str, Any]:
    """Groups of all periods in a row, cut into pages; a period may go on on the next page."""
    start = page_start(params.get("NextPageToken"))
    end, place, page = start + PAGE, 0, []
    for answer in answers:
        groups = answer["Groups"]
        part = groups[max(start - place, 0) : max(end - place, 0)]
        if part or (not groups and start <= place < end):
            page.append({**answer, "Groups": part})
        # A period without groups takes a place too, so that it is told once.
        place += max(len(groups), 1)
    token = {"NextPageToken": page_token(end)} if place > end else {}
    return {"ResultsByTime": page, **token}


def get_dimension_values(request: Request, params: Params) -> Result:
    start, end = _interval(request, params)
    value = dimension(str(params.get("Dimension")))
    seen = view(request, params.get("Filter"))
    found = sorted({value(line) for line in _lines(seen, start, end)})
    search = str(params.get("SearchString") or "").lower()
    found = [one for one in found if search in one.lower()]
    first = page_start(params.get("NextPageToken"))
    last = first + int(params.get("MaxResults") or 1000)
    attributes = _names(request) if params.get("Dimension") == "LINKED_ACCOUNT" else lambda one: {}
    shown = [{"Value": one, "Attributes": attributes(one)} for one in found[first:last]]
    token = {"NextPageToken": page_token(last)} if last < len(found) else {}
    return {"DimensionValues": shown, "ReturnSize": len(shown), "TotalSize": len(found), **token}


def _lines(seen: View, start: date, end: date) -> Iterator[Line]:
    for month, days in seen.months(start, end):
        there = (month.quantity[:, days] != 0).any(axis=1) | (month.unblended[:, days] != 0).any(axis=1)
        yield from (line for line, used in zip(month.lines, there, strict=True) if used and seen.keep(line))


def _names(request: Request) -> Callable[[str], dict[str, str]]:
    names = {one.account: one.name for one in request.world.environments}
    return lambda account: {"description": names[account]} if account in names else {}


def get_cost_forecast(request: Request, params: Params) -> Result:
    """The last four weeks go on: the same weekday's mean, and an interval as wide as those weeks differ."""
    try:
        given = params["TimePeriod"]
        start, end = date.fromisoformat(given["Start"]), date.fromisoformat(given["End"])
    except (KeyError, ValueError) as error:
        raise refused("Start time and end time must be of the form yyyy-MM-dd") from error
    today = request.now.date()
    if start < today or end <= start:
        raise refused("Start date should not be before today, and before the end date")
    seen = view(request, params.get("Filter"))
    metric = "".join(word.capitalize() for word in str(params.get("Metric", "")).split("_"))
    if metric not in _METRICS:
        raise refused(f"Metric {params.get('Metric')!r} is not supported")
    past = _daily(seen, today - timedelta(days=30), today - timedelta(days=2), metric).reshape(4, 7)
    width = (float(params.get("PredictionIntervalLevel") or 80) / 50) * past.std(axis=0)
    weekday = [((day - today).days + 2) % 7 for day in _days(start, end)]
    periods = list(_periods(params, start, end))
    places = dict(zip(_days(start, end), weekday, strict=True))
    mean, slack = past.mean(axis=0), width
    told = [_foretold(period, mean, slack, places) for period in periods]
    total = sum(float(mean[place]) for place in weekday)
    return {"Total": {"Amount": f"{total:.10f}", "Unit": UNIT}, "ForecastResultsByTime": told}


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days))


def _daily(seen: View, start: date, end: date, metric: str) -> Floats:
    parts = []
    for month, days in seen.months(start, end):
        kept = np.asarray([seen.keep(line) for line in month.lines], dtype=bool)
        parts.append(seen.amounts(month, metric)[kept][:, days].sum(axis=0))
    return np.concatenate(parts)


def _foretold(period: tuple[date, date], mean: Floats, slack: Floats, places: dict[date, int]) -> dict[str, Any]:
    own = [places[day] for day in _days(*period)]
    middle, wide = float(mean[own].sum()), float(np.sqrt((slack[own] ** 2).sum()))
    return {
        "TimePeriod": {"Start": period[0].isoformat(), "End": period[1].isoformat()},
        "MeanValue": f"{middle:.10f}",
        "PredictionIntervalLowerBound": f"{max(middle - wide, 0.0):.10f}",
        "PredictionIntervalUpperBound": f"{middle + wide:.10f}",
    }


def _direct(request: Request, params: Params) -> bytes:
    return orjson.dumps(get_cost_and_usage(request, params))


# Nothing in this answer needs a codec, and for two months of a bill the codec takes three times what the answer does.
DIRECT: dict[tuple[str, str], Callable[[Request, Params], bytes]] = {("ce", "GetCostAndUsage"): _direct}
HANDLERS: dict[tuple[str, str], Handler] = {
    ("ce", "GetCostAndUsage"): get_cost_and_usage,
    ("ce", "GetCostForecast"): get_cost_forecast,
    ("ce", "GetDimensionValues"): get_dimension_values,
}
