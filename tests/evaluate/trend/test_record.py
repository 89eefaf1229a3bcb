"""What was forecast, held against what happened."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from opsbot.evaluate.trend.ports import Forecast, Settled
from opsbot.evaluate.trend.record import Record, record

DAY = date(2026, 6, 1)
LIMIT = 100.0


def on(days: int | None) -> date | None:
    return None if days is None else DAY + timedelta(days=days)


def said(p30: float, p10: int | None = None, p90: int | None = None, made: int = 0, current: float = 50.0) -> Forecast:
    day = DAY + timedelta(days=made)
    return Forecast(
        key="a", made=day, current=current, limit=LIMIT, p_breach_30d=p30, p_breach_90d=0.5, p10=on(p10), p50=None, p90=on(p90)
    )  # fmt: skip


def happened(days: int, over: int | None = None, missing: slice = slice(0)) -> dict[str, Settled]:
    """So many days after DAY, over the limit on the `over`th."""
    values = np.full(days + 1, 50.0)
    if over is not None:
        values[over] = LIMIT
    values[missing] = np.nan
    return {"a": Settled(key="a", first=DAY, values=values, unit="bytes")}


@pytest.mark.parametrize(
    ("forecast", "past", "made", "reached", "brier"),
    [
        pytest.param(said(0.2), happened(29), 0, 0, 0.0, id="a month that is not over is no answer yet"),
        pytest.param(said(0.2), happened(30), 1, 0, 0.04, id="nothing happened"),
        pytest.param(said(0.2), happened(30, 30), 1, 1, 0.64, id="it happened on the last day"),
        pytest.param(said(0.2), happened(40, 31), 1, 0, 0.04, id="a day later is not within thirty days"),
        pytest.param(said(0.2), happened(60, 0), 1, 0, 0.04, id="the day it was made on is no forecast"),
        pytest.param(said(0.2), happened(30, None, slice(1, 20)), 0, 0, 0.0, id="a month nobody saw says nothing"),
        pytest.param(said(0.2), happened(30, 25, slice(1, 20)), 1, 1, 0.64, id="but what was seen to happen did"),
        pytest.param(said(0.2, current=LIMIT), happened(30, 3), 0, 0, 0.0, id="what was over already was no forecast"),
    ],
)
def test_the_odds_of_thirty_days(
    forecast: Forecast, past: dict[str, Settled], made: int, reached: int, brier: float
) -> None:
    found = record([forecast], past)
    assert (found.made, found.reached, found.brier) == (made, reached, pytest.approx(brier))


@pytest.mark.parametrize(
    ("forecast", "past", "ranges", "held"),
    [
        pytest.param(said(0.1, 40, 60), happened(60, 50), 1, 1, id="inside"),
        pytest.param(said(0.1, 40, 60), happened(60, 40), 1, 1, id="on its first day"),
        pytest.param(said(0.1, 40, 60), happened(60, 60), 1, 1, id="on its last day"),
        pytest.param(said(0.1, 40, 60), happened(70, 39), 1, 0, id="too early"),
        pytest.param(said(0.1, 40, 60), happened(70, 61), 1, 0, id="too late"),
        pytest.param(said(0.1, 40, 60), happened(60), 1, 0, id="not at all"),
        pytest.param(said(0.1, 40, 60), happened(59, 50), 0, 0, id="ranges that have not passed are not picked from"),
        pytest.param(said(0.1, 40, None), happened(90, 50), 0, 0, id="an open range is none"),
    ],
)
def test_the_ranges_of_days(forecast: Forecast, past: dict[str, Settled], ranges: int, held: int) -> None:
    found = record([forecast], past)
    assert (found.ranges, found.held) == (ranges, held)


def test_seven_mornings_of_a_week_are_one_opinion() -> None:
    daily = [said(0.2, made=day) for day in range(14)]
    assert record(daily, happened(60)).made == 2
    assert record(reversed(daily), happened(60)) == record(daily, happened(60))


def test_nothing_to_judge_is_no_record() -> None:
    assert record([], {}) == Record()
    assert record([said(0.5)], {}) == Record()
    empty = {"a": Settled(key="a", first=DAY, values=np.empty(0), unit="bytes")}
    assert record([said(0.5)], empty) == Record()


def test_it_is_compared_with_always_saying_the_same() -> None:
    past = happened(200, 20) | {"b": Settled(key="b", first=DAY, values=np.full(200, 50.0), unit="bytes")}
    sure, calm = said(0.9), Forecast(**{**_fields(said(0.1)), "key": "b"})
    found = record([sure, calm], past)
    assert (found.made, found.reached, found.since) == (2, 1, DAY)
    assert (found.brier, found.always) == (pytest.approx(0.01), 0.25)


def _fields(one: Forecast) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}
