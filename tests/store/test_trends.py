"""The settled past of a series and what was forecast of it: kept once, joined day by day, the same on every database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from opsbot.errors import StoreError
from opsbot.evaluate.trend.ports import Forecast, Settled
from opsbot.store import trends_tables as t
from opsbot.store.engine import writing
from opsbot.store.sql import SqlStore
from tests.outbox.world import fresh

DAY = date(2026, 11, 1)
NAN = float("nan")


def series(first: int, *values: float, key: str = "a/disk/one", unit: str = "bytes") -> Settled:
    return Settled(key=key, first=DAY + timedelta(days=first), values=np.array(values, dtype=float), unit=unit)


def said(made: int, p30: float = 0.1, key: str = "a/disk/one", **days: date | None) -> Forecast:
    known = {"p10": None, "p50": None, "p90": None, **days}
    return Forecast(
        key=key, made=DAY + timedelta(days=made), current=1.0, limit=9.5, p_breach_30d=p30, p_breach_90d=0.5, **known
    )


def kept(store: SqlStore, key: str = "a/disk/one", since: int = -999) -> tuple[date, list[float]]:
    one = store.trends().settled([key, "never/kept"], DAY + timedelta(days=since))[key]
    return one.first, one.values.tolist()


@pytest.mark.parametrize(
    ("told", "first", "values"),
    [
        pytest.param([series(0, 1, 2)], 0, [1, 2], id="what was given comes back"),
        pytest.param([series(0, 1, 2), series(2, 3)], 0, [1, 2, 3], id="the next day is added"),
        pytest.param([series(0, 1, 2), series(0, 7, 8)], 0, [1, 2], id="what was known stays as it was"),
        pytest.param([series(0, 1, NAN), series(1, 2, 3)], 0, [1, 2, 3], id="a day that came late is filled in"),
        pytest.param([series(0, 1), series(3, 4)], 0, [1, NAN, NAN, 4], id="days nobody was asked for are a gap"),
        pytest.param([series(3, 4), series(0, 1)], 0, [1, NAN, NAN, 4], id="an earlier past goes before it"),
        pytest.param([series(0, 1, unit="count"), series(5, 6)], 5, [6], id="another unit is another series"),
        pytest.param([series(0, 1e308, -0.0, 5e-324)], 0, [1e308, 0, 5e-324], id="no digit is lost"),
    ],
)
def test_a_series_is_one_row_of_days(store: SqlStore, told: list[Settled], first: int, values: list[float]) -> None:
    for one in told:
        store.trends().settle([one])
    assert kept(store)[0] == DAY + timedelta(days=first)
    assert kept(store)[1] == pytest.approx(values, nan_ok=True, rel=0)


def test_the_same_twice_and_both_in_one_call_is_kept_once(store: SqlStore) -> None:
    for _ in range(2):
        store.trends().settle([series(0, 1), series(1, 2), series(0, 5, key="b/disk/x")])
    assert kept(store) == (DAY, [1, 2])
    assert kept(store, "b/disk/x") == (DAY, [5])
    store.trends().settle([])


def test_only_what_is_asked_for_is_read(store: SqlStore) -> None:
    store.trends().settle([series(0, 1, 2, 3)])
    assert kept(store, since=1) == (DAY + timedelta(days=1), [2, 3])
    assert store.trends().settled(["a/disk/one"], DAY + timedelta(days=3)) == {}
    assert store.trends().settled([], DAY) == {}


def test_many_series_and_names_from_outside(store: SqlStore) -> None:
    odd = 'e/disk/nul\0, half a pair \ud800, "quotes"'
    many = [series(0, float(n), key=f"a/disk/{n}") for n in range(1100)]
    store.trends().settle([*many, series(0, 7, key=odd)])
    found = store.trends().settled([*(one.key for one in many), odd], DAY)
    assert len(found) == 1101
    assert (found["a/disk/1099"].values.tolist(), found[odd].values.tolist()) == ([1099], [7])


def test_three_years_are_enough_of_a_past(store: SqlStore) -> None:
    store.trends().settle([series(0, *range(1200))])
    first, values = kept(store)
    assert (first, len(values), values[-1]) == (DAY + timedelta(days=100), 1100, 1199)


def test_the_newest_forecast_of_a_day_wins(store: SqlStore) -> None:
    trends = store.trends()
    trends.note([said(0, 0.1), said(7, 0.2, p10=DAY, p50=None), said(0, 0.3, key="b/disk/two")])
    trends.note([said(0, 0.9, p90=DAY + timedelta(days=40)), said(0, 0.8, p90=DAY)])
    trends.note([])
    assert trends.noted(DAY, DAY + timedelta(days=7)) == (
        said(0, 0.8, p90=DAY),
        said(7, 0.2, p10=DAY),
        said(0, 0.3, key="b/disk/two"),
    )
    assert trends.noted(DAY + timedelta(days=1), DAY + timedelta(days=6)) == ()


def test_what_is_gone_for_a_year_is_forgotten_with_everything_else(store: SqlStore) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    old = (now.date() - DAY).days - 402
    store.trends().settle([series(0, 1), series(old, 1, key="a/disk/gone"), series(old, *range(9), key="a/disk/late")])
    store.trends().note([said(0), said(old)])
    store.prune(now)
    assert set(store.trends().settled(["a/disk/one", "a/disk/gone", "a/disk/late"], date.min)) == {
        "a/disk/one",
        "a/disk/late",
    }
    assert store.trends().noted(date.min, date.max) == (said(0),)


@pytest.mark.parametrize("body", [b"", b"no zlib", b"x\x9c\x03\x00\x00\x00\x00\x01"[:5]])
def test_a_row_that_cannot_be_read_says_so(store: SqlStore, body: bytes) -> None:
    store.trends().settle([series(0, 1)])
    with writing(store.engine) as db:
        db.execute(update(t.trend_series).values(body=body))
    with pytest.raises(StoreError, match="cannot be read any more"):
        kept(store)


VALUES = st.lists(st.floats(allow_infinity=False, allow_subnormal=True), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), VALUES), min_size=1, max_size=5))
def test_in_whatever_pieces_it_comes_the_first_word_on_a_day_holds(pieces: list[tuple[int, list[float]]]) -> None:
    store = fresh(None)
    expected: dict[int, float] = {}
    for first, values in pieces:
        store.trends().settle([series(first, *values)])
        for day, value in enumerate(values, first):
            if np.isnan(expected.get(day, NAN)):
                expected[day] = value
    start, row = kept(store)
    offset = (start - DAY).days
    assert offset == min(expected)
    assert row == pytest.approx([expected.get(offset + n, NAN) for n in range(len(row))], nan_ok=True, rel=0, abs=0)
    store.close()
