"""What is followed: each resource through each source that fits it, with its limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from opsbot.checks.capacity.settings import CapacitySettings, OwnLimit
from opsbot.checks.capacity.source import Around, Limit, Source, number
from opsbot.checks.capacity.sources import COST, EXTRA, SOURCES
from opsbot.model.check import Check, Selector
from opsbot.model.environment import Environment
from opsbot.model.resource import Inventory, Resource
from opsbot.model.units import Unit
from opsbot.ports import MetricQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One series to be forecast. No `limit` and a `why`: there is one, but it cannot be told."""

    source: Source
    environment: Environment
    resource: Resource
    limit: Limit | None
    why: str = ""
    queries: tuple[MetricQuery, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.environment.name}/{self.source.check}/{self.resource.name}"


def kinds(settings: CapacitySettings) -> frozenset[str]:
    """The resource kinds that have to be found."""
    wanted = [SOURCES[name] for name in settings.names if name != COST]
    return frozenset(kind for source in wanted for kind in (source.kind, *source.also)) | set(EXTRA)


def watched() -> frozenset[str]:
    """All kinds that the job may look up: what a role must allow."""
    return kinds(CapacitySettings())


def as_checks(settings: CapacitySettings) -> tuple[Check, ...]:
    """The sources as checks, as far as it takes to say which of them a kind that could not be listed keeps blind."""
    unused = Check(
        name="capacity-unused", kind="capacity", settings=None, unit=Unit.BYTES, rules=(), title="Unused",
        where=Selector(kinds=EXTRA), area="storage",
    )  # fmt: skip
    return (*(_as_check(SOURCES[name]) for name in settings.names), unused)


def _as_check(source: Source) -> Check:
    where = Selector(kinds=(source.kind, *source.also))
    return Check(
        name=source.check, kind="capacity", settings=None, unit=source.unit, rules=(), title=source.title, where=where,
        area=source.area,
    )  # fmt: skip


def tracks(environment: Environment, inventory: Inventory, settings: CapacitySettings) -> Iterator[Track]:
    """Everything to be followed in one environment."""
    by_kind: Mapping[str, list[Resource]] = defaultdict(list)
    for resource in inventory.resources:
        by_kind[resource.kind].append(resource)
    around = _around(by_kind["scalable-target"])
    for name in settings.names:
        source = SOURCES[name]
        taken = [resource for resource in by_kind[source.kind] if source.takes(resource)]
        for resource in _largest(taken, settings.log_groups) if name == "logs" else taken:
            yield track(source, environment, resource, around.get(resource.region, Around()), settings)


def track(
    source: Source, environment: Environment, resource: Resource, around: Around, settings: CapacitySettings
) -> Track:
    """With the user's own limit, if there is one, instead of AWS's."""
    found = own_limit(source, environment, resource, settings.limits) or source.limit(resource, around)
    return Track(
        source=source,
        environment=environment,
        resource=resource,
        limit=found if isinstance(found, Limit) else None,
        why=found if isinstance(found, str) else "",
        queries=source.queries(resource),
    )


def own_limit(source: Source, environment: Environment, resource: Resource, limits: Iterable[OwnLimit]) -> Limit | None:
    """The first of the settings' limits that fits."""
    name = f"{environment.name}/{resource.name}"
    for own in limits:
        if own.metric == source.name and fnmatchcase(name, own.where):
            return Limit(value=own.amount, said="your own limit")
    return None


def _around(targets: Sequence[Resource]) -> dict[str, Around]:
    found: dict[str, dict[tuple[str, str], Resource]] = defaultdict(dict)
    for target in targets:
        dimension = str(target.fact("dimension")).rpartition(":")[2]
        found[target.region][str(target.fact("id")), dimension] = target
    return {region: Around(targets=named) for region, named in found.items()}


def _largest(groups: Sequence[Resource], most: int) -> list[Resource]:
    return sorted(groups, key=lambda group: (-(number(group, "stored_bytes") or 0.0), group.name))[:most]
