"""Service levels: availability with every probe accounted for, the error budget, and how fast it burns.

Two windows must agree before a burn is told: the long one says that it matters, the short one that it still goes on.
A target that nobody could look at (unsure, missing) is neither good nor bad: it is left out and shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from opsbot.evaluate import histogram
from opsbot.model.period import Period
from opsbot.model.uptime import Bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """`target` is the share that must be good (0.999), over `window`. `latency`: slower than this is not good either."""

    target: float
    window: timedelta = timedelta(days=30)
    latency: float | None = None

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return 1 - self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How good it was: `good` and `bad` samples, those `left_out`, and what that leaves of the budget.

    `availability` and `budget_left` are None when nothing could be judged; `budget_left` is a share of the whole budget
    (1 untouched, 0 spent, below 0 overspent).
    """

    good: int
    bad: int
    left_out: int
    availability: float | None
    budget_left: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """A pace of spending: in `long` as in `short` the budget went at least `rate` times as fast as it lasts."""

    name: str
    rate: float
    long: timedelta
    short: timedelta


# 2 % of a month's budget within an hour, 5 % within six hours, 10 % within three days.
FAST = Burn(name="fast", rate=14.4, long=timedelta(hours=1), short=timedelta(minutes=5))
SLOW = Burn(name="slow", rate=6.0, long=timedelta(hours=6), short=timedelta(minutes=30))
CREEPING = Burn(name="creeping", rate=1.0, long=timedelta(days=3), short=timedelta(hours=6))
# With fewer samples than this one failed probe would look like a fire.
FEWEST = 3


def level(buckets: Iterable[Bucket], objective: Objective, every: float = 0.0) -> Level:
    """What these buckets amount to against an objective. `every` is how many seconds one sample stands for: then a probe
    that is younger than the objective's window has spent what its own time cost, and not as if it had always been so."""
    good = bad = left_out = 0
    for bucket in buckets:
        fine = _good(bucket, objective)
        good += fine
        bad += bucket.judged - fine
        left_out += bucket.asked - bucket.judged
    total = good + bad
    availability = good / total if total else None
    share = min((total + left_out) * every / objective.window.total_seconds(), 1.0) if every else 1.0
    return Level(good=good, bad=bad, left_out=left_out, availability=availability,
                 budget_left=None if availability is None else _left(availability, objective, share))  # fmt: skip


def burn_rate(buckets: Iterable[Bucket], objective: Objective, period: Period) -> float | None:
    """How many times faster than sustainable the budget went in a period; None with too few samples to say."""
    found = level((b for b in buckets if period.start <= b.start < period.end), objective)
    total = found.good + found.bad
    if total < FEWEST:
        return None
    return found.bad / total / objective.budget if objective.budget else (float("inf") if found.bad else 0.0)


def burning(
    buckets: Sequence[Bucket], objective: Objective, now: datetime, burns: Sequence[Burn] = (FAST, SLOW)
) -> Burn | None:
    """The first of `burns` whose long and short windows both burn at its rate."""
    for burn in burns:
        rates = [burn_rate(buckets, objective, Period(start=now - span, end=now)) for span in (burn.long, burn.short)]
        if all(rate is not None and rate >= burn.rate for rate in rates):
            return burn
    return None


def merged(buckets: Iterable[Bucket], length: timedelta) -> tuple[Bucket, ...]:
    """Buckets of one probe as longer ones, aligned to multiples of `length` since the epoch."""

    def home(bucket: Bucket) -> int:
        return int(bucket.start.timestamp() // length.total_seconds())

    ordered = sorted(buckets, key=lambda bucket: bucket.start)
    return tuple(_merge(tuple(group), place, length) for place, group in groupby(ordered, key=home))


def _merge(group: Sequence[Bucket], place: int, length: timedelta) -> Bucket:
    start = datetime.fromtimestamp(place * length.total_seconds(), tz=group[0].start.tzinfo)
    counted = ("up", "degraded", "down", "unsure", "missing", "excused", "seconds_sum")
    return Bucket(
        probe=group[0].probe,
        start=start,
        length=length,
        seconds_max=max(bucket.seconds_max for bucket in group),
        counts=histogram.merge(bucket.counts for bucket in group),
        **{name: sum(getattr(bucket, name) for bucket in group) for name in counted},
    )


def _good(bucket: Bucket, objective: Objective) -> int:
    answered = bucket.up + bucket.degraded
    if objective.latency is None or not answered:
        return answered
    share = histogram.share_within(bucket.counts, objective.latency)
    return answered if share is None else round(answered * share)


def _left(availability: float, objective: Objective, share: float) -> float:
    """`share` is how much of the window there are samples of."""
    if not objective.budget:
        return 1.0 if availability >= 1 else float("-inf")
    return 1 - (1 - availability) * share / objective.budget
