"""Service levels: what counts, what is left of the budget, and when its burning is told."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.evaluate import histogram, slo
from opsbot.evaluate.slo import CREEPING, FAST, SLOW, Objective
from opsbot.model.period import Period
from opsbot.model.uptime import Bucket

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)
THREE_NINES = Objective(target=0.999)


def bucket(ago: timedelta = FIVE, length: timedelta = FIVE, **counts: object) -> Bucket:
    return Bucket(probe="api", start=NOW - ago, length=length, **counts)  # type: ignore[arg-type]


def stretch(hours: float, until: timedelta = timedelta(0), *, up: int, down: int) -> list[Bucket]:
    count = int(hours * 12)
    return [bucket(until + FIVE * (n + 1), up=up, down=down) for n in range(count)]


@pytest.mark.parametrize(
    ("buckets", "availability", "left"),
    [
        ([bucket(up=999, down=1)], 0.999, 0.0),
        ([bucket(up=1000)], 1.0, 1.0),
        ([bucket(up=998, down=2)], 0.998, -1.0),
        ([bucket(up=900, degraded=99, down=1)], 0.999, 0.0),
        ([bucket(up=999, down=1, unsure=500, missing=400, excused=9)], 0.999, 0.0),
        ([bucket(unsure=10)], None, None),
        ([], None, None),
    ],
    ids=[
        "spent",
        "untouched",
        "overspent",
        "degraded is up",
        "who could not look says nothing",
        "nobody looked",
        "none",
    ],
)
def test_the_budget(buckets: list[Bucket], availability: float | None, left: float | None) -> None:
    found = slo.level(buckets, THREE_NINES)
    assert found.availability == availability
    assert found.budget_left is left is None or found.budget_left == pytest.approx(left, abs=1e-9)


@pytest.mark.parametrize(
    ("days", "down", "left"),
    [
        pytest.param(30, 1.0, -999.0, id="down for the whole window"),
        pytest.param(60, 1.0, -999.0, id="and for longer"),
        pytest.param(0.03, 1.0, 0.0, id="43 min old and always down: just spent"),
        pytest.param(0.003, 1.0, 0.9, id="four minutes old: a tenth of it"),
        pytest.param(3, 0.001, 0.9, id="three days at the target's pace"),
        pytest.param(3, 0.0, 1.0, id="never down"),
    ],
)
def test_a_young_probe_has_spent_what_its_own_time_cost(days: float, down: float, left: float) -> None:
    made = round(days * 86400 / 2)
    bad = round(made * down)
    found = slo.level([bucket(up=made - bad, down=bad)], THREE_NINES, every=2.0)
    assert found.budget_left == pytest.approx(left, abs=0.01)


def test_everything_is_accounted_for() -> None:
    one = bucket(up=5, degraded=4, down=3, unsure=2, missing=1, excused=6)
    found = slo.level([one], THREE_NINES)
    assert found.good + found.bad + found.left_out == one.asked == 21


def test_too_slow_is_not_good() -> None:
    counts = histogram.of([0.1] * 90 + [2.0] * 10)
    found = slo.level([bucket(up=100, counts=counts)], Objective(target=0.99, latency=0.5))
    assert (found.good, found.bad) == (90, 10)


@pytest.mark.parametrize(
    ("buckets", "told"),
    [
        (stretch(30, up=10, down=0), None),
        (stretch(1, up=0, down=10) + stretch(29, timedelta(hours=1), up=10, down=0), FAST),
        (stretch(6, up=99, down=1) + stretch(29, timedelta(hours=6), up=10, down=0), SLOW),
        (stretch(1, timedelta(minutes=30), up=0, down=10) + stretch(0.5, up=10, down=0), None),
        ([bucket(down=2)], None),
        ([bucket(up=1, down=2)], FAST),
    ],
    ids=[
        "fine",
        "an outage",
        "one in a hundred for hours",
        "an outage that is over",
        "two probes are no proof",
        "three are",
    ],
)
def test_burning(buckets: list[Bucket], told: slo.Burn | None) -> None:
    assert slo.burning(buckets, THREE_NINES, NOW) == told


def test_a_fast_burn_is_named_before_a_slow_one() -> None:
    outage = stretch(8, up=0, down=10)
    assert slo.burning(outage, THREE_NINES, NOW, (FAST, SLOW, CREEPING)) == FAST
    assert slo.burning(outage, THREE_NINES, NOW, (SLOW, FAST)) == SLOW


def test_an_objective_of_all_has_no_budget() -> None:
    every = Objective(target=1.0)
    assert slo.level([bucket(up=9)], every).budget_left == 1.0
    assert slo.level([bucket(up=9, down=1)], every).budget_left == float("-inf")
    assert slo.burn_rate([bucket(up=9, down=1)], every, Period(start=NOW - FIVE, end=NOW)) == float("inf")


def test_buckets_merge_without_loss() -> None:
    made = random.Random(1)
    latencies = [made.lognormvariate(-2, 1) for _ in range(600)]
    parts = [
        bucket(FIVE * (n + 1), up=10, down=n, seconds_sum=sum(some), seconds_max=max(some), counts=histogram.of(some))
        for n, some in enumerate(latencies[at : at + 10] for at in range(0, 600, 10))
    ]
    hours = slo.merged(parts, timedelta(hours=1))
    assert [hour.start for hour in hours] == [NOW - timedelta(hours=n) for n in (5, 4, 3, 2, 1)]
    assert (sum(hour.up for hour in hours), sum(hour.down for hour in hours)) == (600, sum(range(60)))
    assert histogram.merge(hour.counts for hour in hours) == histogram.of(latencies)


@given(
    st.lists(st.floats(min_value=0.0001, max_value=3500), min_size=1, max_size=200), st.floats(min_value=0, max_value=1)
)
def test_a_quantile_is_within_four_percent(latencies: list[float], q: float) -> None:
    ordered = sorted(latencies)
    exact = ordered[max(0, min(len(ordered) - 1, -int(-q * len(ordered) // 1) - 1))]
    found = histogram.quantile(histogram.of(latencies), q)
    assert found is not None
    assert found == pytest.approx(exact, rel=histogram.ERROR + 1e-6)


@given(st.lists(st.lists(st.floats(min_value=0, max_value=1e9), max_size=20), max_size=6))
def test_merging_is_the_same_as_counting_together(parts: list[list[float]]) -> None:
    together = histogram.of([one for part in parts for one in part])
    assert histogram.merge(map(histogram.of, parts)) == together
    assert histogram.merge(map(histogram.of, reversed(parts))) == together


@pytest.mark.parametrize("wrong", [-0.001, float("nan")])
def test_a_latency_that_cannot_be_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="from zero on"):
        histogram.of([wrong])


def test_nothing_has_no_quantile() -> None:
    assert histogram.quantile((), 0.95) is None
    assert histogram.share_within((), 1.0) is None


@pytest.mark.parametrize("minutes", range(5))
def test_five_minutes_are_never_fewer(minutes: int) -> None:
    """Buckets begin at whole five minutes, and a look does not: the newest bucket alone would be too few to say."""
    day = [Bucket(probe="api", start=NOW - n * FIVE, length=FIVE, up=4, down=1) for n in range(13)]
    young = Bucket(probe="api", start=NOW, length=FIVE, up=minutes)
    assert slo.burning([*day[1:], young], THREE_NINES, NOW + timedelta(minutes=minutes)) == FAST


def test_one_failed_probe_is_no_fire() -> None:
    hour = stretch(1, FIVE, up=5, down=0)
    assert slo.burning([bucket(up=4, down=1), *hour], THREE_NINES, NOW) is None
    assert slo.burning([bucket(up=3, down=2), *hour], THREE_NINES, NOW) == FAST
