"""A world while it is being made: places fill with resources, then incidents and alarms are planted in them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from opsbot.replica.kinds import FACTS
from opsbot.replica.population import Plan, published, settled
from opsbot.replica.posture import Posture
from opsbot.replica.signals import Change, Events, Planted, planted, relinked
from opsbot.replica.spending import PayerSpec, Runaway, Spending
from opsbot.replica.world import (
    AlarmSpec,
    EnvironmentSpec,
    Incident,
    Place,
    Resource,
    Role,
    SeriesId,
    Signal,
    World,
)

GLOBAL_REGION = "us-east-1"
GLOBAL_KINDS = frozenset({"cloudfront-distribution"})
INSIGHTS = "ECS/ContainerInsights"
COUNTED = {"runningCount": "RunningTaskCount"}
"""What a describe call tells of a kind, and the metric that says the same."""
ACCOUNT = "account"
"""The name of the one lambda-account resource of a place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource and its series by metric name."""

    resource: Resource
    series: dict[str, list[SeriesId]]


@dataclass(slots=True)
class Draft:
    """Everything placed so far. `World` is what it ends as."""

    seed: int
    caller_account: str
    settle_delays: dict[str, int] = field(default_factory=dict)
    regions_off: set[Place] = field(default_factory=set)
    environments: list[EnvironmentSpec] = field(default_factory=list)
    signals: dict[Place, dict[SeriesId, Signal]] = field(default_factory=lambda: defaultdict(dict))
    entries: dict[tuple[str, str, str], Entry] = field(default_factory=dict)
    """By account, kind and name."""
    incidents: list[Incident] = field(default_factory=list)
    decoys: list[Incident] = field(default_factory=list)
    states: dict[tuple[str, str, str, str], list[Incident]] = field(default_factory=lambda: defaultdict(list))
    alarms: dict[Place, list[AlarmSpec]] = field(default_factory=lambda: defaultdict(list))
    payers: list[PayerSpec] = field(default_factory=list)
    runaways: list[Runaway] = field(default_factory=list)
    postures: dict[str, Posture] = field(default_factory=dict)
    """By account."""

    def settle(self, plan: Plan, place: Place) -> list[str]:
        """Places a plan's resources; answers the names that the account already has of that kind."""
        taken = []
        region = GLOBAL_REGION if plan.kind in GLOBAL_KINDS else place[1]
        for resource in settled(plan, self.seed, (place[0], region)):
            if (key := (place[0], resource.kind, resource.name)) in self.entries:
                taken.append(resource.name)
            else:
                self.entries[key] = self._publish(resource, plan)
        return taken

    def _publish(self, resource: Resource, plan: Plan) -> Entry:
        entry = Entry(resource, {})
        signals = self.signals[resource.account, resource.region]
        for one in published(resource, plan, self.seed):
            signals[one.series] = one.signal
            entry.series.setdefault(one.series.name, []).append(one.series)
        return entry

    def matching(self, account: str, kind: str, pattern: str) -> list[Entry]:
        """The resources of a kind whose name matches a glob."""
        if exact := self.entries.get((account, kind, pattern)):
            return [exact]
        return [
            e for (a, k, name), e in self.entries.items() if (a, k) == (account, kind) and fnmatchcase(name, pattern)
        ]

    def plant(self, entry: Entry, incident: Incident, change: Change) -> None:
        """Makes an incident happen to a resource: in its metrics, or in what a describe call tells of it."""
        resource = entry.resource
        self.states[resource.account, resource.region, resource.kind, resource.name].append(incident)
        for series in entry.series.get(COUNTED.get(incident.metric, incident.metric), ()):
            self._alter(resource, series, Planted(incident.window, change, self._amount(resource, incident)))
        if incident.metric == "runningCount" and incident.value == 0:
            # Without a task there is nothing to measure.
            for series in (s for many in entry.series.values() for s in many if s.namespace != INSIGHTS):
                self._alter(resource, series, Planted(incident.window, "silence"))

    def _alter(self, resource: Resource, series: SeriesId, change: Planted) -> None:
        signals = self.signals[resource.account, resource.region]
        before = signals[series]
        signals[series] = after = planted(before, change)
        if isinstance(before, Events) and isinstance(after, Events):
            # Errors and durations belong to the same invocations.
            own = self.entries[resource.account, resource.kind, resource.name].series
            for other in (s for many in own.values() for s in many):
                signals[other] = relinked(signals[other], before, after)

    def _amount(self, resource: Resource, incident: Incident) -> float:
        """The value in the signal's own unit: some are planted as a share of a limit."""
        return (
            incident.value * resource.number(SCALED[incident.metric], 1)
            if incident.metric in SCALED
            else incident.value
        )

    def world(self) -> World:
        """The finished world."""
        for place in {p for p, signals in self.signals.items() if any(s.namespace == "AWS/Lambda" for s in signals)}:
            self.settle(Plan(kind="lambda-account", names=(ACCOUNT,)), place)
        return World(
            seed=self.seed,
            caller_account=self.caller_account,
            environments=tuple(self.environments),
            signals=dict(self.signals),
            inventory=_inventory(entry.resource for entry in self.entries.values()),
            alarm_specs={place: tuple(specs) for place, specs in self.alarms.items()},
            roles={role.arn: role for role in map(_role, self.environments)},
            incidents=tuple(self.incidents),
            decoys=tuple(self.decoys),
            settle_delays=self.settle_delays,
            regions_off=frozenset(self.regions_off),
            states={key: tuple(many) for key, many in self.states.items()},
            spending=Spending(payers=tuple(self.payers), runaways=tuple(self.runaways)),
            postures=dict(self.postures),
        )


SCALED = {"Duration": "timeout_ms", "DatabaseConnections": "max_connections", "FreeStorageSpace": "allocated_bytes"}
"""Metrics whose planted value is a share of an attribute; for FreeStorageSpace the share that is used."""


def role_arn(environment: EnvironmentSpec) -> str:
    """The role through which the product reads an environment."""
    return f"arn:aws:iam::{environment.account}:role/opsbot"


def _role(environment: EnvironmentSpec) -> Role:
    return Role(arn=role_arn(environment), account=environment.account, external_id=environment.external_id)


def _inventory(resources: Iterable[Resource]) -> dict[Place, dict[str, tuple[Resource, ...]]]:
    found: dict[Place, dict[str, tuple[Resource, ...]]] = defaultdict(dict)
    for resource in sorted(resources, key=lambda r: r.name):
        kinds = found[resource.account, resource.region]
        kinds[resource.kind] = (*kinds.get(resource.kind, ()), resource)
    return dict(found)


def watchable(entry: Entry) -> tuple[str, ...]:
    """What can go wrong with a resource: its metrics and the facts its describe call tells."""
    return (*entry.series, *FACTS.get(entry.resource.kind, ()))
