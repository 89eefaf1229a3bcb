"""The settings of a metric check, read from its TOML table with every mistake told."""

from __future__ import annotations

import re
from datetime import timedelta

from opsbot.checks.asking import Input, MetricSettings
from opsbot.checks.common import read_common
from opsbot.checks.estate import settle
from opsbot.checks.metric_words import PLACES
from opsbot.checks.table import Table, nearest, shown
from opsbot.evaluate.ratio import Expression, parse

STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount", "IQM")
_RANKED = re.compile(r"(p|tm|wm|tc|ts)\d{1,2}(\.\d{1,10})?|p100")
_METRIC = re.compile(r"(?P<namespace>[A-Za-z0-9._#:/-]+) (?P<name>[^\s{}](?:[^{}]*[^\s{}])?)")
_KEYS = ("metric", "statistic", "fill")


def read(table: Table) -> MetricSettings:
    """What the table says; where it is wrong a problem is noted and a harmless value stands in."""
    statistic = _statistic(table, "Average")
    inputs = _inputs(table, statistic)
    expression = _expression(table, inputs)
    by = table.words("by")
    return MetricSettings(
        common=read_common(table, (*PLACES, *(item.name for item in inputs))),
        inputs=inputs,
        expression=expression,
        period=_period(table),
        dimensions=table.pairs("dimensions"),
        by=by,
        scale=table.number("scale", 1.0),
        limit=_limit(table),
        limit_optional=table.flag("limit_optional", False),
        used=table.flag("used", False),
        weeks=_weeks(table),
        floor=_floor(table, inputs),
        window=table.choice("judge", ("now", "window"), "now") == "window",
        settle=table.duration("settle", _settle(table, inputs)),
    )


def _inputs(table: Table, statistic: str) -> tuple[Input, ...]:
    named = table.inner("inputs")
    if table.has("metric"):
        if named is not None:
            table.problem("inputs", "expected either metric or inputs, got both")
        one = _input(table, "metric", "total", table.raw["metric"], statistic)
        return (one,) if one else ()
    if named is None:
        table.problem("metric", 'expected a metric such as "AWS/ECS CPUUtilization", or inputs, got neither')
        return ()
    read_all = (_named(named, name, statistic) for name in named.raw)
    return tuple(item for item in read_all if item)


def _named(named: Table, name: str, statistic: str) -> Input | None:
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        named.problem(name, "expected a name of letters, digits and _, because expressions use it")
        return None
    if name in PLACES:
        named.problem(name, f"expected another name: {name} has a meaning of its own in says")
        return None
    value = named.raw[name]
    if isinstance(value, str):
        return _input(named, name, name, value, statistic)
    inner = named.inner(name)
    if inner is None:
        return None
    own = _statistic(inner, statistic)
    fill = inner.number("fill", 0.0) if inner.has("fill") else None
    if not inner.has("metric"):
        inner.problem("metric", 'expected a metric such as "AWS/Lambda Errors", got nothing')
        return None
    item = _input(inner, "metric", name, inner.raw["metric"], own, fill)
    inner.finish()
    return item


def _input(table: Table, key: str, name: str, value: object, statistic: str, fill: float | None = None) -> Input | None:
    match = _METRIC.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        table.problem(key, f'expected "Namespace Name" such as "AWS/ECS CPUUtilization", got {shown(value)}')
        return None
    return Input(name=name, namespace=match["namespace"], metric=match["name"], statistic=statistic, fill=fill)


def _statistic(table: Table, default: str) -> str:
    text = table.text("statistic", default)
    if text in STATISTICS or _RANKED.fullmatch(text):
        return text
    what = f"expected {', '.join(STATISTICS)} or a percentile such as p95, got {text!r}{nearest(text, STATISTICS)}"
    table.problem("statistic", what)
    return default


def _expression(table: Table, inputs: tuple[Input, ...]) -> Expression | None:
    text = table.text("expression")
    if not text:
        if len(inputs) > 1:
            table.problem("expression", "expected an expression over the inputs, got nothing")
        return None
    expression = table.parsed("expression", text, parse, None)
    known = [item.name for item in inputs]
    for name in sorted(expression.names if expression else ()):
        if name not in known and inputs:
            table.problem("expression", f"expected one of {', '.join(known)}, got {name!r}{nearest(name, known)}")
    return expression


def _period(table: Table) -> timedelta:
    period = table.duration("period", timedelta(minutes=5))
    seconds = int(period.total_seconds())
    if (seconds in (1, 5, 10, 30) or seconds % 60 == 0) and 0 < seconds <= 86_400:
        return period
    table.problem("period", f"expected 1s, 5s, 10s, 30s or whole minutes up to 1d, got {table.raw['period']!r}")
    return timedelta(minutes=5)


def _limit(table: Table) -> str:
    limit = table.text("limit")
    if not limit and table.raw.get("used") is True:
        table.problem("used", "expected limit beside it: the fact that is all of it")
    return limit


def _weeks(table: Table) -> int:
    text = table.text("baseline")
    if not text:
        return 0
    match = re.fullmatch(r"([2-8])w", text)
    if match is None:
        table.problem("baseline", f'expected how many weeks to compare with, "2w" to "8w", got {text!r}')
        return 0
    period = table.raw.get("period")
    if period not in ("1h", "60m", "60min", "2h", "3h", "4h", "6h", "12h", "1d"):
        table.problem("period", f'expected "1h" or longer beside a baseline, got {shown(period or "5m")}')
    return int(match[1])


def _floor(table: Table, inputs: tuple[Input, ...]) -> tuple[tuple[str, float], ...]:
    inner = table.inner("floor")
    if inner is None:
        return ()
    known = [item.name for item in inputs] + (["baseline"] if table.raw.get("baseline") else [])
    for name in inner.raw:
        if name not in known:
            inner.problem(name, f"expected one of {', '.join(known)}{nearest(name, known)}")
    return tuple((name, inner.number(name, 0.0)) for name in inner.raw if name in known)


def _settle(table: Table, inputs: tuple[Input, ...]) -> timedelta:
    other = table.default_settle
    return max((settle(item.namespace, item.metric, other) for item in inputs), default=timedelta(minutes=5))
