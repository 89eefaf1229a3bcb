"""Statistics of pooled log-normal steps: on paper where they are constant, against drawn samples where not."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.replica.codec import Fault
from opsbot.replica.statistics import pool, statistic
from opsbot.replica.world import Buckets


def buckets(*steps: tuple[float, float, float]) -> Buckets:
    count, mean, spread = (np.array(column, dtype=float) for column in zip(*steps, strict=True))
    return Buckets(count=count, mean=mean, spread=spread)


# Three constant steps: one sample of 10, two of 20, one of 70; then a step without data.
CONSTANT = buckets((1, 10, 0), (2, 20, 0), (1, 70, 0), (0, 5, 0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SampleCount", 4),
        ("Sum", 120),
        ("Average", 30),
        ("Minimum", 10),
        ("Maximum", 70),
        ("p0", 10),
        ("p50", 20),
        ("p100", 70),
        ("tm75", 50 / 3),
        ("TM(25%:75%)", 20),
        ("IQM", 20),
        ("iqm", 20),
        ("TM(:50)", 50 / 3),
        ("TM(15:)", 110 / 3),
        ("WM(25%:75%)", 20),
        ("tc75", 3),
        ("TC(15:30)", 2),
        ("TS(:25%)", 10),
        ("ts75", 50),
        ("PR(:20)", 75),
        ("PR(20:100)", 25),
    ],
)
def test_constant_steps_pooled(name: str, value: float) -> None:
    assert statistic(name)(pool(CONSTANT, 4)) == pytest.approx([value])


@pytest.mark.parametrize("name", ["Sum", "Average", "Minimum", "Maximum", "p99", "tm90", "PR(1:2)", "SampleCount"])
def test_a_period_without_samples_has_no_datapoint(name: str) -> None:
    steps = buckets((1, 10, 0), (1, 10, 0), (0, 10, 0), (0, 10, 0))
    assert np.isnan(statistic(name)(pool(steps, 2))).tolist() == [False, True]
    assert np.isnan(statistic(name)(pool(steps, 1))).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    "name", ["Median", "p", "p101", "tm101", "TM()", "TM(:)", "TM(90%:10%)", "PR(1%:2%)", "TM(5:9%)", ""]
)
def test_unknown_statistics_are_refused(name: str) -> None:
    with pytest.raises(Fault, match="ValidationError"):
        statistic(name)


@pytest.mark.parametrize("name", ["p5", "p50", "p90", "p95", "p99", "p99.5", "TM(5%:95%)", "IQM", "PR(:100)"])
def test_spread_steps_match_drawn_samples(name: str) -> None:
    steps = ((40_000, 80.0, 0.4), (80_000, 120.0, 0.2), (20_000, 300.0, 0.6))
    draw = np.random.default_rng(1)
    drawn = np.sort(np.concatenate([draw.lognormal(math.log(m) - s * s / 2, s, int(n)) for n, m, s in steps]))
    wanted = {
        "TM(5%:95%)": drawn[7_000:133_000].mean(),
        "IQM": drawn[35_000:105_000].mean(),
        "PR(:100)": (drawn <= 100).mean() * 100,
    }.get(name) or np.percentile(drawn, float(name.removeprefix("p")))
    assert statistic(name)(pool(buckets(*steps), 3))[0] == pytest.approx(wanted, rel=0.02)


def test_a_pooled_percentile_is_not_the_average_of_percentiles() -> None:
    steps = buckets((1000, 100, 0.1), (10, 1000, 0.1))
    alone = statistic("p50")(pool(steps, 1))
    assert statistic("p50")(pool(steps, 2))[0] == pytest.approx(alone[0], rel=0.02)
    assert np.mean(alone) > 500


STEP = st.tuples(st.integers(0, 10_000), st.floats(0.001, 1e6), st.floats(0, 1.5))


@given(st.lists(STEP, min_size=1, max_size=12))
def test_statistics_keep_their_order(steps: list[tuple[float, float, float]]) -> None:
    periods = pool(buckets(*steps), len(steps))
    names = ("Minimum", "p1", "p25", "p50", "p95", "p99.9", "Maximum")
    values = [statistic(name)(periods)[0] for name in names]
    total = sum(count for count, _, _ in steps)
    if not total:
        assert all(np.isnan(values))
        return
    slack = 1 + 1e-9
    assert all(low <= high * slack for low, high in pairwise(values))
    average = statistic("Average")(periods)[0]
    assert values[0] <= average * slack
    assert average <= values[-1] * slack
    assert statistic("Sum")(periods)[0] == pytest.approx(average * total)
