"""The past of what is followed: what was kept, and of AWS only the days that are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from opsbot.checks.capacity.track import Track
from opsbot.evaluate.trend.ports import Settled
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.period import Period, from_epoch
from opsbot.ports import Ask, Estimate, Reading
from opsbot.samples import Values

SETTLES = timedelta(hours=3)
"""After midnight a day's points still change; the volume metrics of Aurora take longest."""
LATE = 3
"""Days that are asked again while they have no datum: S3 tells a day's size up to two days later."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """`values[0]` is of the day `first`, the first with a datum; NaN where nothing was. `why` it could not be read."""

    first: date
    values: Values
    why: str = ""

    @property
    def last(self) -> date:
        return self.first + timedelta(days=max(self.values.size, 1) - 1)

    @property
    def newest(self) -> date | None:
        """The last day with a datum."""
        there = np.flatnonzero(np.isfinite(self.values))
        return self.first + timedelta(days=int(there[-1])) if there.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """By key. `asked` is what the missing days cost; `kept` is the number of series that were known before."""

    pasts: Mapping[str, Past]
    asked: Estimate
    kept: int


@dataclass(slots=True)
class _Plan:
    """Tracks by where and from when they are asked."""

    until: date
    since: date
    kept: Mapping[str, Settled]
    waiting: dict[tuple[str, str, date], list[Track]] = field(default_factory=lambda: defaultdict(list))


def read(ctx: Context, tracks: Sequence[Track], days: int) -> Read:
    """Reads what is missing, keeps what has settled, and gives everything known. Raises PlanTooDear, StoreError."""
    until = (ctx.now.astimezone(UTC) - SETTLES).date()
    since = until - timedelta(days=days)
    trends = ctx.looking.trends
    kept = trends.settled([track.key for track in tracks], since) if trends else {}
    plan = _Plan(until=until, since=since, kept=kept)
    for track in tracks:
        if (start := _start(kept.get(track.key), since, until, track)) is not None:
            plan.waiting[track.environment.name, track.resource.region, start].append(track)
    asks = _asks(ctx, plan)
    found = {track.key: _known(kept.get(track.key), plan) for track in tracks}
    found.update(_answered(ctx, plan, asks))
    return Read(pasts=found, asked=ctx.looking.cloud.estimate(asks), kept=len(kept))


def _start(kept: Settled | None, since: date, until: date, track: Track) -> date | None:
    """The first day to be asked for; None if nothing is missing."""
    size = 0 if kept is None else min(kept.values.size, (until - kept.first).days)
    if kept is None or size <= 0:
        return since
    late = np.flatnonzero(np.isnan(kept.values[max(size - LATE, 0) : size]))
    first = kept.first + timedelta(days=size - (min(LATE, size) - int(late[0]) if late.size else 0))
    return first if first < until or track.source.level else None


def _asks(ctx: Context, plan: _Plan) -> list[Ask]:
    environments = {environment.name: environment for environment in ctx.environments}
    return [
        _ask(environments[name], region, start, ctx.now, some) for (name, region, start), some in plan.waiting.items()
    ]


def _ask(environment: Environment, region: str, start: date, now: datetime, tracks: Sequence[Track]) -> Ask:
    # Whole days, today's too: of a size that stays, the part of a day that has passed counts.
    window = Period(start=_midnight(start), end=_midnight(now.astimezone(UTC).date() + ONE_DAY))
    queries = tuple(query for track in tracks for query in track.queries)
    return Ask(environment=environment, region=region, window=window, queries=queries)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _answered(ctx: Context, plan: _Plan, asks: Sequence[Ask]) -> Iterator[tuple[str, Past]]:
    """Every series as its answer comes in; what has settled is kept at once, so that a run cut short loses little."""
    if not asks:
        return
    ctx.looking.progress("reading history", 0, len(asks))
    for done, readings in enumerate(ctx.looking.cloud.read(asks), 1):
        new: list[Settled] = []
        for reading in readings:
            for track, row, why in _rows(plan, reading):
                if row is None:
                    yield track.key, _unread(plan, track, why)
                    continue
                start = from_epoch(reading.grid.start).date()
                past = _joined(plan, track, start, row)
                new += _settled(plan, track, start, row)
                yield track.key, past
        if ctx.looking.trends and new:
            ctx.looking.trends.settle(new)
        ctx.looking.progress("reading history", done, len(asks))


def _rows(plan: _Plan, reading: Reading) -> Iterator[tuple[Track, Values | None, str]]:
    ask, grid = reading.ask, reading.grid
    start = ask.window.start.date()
    for track in plan.waiting[ask.environment.name, ask.region, start]:
        if not track.queries or track.queries[0].period != grid.step:
            continue
        gaps = [reading.gaps[query] for query in track.queries if query in reading.gaps]
        if gaps:
            yield track, None, gaps[0]
            continue
        rows = tuple(grid.values[reading.rows[query]] for query in track.queries)
        yield track, track.source.value(track.resource, rows), ""


def _known(kept: Settled | None, plan: _Plan) -> Past:
    if kept is None:
        return Past(first=plan.until, values=np.empty(0))
    return _begun(kept.first, kept.values[: max((plan.until - kept.first).days, 0)])


def _unread(plan: _Plan, track: Track, why: str) -> Past:
    known = _known(plan.kept.get(track.key), plan)
    return Past(first=known.first, values=known.values, why=why)


def _joined(plan: _Plan, track: Track, start: date, row: Values) -> Past:
    """What was kept and what came, on one row; what was kept wins, and a peak waits for the end of its day."""
    settled = (plan.until - start).days
    row = row if track.source.level else row[:settled]
    known = _known(plan.kept.get(track.key), plan)
    first = min(known.first, start) if known.values.size else start
    size = max((start - first).days + row.size, (known.first - first).days + known.values.size)
    values = np.full(size, np.nan)
    for at, part in (((start - first).days, row), ((known.first - first).days, known.values)):
        place = values[at : at + part.size]
        place[:] = np.where(np.isnan(part), place, part)
    return _begun(first, values)


def _begun(first: date, values: Values) -> Past:
    """From the first datum on: how far back was asked must not change what is said."""
    there = np.flatnonzero(np.isfinite(values))
    skip = int(there[0]) if there.size else values.size
    return Past(first=first + timedelta(days=skip), values=values[skip:])


def _settled(plan: _Plan, track: Track, start: date, row: Values) -> Iterator[Settled]:
    """The days that will not change any more; of a series that never had a datum there is nothing to keep."""
    part = row[: max((plan.until - start).days, 0)]
    if part.size and (track.key in plan.kept or np.isfinite(part).any()):
        yield Settled(key=track.key, first=start, values=part, unit=track.source.unit.value)
