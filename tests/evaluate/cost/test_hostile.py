"""Bad bills: nothing is invented, nothing raises but a refusal that says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from opsbot.evaluate.cost import Bill, BillError, Charge, Kind, Leaf, Watch, bill_of
from tests.evaluate.cost.bills import (
    DATABASE,
    DAYS,
    DEV,
    DISKS,
    FIRST,
    MACHINES,
    STORAGE,
    Account,
    account,
    scanned,
    told,
)


def late_days(it: Account) -> None:
    for leaf in it.late:
        it.late[leaf] *= 0.9


def credits_as_usage(it: Account) -> None:
    it.cost[DATABASE][100:103] = -250.0
    it.cost[DISKS][141] = -40.0


def an_account_leaves(it: Account) -> None:
    it.cost[DEV][138:] = 0.0


def a_service_stops_and_returns(it: Account) -> None:
    it.cost[DATABASE][130:140] = 0.0


def month_restated(it: Account) -> None:
    it.cost[STORAGE] = it.cost[STORAGE] * np.where(np.arange(DAYS) < 146, 1.015, 1.0)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(late_days, id="days that complete late"),
        pytest.param(credits_as_usage, id="negative days"),
        pytest.param(an_account_leaves, id="an account leaves"),
        pytest.param(a_service_stops_and_returns, id="a service stops for ten days and returns"),
        pytest.param(month_restated, id="a month restated by 1.5 %"),
    ],
)
def test_nothing_is_invented(story: Callable[[Account], None]) -> None:
    it = account()
    story(it)
    assert [(morning, one.why) for morning, one in told(it, end=155)] == []


def test_an_account_that_leaves_is_listed_once_and_told_to_nobody() -> None:
    it = account()
    for leaf in (DATABASE, DISKS):
        it.cost[replace(leaf, account="old")] = it.cost[leaf] * np.where(np.arange(DAYS) < 140, 1.0, 0.0)
    listed = [(morning, one) for morning, found in scanned(it, 135, 150) for one in found]
    assert [(morning, one.account, one.service, one.kind) for morning, one in listed] == [
        (142, "old", "every service", Kind.DROP)
    ]
    assert not listed[0][1].news
    assert listed[0][1].start == FIRST + timedelta(days=140)
    assert listed[0][1].impact == pytest.approx(-320.0, rel=0.1)


def test_a_service_that_stops_is_listed() -> None:
    it = account()
    it.cost[DATABASE][140:] = 0.0
    listed = [(morning, one.service) for morning, found in scanned(it, 135, 150) for one in found]
    assert listed == [(142, DATABASE.service)]


def test_days_missing_in_the_past_are_bridged() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 8)
    watch = Watch()
    mornings = [watch.morning(it.bill(morning, missing=(30, 31, 77, 110))) for morning in range(120, 145)]
    heard = [one for found in mornings for one in found if one.news]
    assert [(one.service, one.start) for one in heard] == [(DATABASE.service, FIRST + timedelta(days=140))]


@pytest.mark.parametrize("shown", [np.nan, 0.0, 0.3])
def test_a_morning_without_yesterday_judges_nothing(shown: float) -> None:
    it = account()
    it.add(DATABASE, 140, 60.0, 8)
    watch = Watch()
    for morning in range(120, 141):
        watch.morning(it.bill(morning))
    bill = it.bill(141)
    cost = bill.cost.copy()
    cost[:, -1] *= shown
    assert watch.morning(replace(bill, cost=cost)) == ()
    assert [one.service for one in watch.morning(it.bill(142))] == [DATABASE.service]


@pytest.mark.parametrize("days", [1, 2, 10, 21, 22, 23, 59])
def test_a_young_bill_says_nothing(days: int) -> None:
    it = account()
    it.cost[DATABASE][days - 1] *= 10
    assert Watch().morning(it.bill(days)) == ()


def test_all_zero_says_nothing() -> None:
    bill = Bill(first=FIRST, leaves=(DATABASE, MACHINES), cost=np.zeros((2, 140)))
    watch = Watch()
    assert watch.morning(bill) == ()
    assert watch.morning(replace(bill, cost=np.zeros((2, 141)))) == ()


def test_no_leaf_at_all_says_nothing() -> None:
    assert Watch().morning(Bill(first=FIRST, leaves=(), cost=np.zeros((0, 140)))) == ()


def test_ten_thousand_services() -> None:
    random = np.random.default_rng(3)
    leaves = tuple(Leaf("prod", f"service {number}", "eu-central-1", "usage") for number in range(10_000))
    cost = np.exp(random.normal(0, 0.05, (10_000, 64)))
    cost[5_000, -1] += 500.0
    found = Watch().morning(Bill(first=FIRST, leaves=leaves, cost=cost))
    assert [one.service for one in found if one.news] == ["service 5000"]


def test_mornings_left_out_are_caught_up() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 20)
    watch = Watch()
    for morning in (*range(110, 130), 135):
        watch.morning(it.bill(morning))
    assert [one.service for one in watch.morning(it.bill(143)) if one.news] == [DATABASE.service]


def test_mornings_come_in_order() -> None:
    it = account()
    watch = Watch()
    watch.morning(it.bill(130))
    with pytest.raises(ValueError, match="expected a morning after 2026-05-15, got 2026-05-14"):
        watch.morning(it.bill(129))


def test_another_currency_is_named() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 8)
    watch = Watch()
    found = [one for morning in range(125, 142) for one in watch.morning(replace(it.bill(morning), currency="EUR"))]
    assert " EUR a day above" in found[-1].why
    assert "$" not in found[-1].why


def test_the_order_of_the_leaves_means_nothing() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 8)
    watch, turned = Watch(), Watch()
    for morning in range(120, 143):
        bill = it.bill(morning)
        found = watch.morning(bill)
        other = turned.morning(replace(bill, leaves=bill.leaves[::-1], cost=bill.cost[::-1]))
        assert [(one.id, round(one.impact, 6)) for one in found] == [(one.id, round(one.impact, 6)) for one in other]
    assert found


CHARGE = Charge(day=date(2026, 3, 1), leaf=DATABASE, amount=10.0)


def test_rows_become_a_rectangle() -> None:
    rows = [CHARGE, replace(CHARGE, amount=5.0), replace(CHARGE, day=date(2026, 3, 3), leaf=DISKS, amount=2.0)]
    bill = bill_of([*rows, replace(CHARGE, day=date(2026, 3, 4))], morning=date(2026, 3, 4))
    assert bill.first == date(2026, 3, 1)
    assert bill.morning == date(2026, 3, 4)
    assert bill.leaves == tuple(sorted((DATABASE, DISKS)))
    wanted = {DATABASE: [15.0, np.nan, 0.0], DISKS: [0.0, np.nan, 2.0]}
    assert np.array_equal(bill.cost, np.asarray([wanted[leaf] for leaf in bill.leaves]), equal_nan=True)


def test_a_line_repeated_counts_once() -> None:
    line = replace(CHARGE, id="line-1")
    assert bill_of([line, line, CHARGE], morning=date(2026, 3, 2)).cost.sum() == 20.0


def test_no_rows_are_an_empty_bill() -> None:
    assert bill_of([], morning=date(2026, 3, 2)).cost.shape == (0, 0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param(
            [CHARGE, replace(CHARGE, currency="EUR")], "expected one currency, got EUR, USD", id="two currencies"
        ),
        pytest.param([replace(CHARGE, amount=float("nan"))], "expected an amount, got nan", id="no number"),
        pytest.param([replace(CHARGE, amount=float("inf"))], "expected an amount, got inf", id="infinite"),
    ],
)
def test_refused(rows: list[Charge], said: str) -> None:
    with pytest.raises(BillError, match=said):
        bill_of(rows, morning=date(2026, 3, 2))


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        pytest.param(np.zeros((2, 3)), "expected one row for each of 1 leaves", id="rows without a leaf"),
        pytest.param(np.zeros(3), "expected one row for each of 1 leaves", id="no rectangle"),
        pytest.param(np.full((1, 3), np.inf), "expected finite amounts", id="infinite"),
    ],
)
def test_a_bill_that_is_none(cost: np.ndarray, said: str) -> None:
    with pytest.raises(BillError, match=said):
        Bill(first=FIRST, leaves=(DATABASE,), cost=cost)


def test_history_given_at_once_serves_as_well() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 8)
    watch = Watch()
    assert [one.service for one in watch.morning(it.bill(142)) if one.news] == [DATABASE.service]
    assert [morning for morning, found in scanned(it, 141, 141) if found] == [141]
