"""What probes amount to over time: who is down and since when, which incidents there were, and an account of all of it.

Nothing is left out of an account: up, degraded, down, unsure, missing and excused are together what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Protocol

from opsbot.evaluate import histogram
from opsbot.evaluate.slo import FAST, Burn, Level, Objective
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.status import Status
from opsbot.model.uptime import Bucket, Certified, Sample, Standing

DAYS = 90
DAY, HOUR, FIVE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=5)
KINDS = ("up", "degraded", "down", "unsure", "missing", "excused")
# A day with less than this is drawn as a day of trouble, below the second as one of action.
WELL, POORLY = 0.999, 0.99
# Requirements, "Platform availability": below 99 % over 2 periods, missing data counts as a breach.
LEAST, PERIODS = 0.99, 2
CERTIFICATE_DAYS = ((Status.CRITICAL, 3), (Status.WARNING, 14), (Status.INFO, 30))
_BAD = (ProbeState.DOWN, ProbeState.DEGRADED)
# A probe that was not heard of for so many of its intervals is not known any more.
_SILENT_INTERVALS, _SILENT_LEAST = 3, 120.0
_BASELINE_LEAST = 5


class Watched(Protocol):
    """What must be known of a probe to judge what it said: see `opsbot.probing.Probe`."""

    @property
    def name(self) -> str: ...
    @property
    def every(self) -> float: ...
    @property
    def timeout(self) -> float: ...
    @property
    def failures(self) -> int: ...
    @property
    def recoveries(self) -> int: ...
    @property
    def slo(self) -> Objective | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often a probe found what; the six numbers are together what was asked."""

    up: int = 0
    degraded: int = 0
    down: int = 0
    unsure: int = 0
    missing: int = 0
    excused: int = 0

    @property
    def judged(self) -> int:
        return self.up + self.degraded + self.down

    @property
    def asked(self) -> int:
        return self.judged + self.unsure + self.missing + self.excused

    @property
    def share(self) -> float | None:
        """Of what could be judged, how much was up or degraded; None of nothing."""
        return (self.up + self.degraded) / self.judged if self.judged else None

    @property
    def status(self) -> Status:
        """How bad such a day was; INFO where all is well but for what was excused, UNKNOWN where nothing could be judged and
        that was nobody's wish."""
        well = Status.INFO if self.excused else Status.OK
        if self.share is None:
            return well if self.excused and not (self.unsure or self.missing) else Status.UNKNOWN
        if self.share < POORLY:
            return Status.CRITICAL
        return Status.WARNING if self.share < WELL or self.degraded > self.judged // 100 else well


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day of one probe; `tally` is None where nothing was asked."""

    start: datetime
    tally: Tally | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds of whole probes that were up or degraded, from a histogram: each within 4 % of the exact one."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A stretch in which a probe was not up, long enough to change its standing. `end` None: not over. `probes` were made
    in it, `failed` of them were not up; `reason` is the one seen most."""

    probe: str
    state: ProbeState
    start: datetime
    end: datetime | None
    failed: int
    probes: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slower:
    """One phase of the last probe against its own median while all was well; both in seconds, None: not reached."""

    phase: str
    now: float | None
    usual: float | None


def tally(buckets: Iterable[Bucket]) -> Tally:
    """The sum of all."""
    numbers = dict.fromkeys(KINDS, 0)
    for bucket in buckets:
        for kind in KINDS:
            numbers[kind] += getattr(bucket, kind)
    return Tally(**numbers)


def latency(buckets: Iterable[Bucket]) -> Latency | None:
    """The quantiles of all; None where no probe was answered."""
    counts = histogram.merge(bucket.counts for bucket in buckets)
    found = [histogram.quantile(counts, q) for q in (0.5, 0.95, 0.99)]
    known = [value for value in found if value is not None]
    return Latency(p50=known[0], p95=known[1], p99=known[2]) if len(known) == len(found) else None


def midnight(at: datetime) -> datetime:
    """The begin of a UTC day."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def days(buckets: Iterable[Bucket], now: datetime, number: int = DAYS) -> tuple[Day, ...]:
    """The last days, oldest first; today is the last of them."""
    by_day: dict[datetime, list[Bucket]] = {}
    for bucket in buckets:
        by_day.setdefault(midnight(bucket.start), []).append(bucket)
    starts = [midnight(now) - place * DAY for place in range(number - 1, -1, -1)]
    return tuple(Day(start=start, tally=_asked(by_day.get(start, ()))) for start in starts)


def _asked(buckets: Sequence[Bucket]) -> Tally | None:
    found = tally(buckets)
    return found if found.asked else None


def tiles(period: Period) -> Iterator[tuple[Period, timedelta]]:
    """A period as few buckets as can be: whole UTC days, whole hours at their edges, 5 minutes at those of the hours.

    Its start is taken back, its end on, to a multiple of 5 minutes.
    """
    size = FIVE.total_seconds()
    start, end = period.start.timestamp(), period.end.timestamp()
    yield from _tiles(start // size * size, -(-end // size) * size, (DAY, HOUR, FIVE))


def _tiles(start: float, end: float, lengths: Sequence[timedelta]) -> Iterator[tuple[Period, timedelta]]:
    if start >= end:
        return
    size = lengths[0].total_seconds()
    first, last = math.ceil(start / size) * size, math.floor(end / size) * size
    if first >= last:
        yield from _tiles(start, end, lengths[1:])
        return
    yield from _tiles(start, first, lengths[1:])
    yield Period(start=_moment(first), end=_moment(last)), lengths[0]
    yield from _tiles(last, end, lengths[1:])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def silent(probe: Watched, standing: Standing, now: datetime) -> bool:
    """Whether the probe was not heard of for too long to be known; one that has no interval of its own never is."""
    patience = max(_SILENT_INTERVALS * (probe.every + probe.timeout), _SILENT_LEAST)
    return probe.every > 0 and (now - standing.seen).total_seconds() > patience


def status_of(probe: Watched, standing: Standing | None, now: datetime) -> Status:
    """Down is critical, degraded a warning; what is not known is unknown; what another probe's fault is, a note."""
    if standing is None or silent(probe, standing, now):
        return Status.UNKNOWN
    if standing.blamed:
        return Status.INFO
    match standing.state:
        case ProbeState.UP:
            return Status.OK
        case ProbeState.DEGRADED:
            return Status.WARNING
        case ProbeState.DOWN:
            return Status.CRITICAL
        case ProbeState.UNSURE:
            return Status.UNKNOWN


def standing_at(probe: Watched, standing: Standing | None, samples: Sequence[Sample], now: datetime) -> Standing | None:
    """Where the probe stood at an earlier moment: what is known today, or what the samples before then say."""
    if standing is None or standing.since <= now:
        return standing
    past = [sample for sample in samples if sample.at <= now]
    if not past:
        return None
    last = outages(probe, past)
    if last and last[-1].end is None:
        return Standing(probe=probe.name, state=last[-1].state, since=last[-1].start, seen=past[-1].at,
                        reason=last[-1].reason)  # fmt: skip
    since = last[-1].end if last and last[-1].end else past[0].at
    return Standing(probe=probe.name, state=ProbeState.UP, since=since, seen=past[-1].at)


def outages(probe: Watched, samples: Iterable[Sample]) -> tuple[Outage, ...]:
    """Stretches not up, by the probe's own thresholds: begun with the first of `failures` in a row, ended by the first of
    `recoveries`. What the prober could not tell, and what was excused, breaks no row and makes none."""
    found: list[Outage] = []
    bad: list[Sample] = []
    good: list[Sample] = []
    for sample in sorted(samples, key=lambda sample: sample.at):
        if sample.state is ProbeState.UNSURE or sample.excused:
            continue
        if sample.state in _BAD:
            bad += [*good, sample]
            good = []
            continue
        good.append(sample)
        if len(good) >= probe.recoveries or _failures(bad) < probe.failures:
            found += _outage(probe, bad, good[0].at)
            bad, good = [], []
    return (*found, *_outage(probe, [*bad, *good], None))


def _failures(samples: Sequence[Sample]) -> int:
    return sum(sample.state in _BAD for sample in samples)


def _outage(probe: Watched, samples: Sequence[Sample], end: datetime | None) -> Iterator[Outage]:
    bad = [sample for sample in samples if sample.state in _BAD]
    if len(bad) < max(1, probe.failures):
        return
    down = [sample for sample in bad if sample.state is ProbeState.DOWN]
    reasons = [sample.reason for sample in down or bad]
    yield Outage(
        probe=probe.name,
        state=ProbeState.DOWN if down else ProbeState.DEGRADED,
        start=bad[0].at,
        end=end,
        failed=len(bad),
        probes=len(samples),
        reason=max(reasons, key=reasons.count),
    )


def troubled(buckets: Iterable[Bucket]) -> tuple[Period, ...]:
    """Where outages may be: stretches of buckets with anything but up in them, with room for what began before."""
    spans: list[Period] = []
    for bucket in sorted((b for b in buckets if b.down or b.degraded), key=lambda b: b.start):
        start, end = bucket.start - bucket.length, bucket.start + 2 * bucket.length
        if spans and start <= spans[-1].end:
            start = spans.pop().start
        spans.append(Period(start=start, end=end))
    return tuple(spans)


def phases(samples: Sequence[Sample], since: datetime) -> tuple[Slower, ...]:
    """The phases of the newest sample against their medians before `since`, while all was up."""
    if not samples:
        return ()
    newest = max(samples, key=lambda sample: sample.at)
    well = [sample for sample in samples if sample.at < since and sample.state is ProbeState.UP]
    usual: dict[str, list[float]] = {}
    for sample in well:
        for name, seconds in sample.phases:
            usual.setdefault(name, []).append(seconds)
    now = dict(newest.phases)
    names = [*usual, *(name for name in now if name not in usual)]
    return tuple(Slower(phase=name, now=now.get(name), usual=_usual(usual.get(name, ()))) for name in names)


def _usual(values: Sequence[float]) -> float | None:
    return median(values) if len(values) >= _BASELINE_LEAST else None


def certificate_status(certified: Certified, now: datetime) -> tuple[Status, int | None]:
    """How bad the days left are, and the limit in days that was passed."""
    left = (certified.not_after - now) / DAY
    return next(((status, limit) for status, limit in CERTIFICATE_DAYS if left <= limit), (Status.OK, None))


def availability(buckets: Iterable[Bucket], now: datetime) -> tuple[float, ...]:
    """The last whole hours, oldest first, each with what is missing counted as not available.

    Hours in which nothing could be judged are left out: then it is the prober that is not available."""
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    shares = []
    for place in range(PERIODS, 0, -1):
        start = end - place * HOUR
        hour = tally(b for b in buckets if start <= b.start < start + HOUR)
        if hour.judged:
            shares.append((hour.up + hour.degraded) / (hour.judged + hour.missing))
    return tuple(shares)


def availability_status(shares: Sequence[float]) -> Status:
    """Critical where each of the last periods was below 99 %; unknown where there are too few."""
    if len(shares) < PERIODS:
        return Status.UNKNOWN
    return Status.CRITICAL if all(share < LEAST for share in shares) else Status.OK


def slo_status(level: Level, burning: Burn | None) -> Status:
    """Spent or burning fast is critical, burning slowly a warning, nothing known unknown."""
    if level.budget_left is None:
        return Status.UNKNOWN
    if (burning is not None and burning.name == FAST.name) or level.budget_left <= 0:
        return Status.CRITICAL
    return Status.WARNING if burning is not None else Status.OK


def minutes(objective: Objective, level: Level) -> tuple[float, float]:
    """The budget in minutes of the objective's window: the whole of it, and what is left."""
    whole = objective.budget * objective.window.total_seconds() / 60
    return whole, whole * level.budget_left if level.budget_left is not None else whole


def by_badness(statuses: Mapping[str, Status], shares: Mapping[str, float | None]) -> list[str]:
    """Names worst first: by status, then by how little they were available, then by name."""

    def badness(name: str) -> tuple[int, float, str]:
        share = shares.get(name)
        return -statuses[name].rank, 2.0 if share is None else share, name

    return sorted(statuses, key=badness)
