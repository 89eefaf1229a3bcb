"""What people are told, and when, and what they are never told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from opsbot.evaluate.cost import Kind, Leaf, Sensitivity, State, Watch
from tests.evaluate.cost.bills import (
    DATABASE,
    DAYS,
    DEV,
    DISKS,
    EC2,
    MACHINES,
    OTHER_MACHINES,
    STORAGE,
    TRAFFIC,
    Account,
    account,
    day,
    scanned,
    told,
)

NEW = Leaf("prod", "Amazon Kendra", "eu-central-1", "KendraEnterprise-Hours")
NEXT_FAMILY = Leaf("prod", EC2, "eu-central-1", "BoxUsage:m7g.xlarge")
FAR = Leaf("prod", EC2, "sa-east-1", "BoxUsage:g5.12xlarge")
MONTHLY = Leaf("prod", "Amazon Elastic MapReduce", "eu-central-1", "BoxUsage:r5.4xlarge")
FEE = Leaf("prod", "AWS Support (Business)", "global", "Dollar", "Fee")
CREDIT = Leaf("prod", EC2, "eu-central-1", "Credit", "Credit")
PLAN = Leaf("prod", "Savings Plans for AWS Compute usage", "global", "ComputeSP", "SavingsPlanRecurringFee")


def silent(_: Account) -> None:
    """Nothing happens."""


def family_replaced(it: Account) -> None:
    moved = it.cost[MACHINES] * np.clip((np.arange(DAYS) - 138) / 6, 0, 1)
    it.cost[MACHINES] = it.cost[MACHINES] - moved
    it.add(NEXT_FAMILY, 0, moved * 0.95, DAYS)


def growth(it: Account) -> None:
    for leaf in it.cost:
        it.cost[leaf] = it.cost[leaf] * 1.04 ** (np.arange(DAYS) / 30)


def fees(it: Account) -> None:
    first_days = [number for number in range(DAYS) if day(number).day == 1]
    for number in first_days:
        it.add(FEE, number, 900.0)
        it.add(Leaf("prod", "Amazon Route 53", "global", "HostedZone"), number, 60.0)
        it.add(MONTHLY, number + 9, 150.0, 2) if number + 11 < DAYS else None


def credit_ends(it: Account) -> None:
    it.add(CREDIT, 0, -150.0, 140)


def commitment_bought_upfront(it: Account) -> None:
    it.add(Leaf("prod", DATABASE.service, "eu-central-1", "HeavyUsage:db.r6g", "Fee"), 141, 9_000.0)


def too_small(it: Account) -> None:
    it.add(DATABASE, 140, 2.0, 20)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(silent, id="an ordinary month"),
        pytest.param(family_replaced, id="one instance family replaces another"),
        pytest.param(growth, id="everything grows by 4 % a month"),
        pytest.param(fees, id="fees on the first, a job once a month"),
        pytest.param(credit_ends, id="a credit runs out"),
        pytest.param(commitment_bought_upfront, id="a reservation is paid upfront"),
        pytest.param(too_small, id="two dollars a day"),
    ],
)
def test_nobody_is_told(story: Callable[[Account], None]) -> None:
    it = account()
    story(it)
    assert [(morning, one.why) for morning, one in told(it)] == []


@pytest.mark.parametrize(
    ("leaf", "days", "excess", "kind", "latest"),
    [
        pytest.param(DATABASE, 1, 40.0, Kind.SPIKE, 141, id="one day of a calm service"),
        pytest.param(MACHINES, 1, 90.0, Kind.SPIKE, 141, id="one day of a lively service"),
        pytest.param(TRAFFIC, 4, 70.0, Kind.SPIKE, 142, id="four days of a noisy service"),
        pytest.param(STORAGE, 20, 25.0, Kind.SPIKE, 142, id="a service whose yesterday is half billed"),
        pytest.param(DISKS, 20, 30.0, Kind.SPIKE, 141, id="the first day of a step"),
        pytest.param(NEW, 5, 30.0, Kind.NEW, 141, id="a service never seen"),
        pytest.param(FAR, 5, 60.0, Kind.NEW, 141, id="a region never seen"),
        pytest.param(DEV, 2, 54.0, Kind.WEEKEND, 142, id="development left running over the weekend"),
    ],
)
def test_told_once_the_next_morning_with_its_cause(
    leaf: Leaf, days: int, excess: float, kind: Kind, latest: int
) -> None:
    start = 145 if kind is Kind.WEEKEND else 140  # day 145 is a Saturday
    it = account()
    it.add(leaf, start, excess, days)
    heard = told(it, begin=138, end=160)
    assert len(heard) == 1, [one.why for _, one in heard]
    morning, one = heard[0]
    assert start < morning <= latest + start - 140
    cause = one.causes[0]
    assert (cause.account, cause.service, cause.region, cause.usage_type) == (
        leaf.account,
        leaf.service,
        leaf.region,
        leaf.usage_type,
    )
    assert one.kind is kind
    assert one.start == day(start)
    billed = excess * (morning - start)
    assert one.impact == pytest.approx(billed, rel=0.35)
    assert one.actual - one.expected == pytest.approx(one.impact)
    assert cause.share == pytest.approx(1.0, abs=0.05)
    assert 0.7 <= one.confidence <= 0.99
    assert leaf.service in one.why
    assert leaf.usage_type in one.why


def test_a_leak_is_told_while_it_is_small_and_again_when_it_is_not() -> None:
    it = account()
    it.add(DATABASE, 128, np.linspace(1.5, 45.0, 30), 30)
    it.add(DATABASE, 158, 45.0, 12)
    heard = told(it)
    assert heard[0][0] <= 128 + 12
    assert heard[0][1].daily < 20
    states = [one.state for _, one in heard]
    assert states[0] is State.OPENED
    assert set(states[1:]) <= {State.GROWING}
    assert len(heard) <= 3


def test_its_life_is_followed_to_the_end() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 8)
    lives = [(morning, one.state) for morning, found in scanned(it, 139, 155) for one in found]
    assert lives[0] == (141, State.OPENED)
    assert lives[-1] == (151, State.OVER)
    assert all(state is State.OPEN for _, state in lives[1:-1])


def test_the_last_word_on_an_anomaly_is_right_about_its_dollars() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 8)
    over = [one for _, found in scanned(it, 139, 155) for one in found if one.state is State.OVER]
    assert len(over) == 1
    assert over[0].impact == pytest.approx(320.0, rel=0.05)
    assert (over[0].start, over[0].last) == (day(140), day(147))
    assert over[0].kind is Kind.STEP


def test_what_rises_along_is_told_with_the_cause() -> None:
    it = account()
    it.add(MACHINES, 140, 150.0, 10)
    it.add(DISKS, 140, 30.0, 10)
    heard = told(it, begin=138, end=150)
    assert [one.service for _, one in heard] == [EC2]
    open_later = [one for morning, found in scanned(it, 141, 142) for one in found if morning == 142]
    assert open_later[0].also == ("EC2 - Other",)


def test_two_things_on_one_day_are_two() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 5)
    it.add(NEW, 140, 40.0, 5)
    assert {one.service for _, one in told(it, begin=138, end=148)} == {DATABASE.service, NEW.service}


def test_a_fall_in_another_account_hides_nothing() -> None:
    it = account()
    it.add(MACHINES, 140, 60.0, 12)
    it.add(DEV, 140, -60.0, 12)
    assert [one.account for _, one in told(it, end=150)] == ["prod"]


def test_a_commitment_that_ends_is_named() -> None:
    it = account()
    it.add(PLAN, 0, 50.0, 140)
    it.add(MACHINES, 140, 70.0, 30)
    heard = told(it, end=148)
    assert [one.kind for _, one in heard] == [Kind.COMMITMENT]
    assert "commitment ended" in heard[0][1].why


def test_after_four_weeks_a_step_is_the_new_normal() -> None:
    it = account()
    it.add(DATABASE, 130, 40.0, 40)
    lives = [(morning, one.state) for morning, found in scanned(it, 129, 166) for one in found]
    assert lives[0] == (131, State.OPENED)
    assert lives[-1][1] is State.ACCEPTED
    assert lives[-1][0] in range(159, 162)


def test_what_people_accept_is_normal_at_once() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 30)
    watch = Watch()
    first = [found for _, found in scanned(it, 139, 142, watch)][-1]
    watch.accept(first[0].id)
    later = [watch.morning(it.bill(morning)) for morning in range(143, 165)]
    assert [one.state for one in later[0]] == [State.ACCEPTED]
    assert not any(later[1:])


def test_an_unknown_id_is_ignored() -> None:
    watch = Watch()
    watch.accept("prod/nothing")
    assert watch.morning(account().bill(130)) == ()


def test_sensitivity_moves_the_line() -> None:
    it = account()
    it.add(DATABASE, 140, 15.0, 8)
    heard = {
        floor: any(one for _, found in scanned(it, 140, 146, Watch(Sensitivity(floor_usd=floor))) for one in found)
        for floor in (4.0, 20.0)
    }
    assert heard == {4.0: True, 20.0: False}


def test_the_same_mornings_give_the_same_answers() -> None:
    it = account()
    it.add(OTHER_MACHINES, 140, 90.0, 3)
    assert list(scanned(it, 138, 146)) == list(scanned(it, 138, 146))
