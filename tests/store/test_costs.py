"""Bills in the store: each morning as it was shown, revisions that take no room when nothing changed, requests counted."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sqlalchemy import func, select, update

from opsbot.errors import StoreError
from opsbot.evaluate.cost.bill import Leaf
from opsbot.evaluate.costdata import METRICS, CostDay, CostReading, Metric, Shown
from opsbot.store import cost_rows
from opsbot.store import tables as t
from opsbot.store.engine import reading, writing
from opsbot.store.sql import SqlStore

DAY = date(2026, 11, 1)
EC2, S3 = Leaf("1", "EC2", "eu-central-1", "EUC1-BoxUsage"), Leaf("2", "S3", "us-east-1", "Requests-Tier1")
ODD = Leaf("3", 'nul\0, half a pair \ud800, "quotes"', "", "", "Tax")


def day(n: int, amounts: dict[Leaf, float], *, estimated: bool = True) -> CostDay:
    rows = [[amount, amount * 0.9, amount * 0.8, amount * 7] for amount in amounts.values()]
    return CostDay(
        day=DAY + timedelta(days=n), leaves=tuple(amounts), amounts=np.asarray(rows).reshape(-1, 4), estimated=estimated
    )


def shown(morning: int, days: list[CostDay], *, payer: str = "shop", requests: int = 4) -> Shown:
    at = DAY + timedelta(days=morning)
    told = CostReading(payer=payer, morning=at, first=days[0].day, end=at, requests=requests, rows=9, page_rows=5)
    return Shown(payer=payer, morning=at, currency="USD", days=tuple(days), readings=(told,))


def revisions(store: SqlStore) -> int:
    with reading(store.engine) as db:
        return int(db.scalar(select(func.count()).select_from(t.cost_day)) or 0)


def test_a_morning_comes_back_as_it_was_shown(store: SqlStore) -> None:
    costs = store.costs()
    costs.keep(shown(2, [day(0, {EC2: 100.0}), day(1, {EC2: 60.0})]))
    costs.keep(shown(3, [day(0, {EC2: 100.0}), day(1, {EC2: 99.0, S3: 1.5}), day(2, {EC2: 70.0})]))
    first, second = costs.bills("shop", DAY, DAY + timedelta(days=9), metric=Metric.UNBLENDED)
    assert (first.morning, second.morning) == (date(2026, 11, 3), date(2026, 11, 4))
    assert first.leaves == second.leaves == (EC2, S3)
    assert first.cost.tolist() == [[100.0, 60.0], [0.0, 0.0]]
    assert second.cost.tolist() == [[100.0, 99.0, 70.0], [0.0, 1.5, 0.0]]
    (amortized,) = costs.bills("shop", date(2026, 11, 4), date(2026, 11, 4))
    assert amortized.cost[0].tolist() == pytest.approx([90.0, 89.1, 63.0])


def test_what_did_not_change_takes_no_room_and_the_same_twice_is_kept_once(store: SqlStore) -> None:
    costs = store.costs()
    costs.keep(shown(2, [day(0, {EC2: 100.0})]))
    for _ in range(2):
        costs.keep(shown(3, [day(0, {EC2: 100.0}), day(2, {S3: 3.0})]))
    assert (revisions(store), len(costs.readings("shop"))) == (2, 2)
    costs.keep(shown(4, [day(0, {EC2: 100.0}, estimated=False)]))
    assert (revisions(store), [one.estimated for one in costs.days("shop", DAY, date.max)]) == (3, [False, True])
    assert costs.days("shop", DAY, date.max, morning=date(2026, 11, 4))[0].estimated
    assert costs.bills("other", DAY, date.max) is not None
    assert list(costs.bills("other", DAY, DAY)) == []


def test_the_past_that_was_read_later_stands_in_earlier_mornings_and_a_hole_is_a_gap(store: SqlStore) -> None:
    costs = store.costs()
    costs.keep(shown(5, [day(3, {EC2: 3.0}), day(4, {EC2: 4.0})]))
    costs.keep(shown(6, [day(1, {EC2: 1.0}), day(5, {EC2: 5.0})]))
    first, second = costs.bills("shop", DAY, date(2026, 11, 7), metric=Metric.UNBLENDED)
    assert first.cost.tolist() == [[1.0, pytest.approx(np.nan, nan_ok=True), 3.0, 4.0]]
    assert (first.first, second.cost[0, -1]) == (date(2026, 11, 2), 5.0)
    (short,) = costs.bills("shop", date(2026, 11, 7), date(2026, 11, 7), depth=2)
    assert (short.first, short.cost.shape) == (date(2026, 11, 5), (1, 2))


def test_names_from_outside_are_kept_as_far_as_a_database_can(store: SqlStore) -> None:
    costs = store.costs()
    for morning in (2, 3):
        costs.keep(shown(morning, [day(0, {ODD: float(morning)})]))
    (kept,) = costs.days("shop", DAY, date.max)
    assert kept.leaves == (Leaf("3", 'nul?, half a pair ?, "quotes"', "", "", "Tax"),)
    assert kept.total() == 3.0


def test_requests_are_counted_by_day_and_month_and_end_at_the_caps(store: SqlStore) -> None:
    costs, last = store.costs(), date(2026, 11, 30)
    today = costs.allowance("shop", last, per_day=3, per_month=5)
    assert [today.take() for _ in range(4)] == [True, True, True, False]
    assert (today.left, today.why) == (0, "3 requests of Cost Explorer were made on 2026-11-30, which is the limit")
    today.give_back()
    assert (today.left, today.take(), costs.requests("shop", last)) == (1, True, (3, 3))
    earlier = costs.allowance("shop", date(2026, 11, 2), per_day=3, per_month=5)
    assert [earlier.take() for _ in range(3)] == [True, True, False]
    assert earlier.why == "5 requests of Cost Explorer were made this month, which is the limit"
    assert costs.allowance("shop", date(2026, 12, 1), per_day=3, per_month=5).left == 3
    assert costs.allowance("other", last, per_day=3, per_month=5).left == 3


def test_two_at_once_never_make_one_more_than_allowed(store: SqlStore) -> None:
    if store.engine.url.database in (None, ":memory:"):
        pytest.skip("one connection: nothing happens at once")
    taken: list[bool] = []

    def take() -> None:
        mine = store.costs().allowance("shop", DAY, per_day=10, per_month=99)
        taken.extend(mine.take() for _ in range(5))

    several = [threading.Thread(target=take) for _ in range(4)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert (sum(taken), store.costs().requests("shop", DAY)) == (10, (10, 10))


def test_revisions_go_first_and_days_after_thirteen_months(store: SqlStore) -> None:
    costs = store.costs()
    for morning in (1, 2, 3):
        costs.keep(shown(morning, [day(0, {EC2: float(morning)})]))
    assert costs.allowance("shop", DAY, per_day=1, per_month=1).take()
    now = datetime(2026, 11, 1, tzinfo=UTC)
    assert (costs.forget(now + timedelta(days=60)), revisions(store)) == (0, 3)
    assert (costs.forget(now + timedelta(days=80)), revisions(store)) == (2, 1)
    assert costs.days("shop", DAY, date.max)[0].total() == 3.0
    store.prune(now + timedelta(days=440))
    assert revisions(store) == 0
    assert (costs.readings("shop"), costs.requests("shop", DAY)) == ((), (0, 0))


@pytest.mark.parametrize("body", [b"rubbish", cost_rows.pack([1], np.ones((1, 4)))[:-9], b"x\x9cK\x04\x00\x00b\x00b"])
def test_a_rotten_day_is_told_and_not_guessed(store: SqlStore, body: bytes) -> None:
    costs = store.costs()
    costs.keep(shown(2, [day(0, {EC2: 100.0})]))
    with writing(store.engine) as db:
        db.execute(update(t.cost_day).values(body=body))
    with pytest.raises(StoreError, match="a day of a bill cannot be read any more"):
        costs.days("shop", DAY, date.max)


@settings(max_examples=40)
@given(st.data())
def test_packing_keeps_money_to_the_millionth(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 2**31 - 1), unique=True, max_size=40))
    shape = (len(numbers), len(METRICS))
    amounts = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(-1e9, 1e9)))
    found, read = cost_rows.unpack(cost_rows.pack(numbers, amounts))
    order = np.argsort(numbers, kind="stable")
    assert found.tolist() == sorted(numbers)
    assert np.abs(read[:, :3] - amounts[order, :3]).max(initial=0) <= 1e-6
    assert read[:, 3] == pytest.approx(amounts[order, 3], rel=1e-6, abs=1e-30)
