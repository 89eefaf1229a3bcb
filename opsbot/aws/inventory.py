"""What environments hold: every reader in every region at once, names unique, tags joined, failures told as gaps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, Failure, translate
from opsbot.aws.flow import Flow
from opsbot.aws.readers import KINDS, READERS, needed
from opsbot.aws.readers.listed import DISK_KIND
from opsbot.aws.readers.place import Found, Further, Look, Reader, tags
from opsbot.aws.readers.storage import GLOBAL_REGION
from opsbot.aws.session import Access, Sessions, last_call
from opsbot.model.environment import Environment, Labels
from opsbot.model.resource import Gap, Inventory, Resource
from opsbot.ports import CustomMetric

_T = TypeVar("_T")
_Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one piece of reading brought: resources, more to ask, and why it stopped early if it did."""

    resources: list[Resource]
    further: list[Further]
    gap: Gap | None = None


@dataclass(slots=True, kw_only=True)
class Search:
    """One environment while it is being searched; `waiting` counts what is under way."""

    environment: Environment
    resources: list[Resource] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    untagged: list[Gap] = field(default_factory=list)
    tags: dict[str, Labels] = field(default_factory=dict)
    waiting: int = 0


class Inventories:
    """All bookkeeping happens in the thread that iterates; the pool only asks."""

    def __init__(
        self,
        environments: Sequence[Environment],
        kinds: frozenset[str],
        custom: frozenset[CustomMetric],
        now: datetime,
        sessions: Sessions,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._environments = environments
        self._readers = tuple(needed(kinds, custom))
        self._unknown = tuple(sorted(kind for kind in kinds - KINDS if not kind.startswith("metric:")))
        self._now = now
        self._sessions = sessions
        self._flow: Flow[_Step] = Flow(pool)
        self._done: list[Inventory] = []

    def __iter__(self) -> Iterator[Inventory]:
        for environment in self._environments:
            self._start(Search(environment=environment))
        for step in self._flow:
            step()
            yield from self._done
            self._done.clear()

    def _start(self, search: Search) -> None:
        if self._unknown:
            why = f"opsbot does not know how to find {', '.join(self._unknown)}"
            search.gaps.append(Gap(region="", kinds=self._unknown, why=why))
        self._run(search, partial(self._signed_in, search))

    def _run(self, search: Search, work: Callable[[], _Step]) -> None:
        """Hand out one piece of work; what it brings is taken, and the search ends with its last piece."""
        search.waiting += 1

        def step(take: _Step) -> None:
            take()
            search.waiting -= 1
            if not search.waiting:
                self._done.append(finished(search, self._now))

        self._flow.start(lambda: _bound(step, work()))

    def _signed_in(self, search: Search) -> _Step:
        """In the pool."""
        try:
            access = self._sessions.open(search.environment)
            account = self._sessions.account(access) if self._readers else access.account
        except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
            failure = translate(error, call=last_call())
            gap = Gap(region="", kinds=(), why=failure.message, action=failure.action)
            return lambda: search.gaps.append(gap)
        return lambda: self._look_around(search, access, account)

    def _look_around(self, search: Search, access: Access, account: str) -> None:
        regions = search.environment.regions
        home = Look(region=regions[0], regions=regions, account=account, now=self._now, clients=access.client)
        for region in regions:
            look = replace(home, region=region)
            for reader in self._readers:
                if not reader.global_service or look == home:
                    self._read(search, access, look, reader, partial(reader.read, look))
        for region, readers in self._sweeps(regions).items():
            self._run(search, partial(self._tags, search, access, replace(home, region=region), readers))

    def _sweeps(self, regions: Sequence[str]) -> dict[str, list[Reader]]:
        """Where tags have to be listed because describe calls tell none; those of CloudFront are kept in us-east-1."""
        sweeps: dict[str, list[Reader]] = defaultdict(list)
        for reader in self._readers:
            if reader.tagged:
                for region in [GLOBAL_REGION] if "cloudfront:distribution" in reader.tagged else regions:
                    sweeps[region].append(reader)
        return sweeps

    def _read(
        self, search: Search, access: Access, look: Look, reader: Reader, read: Callable[[], Iterable[Found]]
    ) -> None:
        away = look.region != search.environment.home_region

        def take(part: Part) -> None:
            search.resources += part.resources
            search.gaps += [part.gap] if part.gap else []
            for further in part.further:
                self._read(search, access, look, reader, further)

        self._run(search, lambda: _bound(take, collected(access, look, reader, read, away=away)))

    def _tags(self, search: Search, access: Access, look: Look, readers: Sequence[Reader]) -> _Step:
        """In the pool."""
        found, failure = swept(access, look, [type for reader in readers for type in reader.tagged])
        kinds = tuple(kind for reader in readers for kind in reader.kinds if not kind.startswith("metric:"))

        def take() -> None:
            search.tags.update(found)
            if failure is not None:
                why = f"tags could not be read: {failure.message}"
                search.untagged.append(Gap(region=look.region, kinds=kinds, why=why, action=failure.action))

        return take


def collected(access: Access, look: Look, reader: Reader, read: Callable[[], Iterable[Found]], *, away: bool) -> Part:
    """In the pool: what one call of a reader brings. What came before a failure is kept, the failure becomes a gap."""
    part = Part(resources=[], further=[])
    try:
        with access.signed():
            for found in read():
                if isinstance(found, Resource):
                    part.resources.append(found)
                else:
                    part.further.append(found)
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        failure = translate(error, call=last_call(), away=away)
        return replace(
            part, gap=Gap(region=look.region, kinds=reader.kinds, why=failure.message, action=failure.action)
        )
    return part


def swept(access: Access, look: Look, types: Sequence[str]) -> tuple[dict[str, Labels], Failure | None]:
    """In the pool: tags by ARN."""
    found: dict[str, Labels] = {}
    asked = {"ResourceTypeFilters": sorted(set(types)), "ResourcesPerPage": 100}
    try:
        with access.signed():
            for item in look.each("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", **asked):
                found[item["ResourceARN"]] = tags(item.get("Tags"))
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        return found, translate(error, call=last_call(), away=look.region not in look.regions[:1])
    return found, None


def finished(search: Search, now: datetime) -> Inventory:
    """The search as an Inventory: tags joined, names unique, order fixed."""
    resources = [_tagged(resource, search.tags) for resource in search.resources]
    named = _named(resources, search.environment.home_region)
    return Inventory(
        environment=search.environment.name,
        taken_at=now,
        resources=tuple(sorted(named, key=lambda resource: (resource.kind, resource.name, resource.region))),
        gaps=tuple(_gaps([*search.gaps, *_untagged(search)])),
    )


def _untagged(search: Search) -> Iterator[Gap]:
    """Tags that could not be read, unless the very resources could not be seen either."""
    hidden = {(gap.region, kind) for gap in search.gaps for kind in gap.kinds}
    for gap in search.untagged:
        kinds = tuple(kind for kind in gap.kinds if (gap.region, kind) not in hidden)
        if kinds:
            yield replace(gap, kinds=kinds)


def _gaps(gaps: Iterable[Gap]) -> list[Gap]:
    """Each once. A region that is off, or a wrong clock, hides many kinds for one reason: that is one gap."""
    together: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for gap in gaps:
        together[gap.region, gap.why, gap.action].update(dict.fromkeys(gap.kinds))
    merged = [
        Gap(region=region, kinds=tuple(sorted(kinds)), why=why, action=action)
        for (region, why, action), kinds in together.items()
    ]
    return sorted(merged, key=lambda gap: (gap.region, gap.kinds, gap.why))


def _tagged(resource: Resource, found: dict[str, Labels]) -> Resource:
    if resource.tags or resource.arn not in found:
        return resource
    owned = found[resource.arn]
    name = dict(owned).get("Name", "")
    if resource.kind == DISK_KIND and name:
        # People know their machines by name; the agent knows the instance id alone.
        return replace(resource, tags=owned, name=f"{name}:{resource.fact('path')}")
    return replace(resource, tags=owned)


def _named(resources: Iterable[Resource], home: str) -> Iterator[Resource]:
    """Names as people read them: bare at home and for global services, `name@region` elsewhere; every one different."""
    unique = {(r.kind, r.region, r.name, r.dimensions, "" if r.dimensions else r.arn): r for r in resources}
    times = Counter((r.kind, r.region, r.name) for r in unique.values())
    for resource in unique.values():
        repeated = times[resource.kind, resource.region, resource.name] > 1
        name = _qualified(resource) if repeated else resource.name
        bare = resource.region == home or resource.kind in _GLOBAL
        yield replace(resource, name=name if bare else f"{name}@{resource.region}")


_GLOBAL = frozenset(kind for kind, reader in READERS.items() if reader.global_service)


def _qualified(resource: Resource) -> str:
    """A name that others of its kind have too, told apart by what holds it or by its id."""
    holder = resource.fact("cluster") or resource.fact("balancer")
    if holder:
        return f"{holder}/{resource.name}"
    id = resource.arn.rsplit("/", 1)[-1] or "/".join(value for _, value in resource.dimensions)
    return f"{resource.name} ({id})"


def _bound(take: Callable[[_T], None], value: _T) -> _Step:
    return lambda: take(value)
