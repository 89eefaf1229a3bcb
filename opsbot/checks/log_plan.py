"""Which scans the log checks of a run come to: one for all words that are counted in the same groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.checks import log_text
from opsbot.checks.kind import Subject, When
from opsbot.checks.log_settings import LogSettings
from opsbot.checks.log_text import MOST_ROWS, Column
from opsbot.model.environment import Environment
from opsbot.model.period import Period, from_epoch
from opsbot.model.resource import Inventory, Resource
from opsbot.ports import LogGroup, LogQuery
from opsbot.samples import aligned

KIND = "log-group"
MOST_GROUPS = 50
"""AWS's limit for one query."""
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A log group, and whether it can be asked: `storage` is its class, and groups of two classes share no query."""

    group: LogGroup
    storage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The log groups of one environment by region and name; `gaps`: why a region's could not be listed."""

    groups: Mapping[tuple[str, str], Group]
    gaps: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one query is about: queries of two places share nothing."""

    environment: Environment
    region: str
    start: int
    count: int
    step: int
    storage: str
    source: str

    @property
    def window(self) -> Period:
        return Period(start=from_epoch(self.start), end=from_epoch(self.start + self.count * self.step))


Wanted = dict[Place, dict[LogGroup, dict[Column, None]]]


@dataclass(frozen=True, slots=True)
class Scan:
    """A query with what stands in its columns."""

    place: Place
    columns: tuple[Column, ...]
    query: LogQuery


def known(inventory: Inventory, now: datetime) -> Known:
    """The groups that an inventory found."""
    found = (resource for resource in inventory.resources if resource.kind == KIND)
    return Known(
        groups={(one.region, name_of(one)): _group(one, now) for one in found},
        gaps={gap.region: gap.why for gap in inventory.gaps if KIND in gap.kinds or not gap.kinds},
    )


def name_of(resource: Resource) -> str:
    """As AWS names it: people read `name@region` where it is not at home."""
    return dict(resource.dimensions).get("LogGroupName", resource.name)


def _group(resource: Resource, now: datetime) -> Group:
    kept = [days * _DAY for days in [_number(resource, "retention_days")] if days]
    created = _number(resource, "created")
    if created is not None and now.timestamp() > created:
        kept.append(max(now.timestamp() - created, _DAY))
    group = LogGroup(
        name=name_of(resource), stored_bytes=_number(resource, "stored_bytes"), kept_seconds=min(kept, default=None)
    )
    return Group(group=group, storage=str(resource.fact("storage") or ""))


def _number(resource: Resource, name: str) -> float | None:
    fact = resource.fact(name)
    return float(fact) if isinstance(fact, int | float) else None


def place_of(subject: Subject, settings: LogSettings, group: Group, when: When) -> Place:
    start, count = aligned(when.window, settings.step)
    return Place(
        environment=subject.environment,
        region=subject.resource.region,
        start=start,
        count=count,
        step=settings.step,
        storage=group.storage,
        source=settings.column.source,
    )


def scans(wanted: Wanted) -> Iterator[Scan]:
    """As few scans as there can be: groups in which the same is counted stand in one query, 50 at most."""
    for place, groups in wanted.items():
        alike: dict[tuple[Column, ...], list[LogGroup]] = defaultdict(list)
        for group, wished in groups.items():
            alike[tuple(wished)].append(group)
        for columns, some in alike.items():
            yield from (_scan(place, columns, part) for part in _parts(some, place))


def _parts(groups: Sequence[LogGroup], place: Place) -> Iterable[Sequence[LogGroup]]:
    # Rows come by bin and group, and more than AWS's limit would be cut off.
    size = max(1, min(MOST_GROUPS, MOST_ROWS // max(1, place.count)))
    return (groups[first : first + size] for first in range(0, len(groups), size))


def _scan(place: Place, columns: tuple[Column, ...], groups: Sequence[LogGroup]) -> Scan:
    query = LogQuery(
        environment=place.environment,
        region=place.region,
        window=place.window,
        groups=tuple(groups),
        text=log_text.counting(columns, timedelta(seconds=place.step)),
        limit=MOST_ROWS,
    )
    return Scan(place, columns, query)
