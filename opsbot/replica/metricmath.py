"""Working out metric math over the queries of one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

import numpy as np

from opsbot.replica.codec import Fault
from opsbot.replica.expressions import Apply, Binary, Listing, Name, Negative, Node, Number, Text, fault, parse
from opsbot.replica.series import Reader, Span
from opsbot.replica.world import Floats, SeriesId


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries:
    """Values on a span; NaN = no datapoint. `series` and `stat` say where it was read, if nothing was computed.

    `many`: one of several that an expression gives, so that its label has to tell it from the others.
    """

    span: Span
    values: Floats
    label: str = ""
    status: str = "Complete"
    series: SeriesId | None = None
    stat: str = ""
    many: bool = False


Value = float | str | TimeSeries | list[TimeSeries]


@dataclass(slots=True, kw_only=True)
class Scope:
    """What an expression may refer to. Results are kept: several expressions may use one another."""

    read_metric: Callable[[str], TimeSeries]
    metrics: tuple[str, ...]
    expressions: Mapping[str, str]
    reader: Reader
    span_of: Callable[[int], Span]
    period_of: Callable[[str], int]
    current: str = ""
    _kept: dict[str, Value] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def value(self, name: str) -> Value:
        """What a query's id stands for. Raises Fault for an id that is not there or that needs itself."""
        if name not in self._kept:
            self._kept[name] = self._worked_out(name)
        return self._kept[name]

    def _worked_out(self, name: str) -> Value:
        if name in self.metrics:
            return self.read_metric(name)
        if name not in self.expressions:
            raise fault(self.expressions.get(self.current, name), f"'{name}' is not the id of a query")
        if name in self._open:
            raise fault(self.expressions[name], f"'{name}' refers to itself")
        before, self.current = self.current, name
        self._open.append(name)
        value = evaluate(parse(self.expressions[name]), self)
        self._open.pop()
        self.current = before
        return value

    def fail(self, why: str) -> Fault:
        """The error for the expression that is being worked out."""
        return fault(self.expressions.get(self.current, self.current), why)

    @property
    def period(self) -> int:
        """The period of the expression that is being worked out."""
        return self.period_of(self.current)


def results(name: str, scope: Scope) -> list[TimeSeries]:
    """The time series that the expression `name` gives. Raises Fault ValidationError, also for a lone number."""
    with np.errstate(all="ignore"):
        value = scope.value(name)
    if isinstance(value, TimeSeries):
        return [_finite(value)]
    if isinstance(value, list):
        return [_finite(replace(series, many=True)) for series in value]
    raise fault(
        scope.expressions[name], "the result must be one or more time series; TIME_SERIES() makes one of a number"
    )


def _finite(series: TimeSeries) -> TimeSeries:
    """Division by zero gives no datapoint, as in CloudWatch."""
    if np.isfinite(series.values).all():
        return series
    return replace(series, values=np.where(np.isfinite(series.values), series.values, np.nan))


def evaluate(node: Node, scope: Scope) -> Value:
    """The value of a tree."""
    match node:
        case Number(value):
            return value
        case Text(value):
            return value
        case Name(value):
            return scope.value(value)
        case Listing(items):
            return _listing([evaluate(item, scope) for item in items], scope)
        case Negative(of):
            return combine(0.0, evaluate(of, scope), np.subtract, scope)
        case Binary(sign, left, right):
            return combine(evaluate(left, scope), evaluate(right, scope), _SIGNS[sign], scope)
        case Apply(function, arguments):
            from opsbot.replica.mathfunctions import FUNCTIONS

            if function not in FUNCTIONS:
                raise scope.fail(f"the function {function} is not known")
            return FUNCTIONS[function](arguments, scope)
        case _:
            assert_never(node)


def _listing(values: list[Value], scope: Scope) -> list[TimeSeries]:
    flat: list[TimeSeries] = []
    for value in values:
        if isinstance(value, TimeSeries):
            flat.append(value)
        elif isinstance(value, list):
            flat += value
        else:
            raise scope.fail("an array may hold time series only")
    return flat


def _truth(test: Callable[[Floats, Floats], np.ndarray]) -> Callable[[Floats, Floats], Floats]:
    """A test as 1 and 0; missing where either side is missing."""

    def tested(left: Floats, right: Floats) -> Floats:
        known = ~(np.isnan(left) | np.isnan(right))
        return np.where(known, test(left, right).astype(np.float64), np.nan)

    return tested


_SIGNS: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
    "<": _truth(np.less),
    ">": _truth(np.greater),
    "<=": _truth(np.less_equal),
    ">=": _truth(np.greater_equal),
    "==": _truth(np.equal),
    "!=": _truth(np.not_equal),
    "&&": _truth(lambda a, b: (a != 0) & (b != 0)),
    "||": _truth(lambda a, b: (a != 0) | (b != 0)),
}


def combine(left: Value, right: Value, of: Callable[[Floats, Floats], Floats], scope: Scope) -> Value:
    """Two values point by point; a number goes with every point, a series with every series of an array."""
    if isinstance(left, str) or isinstance(right, str):
        raise scope.fail("text cannot be calculated with")
    if isinstance(left, list):
        if isinstance(right, list):
            raise scope.fail("two arrays cannot be combined")
        return [_pointwise(one, right, of, one.label) for one in left]
    if isinstance(right, list):
        return [_pointwise(left, one, of, one.label) for one in right]
    for one in (left, right):
        if isinstance(one, TimeSeries):
            return _pointwise(left, right, of, one.label)
    return float(of(np.float64(left), np.float64(right)))  # type: ignore[arg-type]


def _pointwise(
    left: float | TimeSeries, right: float | TimeSeries, of: Callable[[Floats, Floats], Floats], label: str
) -> TimeSeries:
    (a, b), span = aligned([left, right])
    return TimeSeries(span=span, values=of(a, b), label=label, status=worst([left, right]))


def worst(values: list[float | TimeSeries]) -> str:
    """The status of a result: what could not be read cannot be calculated with."""
    failed = (v.status for v in values if isinstance(v, TimeSeries) and v.status != "Complete")
    return next(failed, "Complete")


def aligned(values: list[float | TimeSeries]) -> tuple[list[Floats], Span]:
    """Values on one span: the coarsest of the series', matched by timestamp; numbers repeated."""
    spans = [value.span for value in values if isinstance(value, TimeSeries)]
    span = max(spans, key=lambda s: s.period)
    return [_on(value, span) for value in values], span


def _on(value: float | TimeSeries, span: Span) -> Floats:
    if not isinstance(value, TimeSeries):
        return np.full(span.n, value, dtype=np.float64)
    if value.span == span:
        return value.values
    offset = span.times - value.span.start
    place = offset // value.span.period
    there = (offset % value.span.period == 0) & (place >= 0) & (place < value.span.n)
    found = np.full(span.n, np.nan)
    found[there] = value.values[place[there]]
    return found
