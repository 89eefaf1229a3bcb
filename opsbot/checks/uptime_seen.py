"""What was kept of the probes, read once and judged by `opsbot.evaluate.uptime`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.evaluate import slo, uptime
from opsbot.job import Context
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Bucket, Certified, Sample, Standing
from opsbot.ports import Uptime
from opsbot.probing import Probe

Buckets = Mapping[str, Sequence[Bucket]]
# At most so many probes are shown in single samples: those in trouble, worst first.
CLOSELY = 40
BURNS = slo.SLOW.long
BASELINE = timedelta(days=1)
WEEK = timedelta(days=7)
_LONGEST_LOOK_BACK = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One probe, and what it comes to. `window` and `latency` are of the run's window, `before` of the week before it.

    `samples` are single ones of probes in trouble only; `outages` those of the window.
    """

    probe: Probe
    standing: Standing | None
    window: uptime.Tally
    days: tuple[uptime.Day, ...]
    latency: uptime.Latency | None
    before: uptime.Latency | None
    month: uptime.Tally
    level: slo.Level | None
    burning: slo.Burn | None
    hours: tuple[float, ...]
    certified: Certified | None
    samples: tuple[Sample, ...]
    outages: tuple[uptime.Outage, ...]
    course: tuple[Bucket, ...]


def look(ctx: Context) -> tuple[Seen, ...]:
    """Every probe of the run's environments; with flips only those that flipped. Raises StoreError."""
    kept = ctx.looking.uptime
    flipped = {flip.probe for flip in ctx.flips}
    probes = [probe for probe in ctx.looking.probes if not flipped or probe.name in flipped]
    if kept is None or not probes:
        return ()
    return _flipped(ctx, kept, probes) if ctx.flips else _all(ctx, kept, probes)


def _flipped(ctx: Context, kept: Uptime, probes: Sequence[Probe]) -> tuple[Seen, ...]:
    """Only standings and single samples, and the budgets of those whose burning is told: a flip is told within seconds."""
    standings = kept.standings()
    close = {probe.name for probe in probes[:CLOSELY]}
    period = Period(start=ctx.now - _LONGEST_LOOK_BACK, end=ctx.now)
    levels = _levels(ctx, kept, probes)
    found = []
    for probe in probes:
        samples = kept.samples(probe.name, period) if probe.name in close else ()
        outages = uptime.outages(probe, samples)
        known = levels.get(probe.name, {})
        found.append(_seen(probe, standings.get(probe.name), samples=samples, outages=outages, **known))
    return tuple(found)


def _levels(ctx: Context, kept: Uptime, probes: Sequence[Probe]) -> dict[str, dict[str, object]]:
    burnt = {flip.probe for flip in ctx.flips if flip.reason in slo.SAID}
    objectives = {probe.name: (probe.slo, probe.every) for probe in probes if probe.slo and probe.name in burnt}
    if not objectives:
        return {}
    longest = max(objective.window for objective, _ in objectives.values())
    days = read(kept, Period(start=uptime.midnight(ctx.now) - longest, end=ctx.now), list(objectives))
    fine = _fine(ctx, kept, list(objectives))
    return {
        name: _spending(ctx, objective, every, days.get(name, ()), fine.get(name, ()))
        for name, (objective, every) in objectives.items()
    }


def _fine(ctx: Context, kept: Uptime, names: Collection[str]) -> Buckets:
    return kept.buckets(Period(start=ctx.now - BURNS - uptime.FIVE, end=ctx.now), uptime.FIVE, names)


def _spending(
    ctx: Context, objective: slo.Objective, every: float, days: Sequence[Bucket], fine: Sequence[Bucket]
) -> dict[str, object]:
    return {
        "level": slo.level(_since(days, ctx.now, objective.window), objective, every),
        "burning": slo.burning(fine, objective, ctx.now),
    }


def _seen(probe: Probe, standing: Standing | None, **known: object) -> Seen:
    nothing = Seen(
        probe=probe, standing=standing, window=uptime.Tally(), days=(), latency=None, before=None, month=uptime.Tally(),
        level=None, burning=None, hours=(), certified=None, samples=(), outages=(), course=(),
    )  # fmt: skip
    return replace(nothing, **known)  # type: ignore[arg-type]


def _all(ctx: Context, kept: Uptime, probes: Sequence[Probe]) -> tuple[Seen, ...]:
    names = [probe.name for probe in probes]
    first = uptime.midnight(ctx.now) - (uptime.DAYS - 1) * uptime.DAY
    days = read(kept, Period(start=first, end=ctx.now), names)
    window = read(kept, ctx.window, names)
    fine = _fine(ctx, kept, names)
    standings, certificates = kept.standings(), kept.certificates()
    found = [
        _judged(ctx, probe, days.get(probe.name, ()), window.get(probe.name, ()), _before(fine.get(probe.name, ()), ctx.now))
        for probe in probes
    ]  # fmt: skip
    placed = [
        replace(one, standing=_standing(ctx, kept, one.probe, standings), certified=_certified(ctx, one.probe, certificates))
        for one in found
    ]  # fmt: skip
    return _closely(ctx, kept, placed)


def _before(buckets: Iterable[Bucket], now: datetime) -> tuple[Bucket, ...]:
    """Whole buckets only: what was recorded after the moment judged is not known at it."""
    return tuple(bucket for bucket in buckets if bucket.start < now)


def _judged(
    ctx: Context, probe: Probe, days: Sequence[Bucket], window: Sequence[Bucket], fine: Sequence[Bucket]
) -> Seen:
    week = Period(start=ctx.window.start - WEEK, end=ctx.window.start)
    spending = _spending(ctx, probe.slo, probe.every, days, fine) if probe.slo else {}
    return _seen(
        probe,
        None,
        window=uptime.tally(window),
        days=uptime.days(days, ctx.now),
        latency=uptime.latency(window),
        before=uptime.latency(b for b in days if week.start <= b.start and b.start + b.length <= week.end),
        month=uptime.tally(_since(days, ctx.now, timedelta(days=30))),
        **spending,
        hours=uptime.availability(fine, ctx.now),
    )


def _since(buckets: Iterable[Bucket], now: datetime, window: timedelta) -> list[Bucket]:
    """Those of the last UTC days; today is one of them."""
    start = uptime.midnight(now) - (max(1, window.days) - 1) * uptime.DAY
    return [bucket for bucket in buckets if bucket.start >= start]


def read(kept: Uptime, period: Period, names: Collection[str]) -> Buckets:
    """A period's buckets by probe, as few as tell it to 5 minutes."""
    found: dict[str, list[Bucket]] = defaultdict(list)
    for part, length in uptime.tiles(period):
        for name, buckets in kept.buckets(part, length, names).items():
            found[name] += buckets
    return found


def _standing(ctx: Context, kept: Uptime, probe: Probe, standings: Mapping[str, Standing]) -> Standing | None:
    now = standings.get(probe.name)
    if now is None or now.since <= ctx.now:
        return now
    return uptime.standing_at(probe, now, kept.samples(probe.name, _day(ctx.now)), ctx.now)


def _certified(ctx: Context, probe: Probe, shown: Mapping[str, Certified]) -> Certified | None:
    found = shown.get(probe.name)
    return found if found is not None and found.at <= ctx.now else None


def _day(now: datetime) -> Period:
    return Period(start=now - BASELINE, end=now)


def _closely(ctx: Context, kept: Uptime, seen: Sequence[Seen]) -> tuple[Seen, ...]:
    """Single samples of those in trouble: when it began, how often, in which phase."""
    troubled = sorted(filter(_in_trouble, seen), key=lambda one: _badness(one, ctx.now))
    close = {one.probe.name for one in troubled[:CLOSELY]}
    return tuple(_close(ctx, kept, one) if one.probe.name in close else one for one in seen)


def _badness(one: Seen, now: datetime) -> tuple[int, float, str]:
    share = one.window.share
    return -uptime.status_of(one.probe, one.standing, now).rank, 1.0 if share is None else share, one.probe.name


def _in_trouble(one: Seen) -> bool:
    standing = one.standing
    return bool(one.window.down or one.window.degraded or (standing and standing.state is not ProbeState.UP))


def _close(ctx: Context, kept: Uptime, one: Seen) -> Seen:
    name = one.probe.name
    start = min(ctx.window.start, ctx.now - BASELINE)
    samples = kept.samples(name, Period(start=start, end=ctx.now))
    course = kept.buckets(ctx.window, uptime.FIVE, [name]).get(name, ())
    found = [
        outage for outage in uptime.outages(one.probe, samples) if outage.end is None or outage.end > ctx.window.start
    ]
    if one.standing is not None and one.standing.blamed:
        # What goes on there is another's incident.
        found = [outage for outage in found if outage.end is not None]
    return replace(one, samples=samples, outages=tuple(found), course=tuple(course))
