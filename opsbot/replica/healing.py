"""The world after what callers did to it: planted incidents end where the scenario says what cures them, a load is shared
by more, a function that may not run is silent. Undone, it all comes back. The past stays as it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from opsbot.replica.codec import Request
from opsbot.replica.doings import Doings
from opsbot.replica.growth import Growing
from opsbot.replica.population import dimensions
from opsbot.replica.remedies import WAYS, Held, Taken, cured, held
from opsbot.replica.signals import Events, Gauge, Measure, Planted, Share, replanted
from opsbot.replica.windows import Between, Cut, merged
from opsbot.replica.world import Incident, Place, Resource, SeriesId, Signal, Window, World

Plants = tuple[Planted, ...]
_TASKS = ("RunningTaskCount", "DesiredTaskCount")
_MACHINES = ("GroupInServiceInstances", "GroupDesiredCapacity")
_SIZES: Mapping[str, tuple[str, ...]] = {"ecs.scale": _TASKS, "asg.set_desired": _MACHINES}
"""What changes how many share the load, and the series that count them."""
_LOAD = "CPUUtilization"
_MORE_THAN_ALL = 2.0


def take(request: Request, by: str, *names: str, value: float = 1.0, document: str = "") -> None:
    """Notes what a caller did to what is named so; as a set number, or done once."""
    at = int(request.now.timestamp())
    one = Taken(account=request.account, by=by, names=names, at=at, value=value, document=document)
    with request.state.doings.lock:
        request.state.doings.taken.append(one)


def as_left(world: World, doings: Doings) -> World:
    """The world as callers have left it; the world itself where nobody did anything."""
    with doings.lock:
        if not doings.taken:
            return world
        if doings.left is None or doings.left[0] != len(doings.taken):
            doings.left = len(doings.taken), mended(world, tuple(doings.taken))
        return doings.left[1]


def mended(world: World, taken: Sequence[Taken]) -> World:
    """The world after so many changes."""
    draft = _Mended(world, taken, dict(world.signals), dict(world.states))
    for key, planted in world.states.items():
        draft.cure(key, planted)
    for resource in draft.touched("ecs.scale", "asg.set_desired"):
        draft.share(resource)
    for resource in draft.touched("lambda.put_concurrency"):
        draft.stop(resource)
    return replace(world, signals=draft.signals, states=draft.states)


@dataclass(slots=True)
class _Mended:
    """The parts that change, while they do."""

    world: World
    taken: Sequence[Taken]
    signals: dict[Place, Mapping[SeriesId, Signal]]
    states: dict[tuple[str, str, str, str], tuple[Incident, ...]]

    def cure(self, key: tuple[str, str, str, str], planted: tuple[Incident, ...]) -> None:
        """Cuts what remedies cured out of the incidents of one resource."""
        account, region, kind, name = key
        cuts: dict[int, Window] = {}
        for incident in planted:
            gone = [r for r in incident.heals if not r.shared]
            off = merged(span for remedy in gone for span in cured(remedy, name, account, self.taken))
            if off:
                cuts[id(incident.window)] = Cut(incident.window, off)
        if cuts:
            own = next(one for one in self.world.resources(account, region, kind) if one.name == name)
            self.states[key] = tuple(_cut(incident, cuts) for incident in planted)
            self.alter(own, lambda _, signal: replanted(signal, lambda plants: _all_cut(plants, cuts)))

    def alter(self, resource: Resource, change: Callable[[SeriesId, Signal], Signal]) -> None:
        """Changes the series of one resource."""
        place, own = (resource.account, resource.region), set(dimensions(resource).items())
        signals = dict(self.signals.get(place, {}))
        mine = [series for series in signals if own and own <= set(series.dimensions)]
        signals |= {series: change(series, signals[series]) for series in mine}
        self.signals[place] = signals

    def touched(self, *ways: str) -> Iterator[Resource]:
        """What some kinds of change were made to."""
        names: dict[tuple[str, str], set[str]] = defaultdict(set)
        for one in self.taken:
            if one.by in ways:
                names[one.account, WAYS[one.by].kind].update(one.names)
        for (account, _), kinds in self.world.inventory.items():
            for kind, resources in kinds.items():
                yield from (one for one in resources if one.name in names.get((account, kind), ()))

    def held(self, resource: Resource, by: str) -> list[Held]:
        mine = [t for t in self.taken if (t.account, t.by) == (resource.account, by) and resource.name in t.names]
        return held(mine, WAYS[by].after)

    def share(self, resource: Resource) -> None:
        """A load falls on as many as there are; what remedies say it does not heal stays on each."""
        by = next(way for way in _SIZES if WAYS[way].kind == resource.kind)
        sizes, usual = self.held(resource, by), resource.number("desired")
        key = (resource.account, resource.region, resource.kind, resource.name)
        planted = self.states.get(key, ())
        shared = {id(i.window) for i in planted if any(remedy.shared and remedy.by == by for remedy in i.heals)}
        load = tuple(_shared(one, usual) for one in sizes)
        # What is said beside the figures: with more than there were it is over.
        over = merged((one.begin, one.end) for one in sizes if one.value > usual)
        eased = {id(i.window): Cut(i.window, over) for i in planted if over and id(i.window) in shared}
        self.states[key] = tuple(_cut(incident, eased) for incident in planted)

        def change(series: SeriesId, signal: Signal) -> Signal:
            if series.name in _SIZES[by]:
                return _counted(signal, sizes)
            if series.name == _LOAD and isinstance(signal, Gauge):
                return replanted(signal, lambda plants: _with_load(plants, load, shared))
            return signal

        self.alter(resource, change)

    def stop(self, resource: Resource) -> None:
        """A function that is allowed nothing: every call is turned away, and none runs."""
        windows = [Between(o.begin, o.end) for o in self.held(resource, "lambda.put_concurrency") if o.value == 0]
        silent = tuple(Planted(window, "scale", 0.0) for window in windows)
        refused = tuple(Planted(window, "set", _MORE_THAN_ALL) for window in windows)

        def change(series: SeriesId, signal: Signal) -> Signal:
            if series.name == "Throttles" and isinstance(signal, Share):
                return replace(signal, tone=replace(signal.tone, planted=(*signal.tone.planted, *refused)))
            if isinstance(signal, Events):
                return replanted(signal, lambda plants: (*plants, *silent))
            return _of_fewer(signal, silent)

        if windows:
            self.alter(resource, change)


def _cut(incident: Incident, cuts: Mapping[int, Window]) -> Incident:
    window = cuts.get(id(incident.window))
    return incident if window is None else replace(incident, window=window, whole=incident.whole or incident.window)


def _all_cut(plants: Plants, cuts: Mapping[int, Window]) -> Plants:
    return tuple(replace(one, window=cuts.get(id(one.window), one.window)) for one in plants)


def _shared(size: Held, usual: int) -> Planted:
    window = Between(size.begin, size.end)
    return Planted(window, "scale", usual / size.value) if size.value > 0 else Planted(window, "silence")


def _with_load(plants: Plants, load: Plants, shared: Iterable[int]) -> Plants:
    """Load that is shared comes before the sharing, what stays as it is on each after it."""
    spread = tuple(one for one in plants if id(one.window) in shared)
    return (*spread, *load, *(one for one in plants if id(one.window) not in shared))


def _counted(signal: Signal, sizes: Sequence[Held]) -> Signal:
    if isinstance(signal, Growing):
        return replace(signal, held=(*signal.held, *sizes))
    told = tuple(Planted(Between(one.begin, one.end), "set", one.value) for one in sizes)
    return replanted(signal, lambda plants: (*told, *plants))


def _of_fewer(signal: Signal, silent: Plants) -> Signal:
    if not isinstance(signal, Share | Measure):
        return signal
    tone = signal.of.tone
    return replace(signal, of=replace(signal.of, tone=replace(tone, planted=(*tone.planted, *silent))))
