"""When it is full, with what odds, and what was not taken for growth."""

from __future__ import annotations

import numpy as np
import pytest

from opsbot.evaluate.trend import Kind, Outlook, outlook, quantiles
from opsbot.evaluate.trend.history import Pace
from opsbot.samples import Values
from tests.evaluate.trend.histories import line, moved, put, teeth, uploads, weekly

LEVELS = np.array([0.1, 0.5, 0.9])
GROWING = line(180, 100.0, 1.0, noise=2.0)
"""Ends near 280 and gains 1 a day: 330 is 51 days away."""


@pytest.mark.parametrize(
    ("values", "limit", "day", "within"),
    [
        pytest.param(GROWING, 330.0, 50, 5, id="a straight line"),
        pytest.param(moved(GROWING, 60, -80.0), 250.0, 50, 6, id="a clean-up long ago is no decline"),
        pytest.param(moved(GROWING, 150, -80.0), 250.0, 50, 8, id="a clean-up last month is no decline"),
        pytest.param(moved(GROWING, 100, 300.0), 630.0, 50, 6, id="an import is no pace"),
        pytest.param(moved(moved(GROWING, 60, -80.0), 120, -80.0), 170.0, 50, 8, id="two clean-ups"),
        pytest.param(put(GROWING, [20, 77, 140, 171], 0.0), 330.0, 50, 5, id="false zeros"),
        pytest.param(put(GROWING, [165], 2000.0), 330.0, 50, 6, id="a lone outlier above the limit"),
        pytest.param(put(GROWING, [179], 2000.0), 330.0, 50, 6, id="an outlier as the last value"),
        pytest.param(put(GROWING, list(range(30, 60)), np.nan), 330.0, 50, 6, id="a month without points"),
        pytest.param(put(GROWING, list(range(175, 180)), np.nan), 330.0, 50, 6, id="the last days are missing"),
        pytest.param(weekly(GROWING, 40.0), 330.0, 48, 7, id="weekends are lower"),
        pytest.param(teeth(GROWING, 60.0, 14), 390.0, 58, 7, id="log rotation every other week"),
        pytest.param(
            100.0 * np.exp(0.01 * np.arange(180)) + line(180, 0, 0, noise=2.0), 998.0, 50, 5, id="compound growth"
        ),
        pytest.param(
            np.concatenate([line(120, 100, 0.2, 1.0), line(60, 124, 2.0, 1.0)]), 342.0, 50, 5, id="a new pace"
        ),
        pytest.param(line(30, 100.0, 1.0, noise=1.0), 150.0, 20, 7, id="a month of history"),
        pytest.param(uploads(365), 500.0 + uploads(365)[-1] - 500.0 + 45.0, 50, 40, id="growth by leaps"),
    ],
)
def test_the_day_it_is_full(values: Values, limit: float, day: float, within: float) -> None:
    found = outlook(values, limit=limit)
    assert found.day is not None
    assert abs(found.day - day) <= within
    assert found.p10 is not None
    assert found.p10 - 3 <= day <= (found.p90 or 180) + 3


@pytest.mark.parametrize(
    ("values", "pace"),
    [
        pytest.param(line(365, 100.0, 0.0, noise=3.0), Pace.NONE, id="flat"),
        pytest.param(line(365, 300.0, -0.5, noise=3.0), Pace.FALLING, id="falling"),
        pytest.param(np.full(90, 7.5), Pace.NONE, id="the same every day"),
        pytest.param(moved(line(180, 100.0, 0.0, noise=1.0), 90, 40.0), Pace.NONE, id="flat, an import, flat"),
        pytest.param(
            np.minimum(line(365, 100.0, 1.0, noise=1.0), line(365, 200.0, 0.0, noise=1.0)), Pace.NONE, id="full"
        ),
    ],
)
def test_no_date_for_what_does_not_grow(values: Values, pace: Pace) -> None:
    found = outlook(values, limit=400.0)
    assert (found.day, found.pace) == (None, pace)
    assert found.p_breach_90d < 0.03


@pytest.mark.parametrize(
    ("values", "undone"),
    [
        pytest.param(GROWING, [], id="nothing"),
        pytest.param(
            put(GROWING, [20, 77], 0.0), [(Kind.FALSE_ZERO, 20, 0), (Kind.FALSE_ZERO, 77, 0)], id="false zeros"
        ),
        pytest.param(put(GROWING, [100], 700.0), [(Kind.OUTLIER, 100, 500)], id="an outlier"),
        pytest.param(moved(GROWING, 60, -80.0), [(Kind.CLEAN_UP, 60, -80)], id="a clean-up"),
        pytest.param(moved(GROWING, 100, 300.0), [(Kind.IMPORT, 100, 300)], id="an import"),
        pytest.param(moved(GROWING, 60, -158.0), [(Kind.RESET, 60, -158)], id="a counter that began anew"),
        pytest.param(
            GROWING * np.where(np.arange(180) >= 90, 0.5, 1.0), [(Kind.RESIZE, 90, -95)], id="a volume twice as large"
        ),
        pytest.param(
            put(moved(GROWING, 60, -80.0), [30, 120], 0.0),
            [(Kind.FALSE_ZERO, 30, 0), (Kind.CLEAN_UP, 60, -80), (Kind.FALSE_ZERO, 120, 0)],
            id="in the order of time",
        ),
        pytest.param(weekly(GROWING, 40.0), [], id="weekends are no events"),
        pytest.param(uploads(365), [], id="leaps that are the growth are no events"),
    ],
)
def test_what_was_undone_is_told(values: Values, undone: list[tuple[Kind, int, float]]) -> None:
    found = outlook(values, limit=1e6).undone
    assert [(each.kind, each.at) for each in found] == [(kind, at) for kind, at, _ in undone]
    for each, (_, _, amount) in zip(found, undone, strict=True):
        assert abs(each.amount - amount) <= 8


@pytest.mark.parametrize(
    ("values", "length"),
    [
        pytest.param(weekly(GROWING, 40.0), 7, id="a week"),
        pytest.param(teeth(GROWING, 60.0, 14), 14, id="two weeks"),
        pytest.param(GROWING + np.where(np.arange(180) % 30 == 4, 40.0, 0.0), 30, id="a peak a month"),
        pytest.param(GROWING, None, id="none"),
    ],
)
def test_a_cycle_is_found_or_not(values: Values, length: float | None) -> None:
    assert outlook(values, limit=1e6).cycle == length


def test_odds_grow_with_time_and_with_nearness() -> None:
    found = [outlook(GROWING, limit=limit) for limit in (290.0, 310.0, 330.0, 350.0, 400.0)]
    assert [each.p_breach_30d <= each.p_breach_90d <= each.p_horizon for each in found] == [True] * 5
    assert [each.p_breach_30d for each in found] == sorted((each.p_breach_30d for each in found), reverse=True)
    assert found[0].p_breach_30d > 0.98
    assert found[2].p_breach_30d < 0.02
    assert found[2].p_breach_90d > 0.98


def test_a_short_noisy_history_is_less_sure_than_a_long_one() -> None:
    def width(found: Outlook) -> float:
        return (found.p90 or 180) - (found.p10 or 180)

    short = outlook(line(30, 250.0, 1.0, noise=4.0), limit=330.0)
    long = outlook(line(365, -85.0, 1.0, noise=4.0), limit=330.0)
    assert width(short) > 2 * width(long)


def test_a_limit_already_passed_is_certain() -> None:
    found = outlook(GROWING, limit=200.0)
    assert found.p_breach_30d > 0.99
    assert found.p50 == 1


def test_an_outlier_as_the_last_value_is_not_where_it_stands() -> None:
    found = outlook(put(GROWING, [179], 2000.0), limit=330.0)
    assert found.current == pytest.approx(280, abs=8)
    assert found.p_breach_30d < 0.02


@pytest.mark.parametrize("at", [100, 250])
def test_a_spike_between_idle_days_is_no_growth(at: int) -> None:
    plain, spiked = uploads(365), put(uploads(365), [at], 5000.0)
    limit = plain[-1] + 45.0
    found = outlook(spiked, limit=limit)
    assert [(each.kind, each.at) for each in found.undone] == [(Kind.OUTLIER, at)]
    assert found.p_breach_90d == pytest.approx(outlook(plain, limit=limit).p_breach_90d, abs=0.1)


def test_growth_is_said_in_the_values_unit() -> None:
    assert outlook(GROWING * 1e9, limit=1e15).growth == pytest.approx(1e9, rel=0.05)


def test_the_same_history_gives_the_same_answer_in_any_unit() -> None:
    first = outlook(GROWING, limit=330.0)
    assert outlook(GROWING, limit=330.0) == first
    bytes_too = outlook(GROWING * 2.0**30, limit=330.0 * 2.0**30)
    assert (bytes_too.day, bytes_too.p_breach_30d, bytes_too.p50) == (first.day, first.p_breach_30d, first.p50)


def test_the_history_given_is_not_changed() -> None:
    values = put(GROWING, [20], 0.0)
    before = values.copy()
    outlook(values, limit=330.0)
    quantiles(values, period=7, horizon=30, levels=LEVELS)
    assert np.array_equal(values, before)


def test_hours_of_a_day_are_told_apart() -> None:
    hours = np.arange(24 * 28)
    random = np.random.default_rng(5)
    busy = 100 + 50 * np.sin(hours * 2 * np.pi / 24) + 20 * (hours // 24 % 7 < 5) + random.normal(0, 2, hours.size)
    told = quantiles(busy, period=24, horizon=48, levels=LEVELS)
    ahead = np.arange(hours.size, hours.size + 48)
    truth = 100 + 50 * np.sin(ahead * 2 * np.pi / 24) + 20 * (ahead // 24 % 7 < 5)
    assert np.abs(told[:, 1] - truth).mean() < 2.0
    assert (told[:, 2] - told[:, 0]).mean() < 10.0


def test_quantiles_cover_as_often_as_they_say() -> None:
    inside = []
    for seed in range(24):
        whole = line(210, 100.0, 0.5, noise=5.0, seed=seed)
        told = quantiles(whole[:180], period=7, horizon=30, levels=LEVELS)
        inside.append(((whole[180:] >= told[:, 0]) & (whole[180:] <= told[:, 2])).mean())
    assert 0.7 <= np.mean(inside) <= 0.9


def test_odds_are_as_good_as_they_say() -> None:
    """Of limits that a fresh line reaches within 30 days with odds near a half, about half are reached."""
    told, came = [], []
    for seed in range(40):
        whole = line(120, 100.0, 0.5, noise=4.0, seed=100 + seed)
        found = outlook(whole[:90], limit=100 + 0.5 * 90 + 14 + seed % 5)
        told.append(found.p_breach_30d)
        came.append(bool((whole[90:] >= found.limit).any()))
    assert abs(np.mean(told) - np.mean(came)) < 0.12
