"""The month's end from the days so far, and where its budget stands."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

import numpy as np
import pytest

from opsbot.evaluate.budget import month_end, pace
from opsbot.samples import Values

FIRST = date(2026, 1, 1)


def bill(days: int, seed: int = 1, growth: float = 0.02, noise: float = 0.05) -> Values:
    random = np.random.default_rng(seed)
    weekend = np.asarray([(FIRST + timedelta(days=number)).weekday() >= 5 for number in range(days)])
    level = 100.0 * (1 + growth) ** (np.arange(days) / 30)
    return np.asarray(level * np.where(weekend, 0.7, 1.0) * np.exp(random.normal(0, noise, days)))


def month_total(daily: Values, morning: int) -> float:
    today = FIRST + timedelta(days=morning)
    first = morning - today.day + 1
    return float(daily[first : first + monthrange(today.year, today.month)[1]].sum())


@pytest.mark.parametrize("noise", [0.03, 0.15])
def test_four_of_five_months_end_inside_the_interval(noise: float) -> None:
    held, errors = [], []
    for seed in range(3):
        daily = bill(330, seed, noise=noise)
        for morning in range(130, 290, 13):
            told = month_end(daily[:morning], FIRST)
            assert told is not None
            true = month_total(daily, morning)
            held.append(told.p10 <= true <= told.p90)
            errors.append(abs(told.p50 / true - 1))
    assert 0.72 <= np.mean(held) <= 0.98
    assert np.median(errors) < 0.03


def test_the_interval_closes_as_the_month_passes() -> None:
    daily = bill(330, noise=0.1)
    morning = (date(2026, 9, 1) - FIRST).days
    widths = []
    for passed in (0, 10, 20, 29):
        told = month_end(daily[: morning + passed], FIRST)
        assert told is not None
        assert told.month == date(2026, 9, 1)
        assert told.spent == pytest.approx(daily[morning : morning + passed].sum())
        assert told.p10 < told.p50 < told.p90
        widths.append(told.p90 - told.p10)
    assert widths == sorted(widths, reverse=True)


def test_what_comes_every_month_is_expected() -> None:
    daily = bill(230)
    for number in range(len(daily)):
        if (FIRST + timedelta(days=number)).day == 15:
            daily[number] += 2_000.0
    morning = (date(2026, 7, 5) - FIRST).days
    told = month_end(daily[:morning], FIRST)
    assert told is not None
    assert told.p50 == pytest.approx(month_total(daily, morning), rel=0.05)


@pytest.mark.parametrize("days", [0, 1, 13])
def test_a_fortnight_is_needed(days: int) -> None:
    assert month_end(bill(days), FIRST) is None


def test_a_young_bill_knows_little() -> None:
    daily = bill(200)
    young, grown = month_end(daily[170:185], FIRST + timedelta(days=170)), month_end(daily[:185], FIRST)
    assert young is not None
    assert grown is not None
    assert young.p90 - young.p10 > 1.5 * (grown.p90 - grown.p10)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(np.zeros(100), id="all zero"),
        pytest.param(np.where(np.arange(100) == 50, -500.0, 100.0), id="a credit"),
        pytest.param(np.where(np.arange(100) % 17 == 0, np.nan, 100.0), id="missing days"),
        pytest.param(np.where(np.arange(100) < 95, 100.0, 0.0), id="the account left"),
        pytest.param(np.full(100, np.nan), id="nothing known"),
    ],
)
def test_nothing_breaks_it(spoilt: Values) -> None:
    told = month_end(spoilt, FIRST)
    assert told is not None
    assert np.isfinite([told.p10, told.p50, told.p90, told.spent]).all()
    assert told.p10 <= told.p50 <= told.p90
    assert told.p90 <= 100.0 * 31 * 1.3


@pytest.mark.parametrize(
    ("budget", "over", "exhausted"),
    [
        pytest.param(10_000.0, (0.0, 0.05), None, id="plenty left"),
        pytest.param(2_000.0, (0.95, 1.0), date(2026, 4, 22), id="over before the month is"),
        pytest.param(800.0, (1.0, 1.0), date(2026, 4, 1), id="gone already"),
    ],
)
def test_where_a_budget_stands(budget: float, over: tuple[float, float], exhausted: date | None) -> None:
    daily = bill(120, growth=0.0, noise=0.02)
    morning = (date(2026, 4, 11) - FIRST).days
    end = month_end(daily[:morning], FIRST)
    assert end is not None
    stands = pace(end, budget)
    assert stands.spent == pytest.approx(end.spent / budget)
    assert stands.due == pytest.approx(1 / 3, abs=0.03)
    assert stands.forecast == pytest.approx(end.p50 / budget)
    assert over[0] <= stands.p_over <= over[1]
    if exhausted is None or budget < end.spent:
        assert stands.exhausted == exhausted
    else:
        assert stands.exhausted is not None
        assert abs((stands.exhausted - exhausted).days) <= 2


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_is_above_zero(budget: float) -> None:
    end = month_end(bill(60), FIRST)
    assert end is not None
    with pytest.raises(ValueError, match="expected a budget above 0"):
        pace(end, budget)
