"""What exists in the embedded AWS and what it does at any time: the one truth that metrics and describe calls share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from opsbot.replica.posture import WELL, Posture
from opsbot.replica.remedies import Remedy
from opsbot.replica.spending import NOTHING, Spending

Floats = NDArray[np.float64]
Place = tuple[str, str]
"""An account and a region. Global resources (CloudFront) live in us-east-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """What a series did in n consecutive steps; arrays of length n, not to be written to."""

    count: Floats
    """Samples in the step; 0 = no datum there."""
    mean: Floats
    spread: Floats
    """Relative spread (sigma of ln x); 0 = constant. Extremes and percentiles follow from mean, spread and count."""


@dataclass(frozen=True, slots=True)
class SeriesId:
    """Names one CloudWatch metric; dimensions sorted by name."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


class Signal(Protocol):
    """One series as a pure function of time."""

    def buckets(self, start: int, n: int, step: int) -> Buckets:
        """The n steps from `start` (epoch seconds, aligned to `step`); step is 60, 300 or a multiple of 300."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpec:
    """A CloudWatch alarm as somebody configured it; its state follows from the world."""

    name: str
    kind: Literal["metric", "composite", "log"] = "metric"
    series: SeriesId | None = None
    statistic: str = "Average"
    period: int = 300
    evaluation_periods: int = 1
    datapoints_to_alarm: int = 1
    threshold: float = 0.0
    comparison: str = "GreaterThanThreshold"
    treat_missing: str = "missing"
    rule: str = ""
    query: str = ""
    """Of a log alarm: the scheduled query whose count is that of `series`."""
    actions_enabled: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that AssumeRole knows; `external_id` None = none is asked for."""

    arn: str
    account: str
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing that a describe call shows. `attributes` are the facts the call reports, in its own words."""

    kind: str
    name: str
    arn: str
    account: str
    region: str
    created: datetime
    tags: tuple[tuple[str, str], ...]
    attributes: Mapping[str, object]

    def text(self, key: str) -> str:
        """An attribute that is text; "" when it has none."""
        return str(self.attributes.get(key, ""))

    def number(self, key: str, default: int = 0) -> int:
        """An attribute that is a whole number."""
        value = self.attributes.get(key, default)
        return int(value) if isinstance(value, int | float) else default


class Window(Protocol):
    """When something planted is going on."""

    def spans(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of [start, end) in which it is on, epoch seconds."""

    def began(self, at: int) -> int | None:
        """When the episode that is on at `at` began; None if it is off then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What was planted, so that a test can compare it with what was found."""

    environment: str
    kind: str
    resource: str
    metric: str
    story: str
    expect: str
    """The name of the check that has to find it; "" = must stay silent (a decoy)."""
    window: Window
    value: float = 0.0
    whole: Window | None = None
    """The window as it was planted, where remedies have cut it."""
    heals: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSpec:
    """A place of the scenario as the product's configuration will name it."""

    name: str
    tenant: str
    tier: str
    account: str
    regions: tuple[str, ...]
    external_id: str | None
    labels: tuple[tuple[str, str], ...]


NOWHERE: Mapping[SeriesId, Signal] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything the embedded AWS knows. Immutable; the same world gives the same answer for the same time."""

    seed: int
    caller_account: str
    environments: tuple[EnvironmentSpec, ...]
    signals: Mapping[Place, Mapping[SeriesId, Signal]]
    inventory: Mapping[Place, Mapping[str, tuple[Resource, ...]]]
    """Per place and kind."""
    alarm_specs: Mapping[Place, tuple[AlarmSpec, ...]]
    roles: Mapping[str, Role]
    incidents: tuple[Incident, ...]
    decoys: tuple[Incident, ...]
    settle_delays: Mapping[str, int]
    regions_off: frozenset[Place] = frozenset()
    states: Mapping[tuple[str, str, str, str], tuple[Incident, ...]] = field(default_factory=dict)
    """Incidents by (account, region, kind, resource name), for describe calls."""
    spending: Spending = NOTHING
    postures: Mapping[str, Posture] = field(default_factory=dict)
    """By account; one that is not here is guarded well."""

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account, the caller's first."""
        return tuple(dict.fromkeys((self.caller_account, *(env.account for env in self.environments))))

    def series(self, account: str, region: str) -> Mapping[SeriesId, Signal]:
        """The metrics of one account and region."""
        return self.signals.get((account, region), NOWHERE)

    def settle(self, namespace: str) -> int:
        """Seconds until a point of the namespace is final; younger points are missing."""
        return self.settle_delays.get(namespace, 300)

    def alarms(self, account: str, region: str) -> tuple[AlarmSpec, ...]:
        """The alarms configured in one account and region."""
        return self.alarm_specs.get((account, region), ())

    def role(self, arn: str) -> Role | None:
        """The role of that ARN; None = nobody may assume it."""
        return self.roles.get(arn)

    def posture(self, account: str) -> Posture:
        """How the account is guarded."""
        return self.postures.get(account, WELL)

    def resources(self, account: str, region: str, kind: str) -> tuple[Resource, ...]:
        """What a describe call of one kind finds in one account and region, sorted by name."""
        return self.inventory.get((account, region), {}).get(kind, ())

    def trouble(self, resource: Resource, what: str, at: datetime) -> Incident | None:
        """The incident that is on for a resource's `what` (a metric or a describe fact) at that time."""
        second = int(at.timestamp())
        return next((i for i in self._planted(resource, what) if i.window.began(second) is not None), None)

    def cause(self, resource: Resource, what: str, at: datetime) -> datetime | None:
        """When the incident began that is on at that time, or would be if nobody had cured it; decoys have none."""
        second = int(at.timestamp())
        told = (i for i in self._planted(resource, what) if i.expect)
        began = next((b for i in told if (b := (i.whole or i.window).began(second)) is not None), None)
        return None if began is None else datetime.fromtimestamp(began, at.tzinfo)

    def _planted(self, resource: Resource, what: str) -> Iterator[Incident]:
        planted = self.states.get((resource.account, resource.region, resource.kind, resource.name), ())
        return (incident for incident in planted if incident.metric == what)
