"""What a metric check asks for: its settings, and the CloudWatch queries they come to for one resource."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta

from opsbot.checks.kind import Common, Queries, Subject
from opsbot.evaluate.ratio import Expression
from opsbot.model.check import Check
from opsbot.model.environment import Labels
from opsbot.model.resource import Resource
from opsbot.ports import CustomMetric, MetricQuery

_PLACE = re.compile(r"\{(?:(?P<source>fact|tag|dimension):(?P<key>[^{}]+)|(?P<own>name|region))\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One series a check reads; `fill` stands in for its missing points before anything is computed."""

    name: str
    namespace: str
    metric: str
    statistic: str
    fill: float | None = None

    def __str__(self) -> str:
        return f"{self.namespace} {self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSettings:
    """How a metric check looks. The value judged is the expression (or the one input) x `scale`; where they are set,
    then percent of the fact `limit` (`used`: of what is not free), then percent of the mean of `weeks` weeks.

    `floor`: an input below which a point is not judged (`baseline` names the expected value). `window`: a breach
    anywhere in the window counts. `by`: the dimension names of a custom metric, found by listing its namespace.
    """

    common: Common = field(default_factory=Common)
    inputs: tuple[Input, ...]
    expression: Expression | None = None
    period: timedelta = timedelta(minutes=5)
    dimensions: Labels = ()
    by: tuple[str, ...] = ()
    scale: float = 1.0
    limit: str = ""
    limit_optional: bool = False
    used: bool = False
    weeks: int = 0
    floor: tuple[tuple[str, float], ...] = ()
    window: bool = False
    settle: timedelta = timedelta(minutes=5)

    @property
    def step(self) -> int:
        return int(self.period.total_seconds())

    @property
    def metrics(self) -> str:
        """For evidence: every metric once, in order."""
        return ", ".join(dict.fromkeys(map(str, self.inputs)))

    @property
    def statistics(self) -> str:
        return ", ".join(dict.fromkeys(item.statistic for item in self.inputs))


def settings_of(check: Check) -> MetricSettings:
    if not isinstance(check.settings, MetricSettings):
        raise TypeError(f"{check.name}: expected metric settings, got {type(check.settings).__name__}")
    return check.settings


def custom(settings: object) -> tuple[CustomMetric, ...]:
    if not isinstance(settings, MetricSettings) or not settings.by:
        return ()
    first = settings.inputs[0]
    return (CustomMetric(namespace=first.namespace, name=first.metric, dimensions=settings.by),)


def before(check: Check) -> timedelta:
    return timedelta(weeks=settings_of(check).weeks)


def plan(check: Check, subject: Subject) -> Queries | str:
    """The queries for one resource, in the order of the inputs; or why they cannot be told."""
    settings = settings_of(check)
    if settings.limit and limit_of(settings, subject.resource) is None:
        return "" if settings.limit_optional else f"limit not known: AWS did not tell its {settings.limit}"
    dimensions = subject.resource.dimensions
    if settings.dimensions:
        written = {name: _written(text, subject.resource) for name, text in settings.dimensions}
        absent = [dict(settings.dimensions)[name] for name, text in written.items() if text is None]
        if absent:
            return f"not asked: the resource has no {absent[0]}"
        filled = {name: text for name, text in written.items() if text is not None}
        dimensions = tuple(sorted({**dict(dimensions), **filled}.items()))
    return tuple(
        MetricQuery(item.namespace, item.metric, dimensions, item.statistic, settings.step) for item in settings.inputs
    )


def limit_of(settings: MetricSettings, resource: Resource) -> float | None:
    """The fetched limit; None where AWS did not tell it or where it is no number above 0."""
    fact = resource.fact(settings.limit)
    return float(fact) if isinstance(fact, int | float) and fact > 0 else None


def _written(text: str, resource: Resource) -> str | None:
    """`{fact:filter_id}` and the like put in; None where the resource does not have it."""
    absent = False

    def put(match: re.Match[str]) -> str:
        nonlocal absent
        found = _looked_up(match, resource)
        absent = absent or found is None
        return found or ""

    filled = _PLACE.sub(put, text)
    return None if absent else filled


def _looked_up(match: re.Match[str], resource: Resource) -> str | None:
    if match["own"]:
        return resource.name if match["own"] == "name" else resource.region
    if match["source"] == "fact":
        fact = resource.fact(match["key"])
        return f"{fact:g}" if isinstance(fact, float | int) else fact
    return dict(resource.tags if match["source"] == "tag" else resource.dimensions).get(match["key"])
