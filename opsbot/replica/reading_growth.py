"""The [[trends]] of a scenario: series of a resource that grow, beside its kind's own or in their place."""

from __future__ import annotations

from collections.abc import Callable

from opsbot.replica.draft import Draft, Entry
from opsbot.replica.growth import Growing, Jump
from opsbot.replica.population import dimensions
from opsbot.replica.reading import Section
from opsbot.replica.signals import DAY, GROWTH_EPOCH, key_of
from opsbot.replica.world import SeriesId

Resolve = Callable[[Section, str], list[Entry]]
LONGEST = 3650


def read_growth(file: Section, draft: Draft, anchor: int | None, resolve: Resolve) -> None:
    """Every table of the section; `resolve` finds the resources that one names."""
    present = GROWTH_EPOCH if anchor is None else anchor
    for section in file.tables("trends"):
        kind = section.text("kind")
        namespace, metric = section.text("namespace"), section.text("metric")
        extra = {key: section.table("extra").text(key) for key in section.table("extra").values}
        without = section.texts("without", ())
        entries = resolve(section, kind)
        growing = _growing(section, present)
        section.done()
        for entry in entries:
            dims = tuple(sorted((dimensions(entry.resource) | extra).items()))
            dims = tuple(pair for pair in dims if pair[0] not in without)
            series = SeriesId(namespace, metric, dims)
            place = entry.resource.account, entry.resource.region
            draft.signals[place][series] = growing(key_of(draft.seed, *place, repr(series)))


def _growing(section: Section, present: int) -> Callable[[int], Growing]:
    now, per_day = section.number("now", low=0), section.number("per_day", 0.0)
    noise, weekend = section.number("noise", 0.0, low=0, high=1), section.number("weekend", 1.0, low=0, high=1)
    bend, days = section.number("bend", 0.0, low=-1, high=1), section.whole("days", 400, high=LONGEST)
    daily, whole = section.flag("daily", False), section.flag("whole", False)
    jumps = tuple(_jump(one) for one in section.tables("jumps"))

    def growing(key: int) -> Growing:
        return Growing(
            key=key, present=present, now=now, per_day=per_day, begun=present - days * DAY, bend=bend, noise=noise,
            weekend=weekend, jumps=jumps, daily=daily, whole=whole,
        )  # fmt: skip

    return growing


def _jump(section: Section) -> Jump:
    jump = Jump(days=section.number("days", low=0, high=LONGEST), by=section.number("by"))
    section.done()
    return jump
