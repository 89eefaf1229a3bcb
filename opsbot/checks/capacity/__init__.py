"""Capacity: when does each resource reach its limit, with what odds, and by when must somebody act.

`forecast` finds what is limited and by what (limits are read, not typed), reads the history that is missing, and judges;
`report.py` writes it up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta

from opsbot.checks import gaps
from opsbot.checks.capacity.bills import bills
from opsbot.checks.capacity.findings import finding
from opsbot.checks.capacity.findings import forecast as noted
from opsbot.checks.capacity.judge import Judged, judge, urgency
from opsbot.checks.capacity.looked import Forecasts
from opsbot.checks.capacity.past import Past, read
from opsbot.checks.capacity.settings import CapacitySettings
from opsbot.checks.capacity.track import Track, as_checks, kinds, tracks
from opsbot.checks.kind import When
from opsbot.evaluate.trend.record import Record, record
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.resource import Inventory, Resource

__all__ = ["CapacitySettings", "Forecasts", "forecast"]

REMEMBERED = timedelta(days=210)
"""How far back forecasts are held against what happened: the half year they speak of, and a month."""


def forecast(ctx: Context, settings: CapacitySettings) -> Forecasts:
    """Everything that may run full, in every environment. What could not be looked at is an UNKNOWN finding.

    Raises PlanTooDear before the first metric, StoreError.
    """
    found = _inventories(ctx, settings)
    followed = [track for environment, inventory in found for track in tracks(environment, inventory, settings)]
    known = read(ctx, followed, settings.days)
    pairs = [*((track, known.pasts[track.key]) for track in followed), *bills(ctx, settings)]
    today = ctx.now.astimezone(UTC).date()
    judged = tuple(sorted(_judged(ctx, settings, pairs, today), key=urgency))
    blind = tuple(_unseen(ctx, settings, found))
    told = tuple(finding(one, ctx.now, today) for one in judged)
    return Forecasts(
        findings=tuple(sorted((*blind, *told), key=lambda one: (one.environment, one.check, one.resource))),
        noted=tuple(said for one in judged if (said := noted(one, today)) is not None),
        judged=judged,
        loose=tuple(_loose(found)),
        record=_record(ctx, today),
        asked=known.asked,
        kept=known.kept,
        now=ctx.now,
        today=today,
        zone=ctx.zone,
        settings=settings,
    )


_Found = list[tuple[Environment, Inventory]]


def _inventories(ctx: Context, settings: CapacitySettings) -> _Found:
    found: dict[str, Inventory] = {}
    total = len(ctx.environments)
    ctx.looking.progress("discovering", 0, total)
    for inventory in ctx.looking.cloud.inventory(ctx.environments, kinds(settings), frozenset(), ctx.now):
        found[inventory.environment] = inventory
        ctx.looking.progress("discovering", len(found), total)
    return [(environment, found[environment.name]) for environment in ctx.environments if environment.name in found]


def _unseen(ctx: Context, settings: CapacitySettings, found: _Found) -> Iterator[Finding]:
    inventories: Mapping[str, Inventory] = {environment.name: inventory for environment, inventory in found}
    when = When(now=ctx.now, window=ctx.window, history=ctx.looking.history)
    checks = as_checks(settings)
    for environment in ctx.environments:
        yield from gaps.unseen(environment, checks, inventories.get(environment.name), when)


def _judged(
    ctx: Context, settings: CapacitySettings, pairs: Sequence[tuple[Track, Past]], today: date
) -> Iterator[Judged]:
    for done, (track, past) in enumerate(pairs, 1):
        one = judge(track, past, settings, today)
        if one is not None:
            yield one
        if done % 50 == 0 or done == len(pairs):
            ctx.looking.progress("forecasting", done, len(pairs))


def _loose(found: _Found) -> Iterator[tuple[Environment, Resource]]:
    for environment, inventory in found:
        for resource in inventory.resources:
            if resource.kind == "loose-volume":
                yield environment, resource


def _record(ctx: Context, today: date) -> Record:
    """Of the environments that were asked for; a run that looks back holds only what was known then."""
    if ctx.looking.trends is None:
        return Record()
    names = {environment.name for environment in ctx.environments}
    said = ctx.looking.trends.noted(today - REMEMBERED, today)
    mine = [one for one in said if one.key.partition("/")[0] in names]
    kept = ctx.looking.trends.settled({one.key for one in mine}, today - REMEMBERED)
    return record(mine, {key: replace(one, values=one.values[: (today - one.first).days]) for key, one in kept.items()})
