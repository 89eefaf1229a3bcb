"""The parts on their own: the week's shape, completeness, tails, common movement, commitments."""

from __future__ import annotations

import numpy as np
import pytest

from opsbot.evaluate.cost.bill import Bill, Leaf
from opsbot.evaluate.cost.commitment import ended
from opsbot.evaluate.cost.drift import drift
from opsbot.evaluate.cost.nowcast import Completeness, behind
from opsbot.evaluate.cost.scan import strictness
from opsbot.evaluate.cost.season import base, week_shape, weekday
from opsbot.evaluate.cost.tail import HISTORY, HORIZONS, Errors
from opsbot.evaluate.cost.tree import LEAF, REGION, SERVICE, Tree
from tests.evaluate.cost.bills import FIRST

MONDAY = FIRST.toordinal()
ONE = np.arange(1)


def test_a_day_knows_its_weekday() -> None:
    assert weekday(np.arange(MONDAY, MONDAY + 7)).tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("last", range(MONDAY + 55, MONDAY + 62))
def test_the_week_is_found_wherever_it_ends(last: int) -> None:
    days = np.arange(last - 55, last + 1)
    cost = np.where(weekday(days) >= 5, 40.0, 100.0)[None, :].repeat(3, axis=0)
    shape = week_shape(cost, last, np.zeros(3, np.int64))
    assert shape[:, 5:] / shape[:, :5].mean(axis=1, keepdims=True) == pytest.approx(0.4, abs=0.02)


def test_a_noisy_leaf_is_believed_with_its_account() -> None:
    random = np.random.default_rng(5)
    days = np.arange(MONDAY, MONDAY + 56)
    weekend = np.where(weekday(days) >= 5, 0.5, 1.0)
    calm = 100 * weekend * np.exp(random.normal(0, 0.02, (6, 56)))
    noisy = 100 * weekend * np.exp(random.normal(0, 0.4, (1, 56)))
    cost = np.vstack([calm, noisy])
    together = week_shape(cost, int(days[-1]), np.zeros(7, np.int64))[6]
    alone = week_shape(noisy, int(days[-1]), np.zeros(1, np.int64))[0]
    truth = np.where(np.arange(7) >= 5, 0.5, 1.0) * 7 / 6
    assert np.abs(together - truth).max() < np.abs(alone - truth).max() + 0.02
    assert together[5:].mean() == pytest.approx(truth[5], abs=0.15)


def test_an_odd_day_does_not_move_the_level_and_a_step_does() -> None:
    flat = np.ones((1, 7))
    odd = np.full((1, 60), 100.0)
    odd[0, -8] = 900.0
    stepped = np.full((1, 60), 100.0)
    stepped[0, -4:] = 200.0
    assert base(odd, MONDAY, flat).level[0] == pytest.approx(100.0, abs=1.0)
    assert base(stepped, MONDAY, flat).level[0] == pytest.approx(200.0)


def test_rows_that_came_later_are_expected_to_cost_nothing() -> None:
    known = base(np.full((1, 60), 100.0), MONDAY, np.ones((1, 7)))
    expected = known.expected(np.arange(MONDAY + 1, MONDAY + 3), 2)
    assert expected == pytest.approx(np.asarray([[100.0, 100.0], [0.0, 0.0]]))


def test_completeness_is_learnt_from_what_was_shown() -> None:
    learnt = Completeness()
    final = np.asarray([[100.0], [50.0]]).repeat(60, axis=1)
    for today in range(30, 60):
        cost = final[:, :today].copy()
        cost[:, -1] *= [0.45, 0.97]
        cost[:, -2] *= [0.93, 1.0]
        learnt.learn(MONDAY + today, cost)
    share = learnt.share(["TimedStorage", "BoxUsage"])
    assert share.shown[0] == pytest.approx([0.45, 0.97], abs=0.02)
    assert share.shown[1] == pytest.approx([0.93, 1.0], abs=0.02)
    newcomer = learnt.share(["TimedStorage", "BoxUsage", "TimedStorage"])
    assert newcomer.shown[0][2] == pytest.approx(0.45, abs=0.02)


def test_a_morning_without_yesterday_teaches_nothing() -> None:
    learnt = Completeness()
    for today in range(30, 60):
        cost = np.full((1, today), 100.0)
        cost[0, -1] *= 0.0 if today % 3 == 0 else 0.8
        learnt.learn(MONDAY + today, cost)
    assert learnt.share(["BoxUsage"]).shown[0][0] == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("leaves", "found"), [(20, -0.1 * 20 / 22), (3, 0.0)])
def test_a_morning_that_is_behind_is_noticed(leaves: int, found: float) -> None:
    expected = np.full(leaves, 100.0)
    assert behind(0.87 * expected, expected, np.full(leaves, 0.97)) == pytest.approx(found)


def _taught(errors: np.ndarray) -> Errors:
    taught = Errors()
    taught.grow(1)
    for value in errors:
        taught.put(np.full((len(HORIZONS), 1), value))
    taught.read(0, ONE, ONE)
    return taught


def test_a_tail_is_read_from_the_past() -> None:
    normal = np.random.default_rng(2).normal(0, 0.1, HISTORY)
    taught = _taught(normal)
    assert taught.spread[0, 0] == pytest.approx(0.1, rel=0.25)
    assert 0.25 < taught.tail[0, 0] < 0.6


def test_what_is_too_recent_does_not_teach() -> None:
    calm = np.random.default_rng(2).normal(0, 0.1, HISTORY)
    leaking = calm.copy()
    leaking[-4:] = 5.0
    assert _taught(leaking).tail[0, 0] == pytest.approx(_taught(calm).tail[0, 0], rel=0.2)


def test_too_few_days_are_unknown() -> None:
    assert np.isinf(_taught(np.zeros(12)).tail[0, 0])


def test_a_wild_spring_does_not_blind_a_calm_summer() -> None:
    random = np.random.default_rng(4)
    summer = random.normal(0, 0.02, HISTORY)
    spring = np.concatenate([random.normal(0, 0.3, 70), summer[70:]])
    always = random.normal(0, 0.3, HISTORY)
    assert _taught(spring).tail[0, 0] < 0.6 * _taught(always).tail[0, 0]


def _tree(leaves: int) -> Tree:
    tree = Tree()
    tree.place([Leaf("a", f"service {number}", "eu-central-1", "usage") for number in range(leaves)])
    return tree


@pytest.mark.parametrize(
    ("leaves", "everywhere", "taken"),
    [
        pytest.param(20, 10.0, 10.0 * 20 / 24, id="everything rises"),
        pytest.param(20, -10.0, -5.0 * 20 / 24, id="everything falls"),
        pytest.param(20, 0.0, 0.0, id="one rises alone"),
        pytest.param(4, 10.0, 0.0, id="four leaves are no crowd"),
    ],
)
def test_what_all_do_is_taken_off(leaves: int, everywhere: float, taken: float) -> None:
    tree = _tree(leaves)
    rows = len(tree.keys)
    excess = np.full((1, rows), everywhere)
    excess[0, tree.leaf_rows[0]] = 90.0
    off = drift(tree, excess, np.full((1, rows), 100.0), np.full(rows, 0.1))
    assert off[0, tree.leaf_rows] == pytest.approx(taken)


def test_a_tree_knows_what_is_above_and_what_is_the_same() -> None:
    tree = Tree()
    leaves = [
        Leaf("a", "s", "r1", "u1"),
        Leaf("a", "s", "r1", "u2"),
        Leaf("a", "s", "r2", "u1"),
        Leaf("b", "s", "r1", "u1"),
        Leaf("a", "s", "r1", "tax", record_type="Tax"),
    ]
    rows = tree.place(leaves)
    assert rows[4] == -1
    cost = np.zeros((len(tree.keys), 1))
    cost[rows[:4], 0] = [1.0, 2.0, 4.0, 8.0]
    whole = tree.fold(cost)
    assert whole[tree.rows["a", "s", "r1"], 0] == 3.0
    assert whole[tree.rows["a", "s"], 0] == 7.0
    assert tree.below(tree.rows["a", "s"]).tolist() == rows[:3].tolist()
    assert tree.family(int(rows[0])).tolist() == [rows[1]]
    assert [int(tree.level[tree.rows[key]]) for key in (("a", "s"), ("a", "s", "r1"))] == [SERVICE, REGION]
    branching = tree.branching()
    assert branching[tree.rows["a", "s"]]
    assert not branching[tree.rows["b", "s"]]
    assert np.array_equal(whole[tree.distinct][tree.same], whole)
    assert (tree.level[rows[:4]] == LEAF).all()


@pytest.mark.parametrize(
    ("fees", "day"),
    [
        pytest.param([50.0] * 17 + [0.0] * 3, 17, id="three days ago"),
        pytest.param([50.0] * 19 + [0.0], 19, id="yesterday"),
        pytest.param([50.0] * 17 + [20.0] * 3, 17, id="one of two"),
        pytest.param([50.0] * 20, None, id="still paid"),
        pytest.param([50.0] * 10 + [0.0] * 10, None, id="long ago"),
        pytest.param([0.0] * 20, None, id="never paid"),
        pytest.param([50.0] * 17 + [0.0, 50.0, 50.0], None, id="one day late"),
        pytest.param([50.0] * 5, None, id="too young to say"),
    ],
)
def test_the_day_a_commitment_ended(fees: list[float], day: int | None) -> None:
    plan = Leaf("a", "Savings Plans", "global", "ComputeSP", "SavingsPlanRecurringFee")
    use = Leaf("a", "Amazon Redshift", "eu-central-1", "Node", "Usage")
    bill = Bill(first=FIRST, leaves=(plan, use), cost=np.asarray([fees, [90.0] * (len(fees) - 1) + [0.0]]))
    assert [one.day - MONDAY for one in ended(bill)] == ([] if day is None else [day])


@pytest.mark.parametrize(("rows", "low", "high"), [(2, 0.6, 0.8), (80, 0.999, 1.001), (1000, 1.1, 1.3)])
def test_more_rows_are_judged_more_strictly(rows: int, low: float, high: float) -> None:
    assert low <= strictness(rows) <= high
