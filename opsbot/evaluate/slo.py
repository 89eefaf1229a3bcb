"""Service levels: availability with every probe accounted for, the error budget, and how fast it burns.

Two windows must agree before a burn is told: the long one says that it matters, the short one that it still goes on.
A target that nobody could look at (unsure, missing) is neither good nor bad: it is left out and shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

    @property
    def reason(self) -> str:
        """How a flip names it."""
        return f"slo.{self.name}"


# 2 % of a month's budget within an hour, 5 % within six hours, 10 % within three days.
FAST = Burn(name="fast", rate=14.4, long=timedelta(hours=1), short=timedelta(minutes=5))
SLOW = Burn(name="slow", rate=6.0, long=timedelta(hours=6), short=timedelta(minutes=30))
CREEPING = Burn(name="creeping", rate=1.0, long=timedelta(days=3), short=timedelta(hours=6))
# With fewer samples than this one failed probe would look like a fire.
FEWEST = 3
# And with fewer failed ones it is none: of a probe a minute one in an hour is 17 times what three nines allow.
FEWEST_BAD = 2
OVER = "slo.over"
SAID = {
    FAST.reason: "burns its error budget fast",
    SLOW.reason: "burns its error budget slowly",
    OVER: "keeps its service level again",
}
"""What a flip is about whose probe did not change its standing: its error budget, by the flip's reason."""
_FIVE = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    """The first of `burns` whose long and short windows both burn at its rate, by more than one failed sample."""
    for burn in burns:
        spans = [_span(now, length) for length in (burn.long, burn.short)]
        rates = [burn_rate(buckets, objective, span) for span in spans]
        enough = level((b for b in buckets if spans[0].start <= b.start < now), objective).bad >= FEWEST_BAD
        if enough and all(rate is not None and rate >= burn.rate for rate in rates):
            return burn
    return None


def known(buckets: Iterable[Bucket], objective: Objective, now: datetime, burn: Burn) -> bool:
    """Whether there are samples enough to say that it is over: a prober that could not look has seen no end of it."""
    return burn_rate(buckets, objective, _span(now, burn.short)) is not None


def burn_of(reason: str) -> Burn | None:
    """The burn that a flip's reason names; None for its end."""
    return next((burn for burn in (FAST, SLOW, CREEPING) if burn.reason == reason), None)


def _span(now: datetime, length: timedelta) -> Period:
    """From a whole bucket on: two minutes into one, five minutes are not these two alone."""
    start = now - length
    return Period(start=start - (start - _EPOCH) % _FIVE, end=now)


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
