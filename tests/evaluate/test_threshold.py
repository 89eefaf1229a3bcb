"""Rules over series, as stories: what is said, since when, and of which value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.evaluate import threshold
from opsbot.evaluate.missing import State, reach, state
from opsbot.evaluate.threshold import KEEP, OK, UNKNOWN
from opsbot.model.check import Missing, Rule
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.samples import Grid
from tests.series import grid, points

RULES = (
    Rule.parse(Status.CRITICAL, "> 95 for 10m", Unit.COUNT),
    Rule.parse(Status.WARNING, "> 80 for 10m", Unit.COUNT),
)


def rule(text: str) -> Rule:
    return Rule.parse(Status.WARNING, text, Unit.COUNT)


@pytest.mark.parametrize(
    ("story", "missing", "expected"),
    [
        pytest.param("50x9", Missing.UNKNOWN, OK, id="well"),
        pytest.param("50x7 93x1", Missing.UNKNOWN, 1, id="above the warning for ten minutes"),
        pytest.param("50x7 99x1", Missing.UNKNOWN, 0, id="above both: the worst speaks"),
        pytest.param("50x8 93", Missing.UNKNOWN, OK, id="one point is not ten minutes"),
        pytest.param("93x8 50", Missing.UNKNOWN, OK, id="over by the last point"),
        pytest.param("50x6 99 93x1", Missing.UNKNOWN, 1, id="the worst only for a moment"),
        pytest.param("50x7 93 _ 93", Missing.UNKNOWN, 1, id="a gap between two breaching points is skipped"),
        pytest.param("50x7 93x1 _x1", Missing.UNKNOWN, 1, id="late points: the newest real ones decide"),
        pytest.param("50x7 93x1 _x5", Missing.UNKNOWN, UNKNOWN, id="silent for longer than an alarm looks back"),
        pytest.param("_x9", Missing.UNKNOWN, UNKNOWN, id="never any data"),
        pytest.param("_x9", Missing.NOT_BREACHING, OK, id="absence is well"),
        pytest.param("_x9", Missing.BREACHING, 0, id="absence is a breach"),
        pytest.param("_x9", Missing.ZERO, OK, id="absence is zero, and zero is well"),
        pytest.param("_x9", Missing.IGNORE, KEEP, id="nothing was ever known: keep"),
        pytest.param("50x3 93x1 _x5", Missing.IGNORE, 1, id="ignore keeps the breach of the last real points"),
        pytest.param("93x1 50x1 _x5", Missing.IGNORE, OK, id="ignore keeps the state of the last real points"),
    ],
)
def test_the_state_now(story: str, missing: Missing, expected: int) -> None:
    assert threshold.judge(grid(story), RULES, missing).tolist() == [expected]


def test_zero_is_judged_where_less_is_worse() -> None:
    assert threshold.judge(grid("50x3 _x3"), [rule("< 5")], Missing.ZERO).tolist() == [0]


def test_no_column_is_settled_yet() -> None:
    empty = Grid(start=0, step=300, values=np.empty((2, 0)))
    assert threshold.judge(empty, RULES, Missing.UNKNOWN).tolist() == [UNKNOWN, UNKNOWN]
    assert threshold.judge_window(empty, RULES, Missing.UNKNOWN).tolist() == [UNKNOWN, UNKNOWN]
    assert np.isnan(threshold.newest(empty.values)).all()


def test_a_quiet_point_is_never_a_breach() -> None:
    quiet = np.zeros((1, 10), dtype=np.bool_)
    quiet[0, -1] = True
    assert threshold.judge(grid("0x8 50"), [rule("> 5")], Missing.UNKNOWN, quiet=quiet).tolist() == [OK]
    assert threshold.judge(grid("0x8 50"), [rule("> 5")], Missing.UNKNOWN).tolist() == [0]


@pytest.mark.parametrize(
    ("story", "text", "began", "value", "worst", "open_ended"),
    [
        pytest.param("50x3 93x4", "> 80", 4, 93.0, 93.0, False, id="since the first point beyond the limit"),
        pytest.param("50x3 99x1 93x2", "> 80", 4, 93.0, 99.0, False, id="the last point is judged, the worst is told"),
        pytest.param("90 50 _ 93 _x2 93x1 _", "> 80", 3, 93.0, 93.0, False, id="gaps inside a breach do not end it"),
        pytest.param("93x4 50 93x1", "> 80", 6, 93.0, 93.0, False, id="a point within the limit ends it"),
        pytest.param("93x9", "> 80", 0, 93.0, 93.0, True, id="older than the samples show"),
        pytest.param("_x2 93x6", "> 80", 3, 93.0, 93.0, True, id="older than the first real sample"),
        pytest.param(
            "50x3 93 50 93x1", "> 80 2 of 3", 4, 93.0, 93.0, False, id="two of three holds over one good point"
        ),
        pytest.param("93 50x2 93 50 99", "> 80 2 of 3", 4, 99.0, 99.0, False, id="it began when two of three began"),
        pytest.param(
            "50x3 93 97 60", "> 80 2 of 3", 4, 97.0, 97.0, False, id="with M of N the worst of the N is judged"
        ),
        pytest.param("50x2 3x2", "< 5", 3, 3.0, 3.0, False, id="less is worse"),
    ],
)
def test_how_long_and_how_bad(story: str, text: str, began: int, value: float, worst: float, open_ended: bool) -> None:
    one = grid(story)
    assert threshold.judge(one, [rule(text)], Missing.UNKNOWN).tolist() == [0]
    breach = threshold.trace(one.values[0], rule(text), Missing.UNKNOWN, one.period)
    assert (breach.began, breach.value, breach.worst, breach.open_ended) == (began, value, worst, open_ended)


def test_silence_that_counts_as_a_breach_began_with_it() -> None:
    one = grid("100x5 _x3")
    breach = threshold.trace(one.values[0], rule("< 99 for 2 periods"), Missing.BREACHING, one.period)
    assert (breach.began, breach.last, breach.worst) == (6, 9, None)


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param("50x3 93x3 50x3", (1, 4, 7, 93.0), id="a breach that is over"),
        pytest.param("99x2 50x2 93x2 50", (0, 0, 2, 99.0), id="the worst rule that was broken"),
        pytest.param("93x1 50x2 93x2 50", (1, 5, 7, 93.0), id="its last time"),
        pytest.param("50x3 93 50x3", None, id="a spike shorter than the rule"),
        pytest.param("50x9", None, id="nothing ever"),
    ],
)
def test_what_was_over_before_the_end(story: str, expected: tuple[int, int, int, float] | None) -> None:
    found = threshold.episodes(grid(story), RULES, Missing.UNKNOWN, [0]).get(0)
    told = found and (found.rule, found.breach.began, found.breach.last, found.breach.worst)
    assert told == expected


def test_what_only_informs_is_not_told_when_it_is_over() -> None:
    informs = Rule.parse(Status.INFO, "> 80", Unit.COUNT)
    assert threshold.episodes(grid("93x3 50x3"), [informs], Missing.UNKNOWN, [0]) == {}


@pytest.mark.parametrize(
    ("story", "missing", "expected"),
    [
        pytest.param("0x3 2 0x5", Missing.ZERO, 0, id="one event long ago counts"),
        pytest.param("_x3 2 _x5", Missing.ZERO, 0, id="a metric that is only sent when something happens"),
        pytest.param("0x9", Missing.ZERO, OK, id="no event"),
        pytest.param("_x9", Missing.ZERO, OK, id="nothing sent, nothing happened"),
        pytest.param("_x9", Missing.UNKNOWN, UNKNOWN, id="nothing sent where something should be"),
        pytest.param("_x9", Missing.IGNORE, KEEP, id="nothing new"),
    ],
)
def test_events_anywhere_in_the_window_count(story: str, missing: Missing, expected: int) -> None:
    assert threshold.judge_window(grid(story), [rule(">= 1")], missing).tolist() == [expected]


def test_the_last_event_is_traced_and_the_worst_is_told() -> None:
    one = grid("5 0x3 2 0x3")
    breach = threshold.trace_window(one.values[0], rule(">= 1"), Missing.ZERO, one.period)
    assert (breach.began, breach.last, breach.worst) == (5, 5, 5.0)


@pytest.mark.parametrize(
    ("story", "newest", "silent"), [("1x2 7 _x1", 7.0, 4), ("_x3", np.nan, 0), ("_ 4", 4.0, 2), ("5 _ 6", 6.0, 3)]
)
def test_the_newest_point_and_the_silence_after_it(story: str, newest: float, silent: int) -> None:
    assert np.array_equal(threshold.newest(grid(story).values), [newest], equal_nan=True)
    assert threshold.silent_since(points(story)) == silent


def test_the_points_that_decided_are_kept() -> None:
    one = grid("1x5 90 _ 95")
    assert threshold.evaluated(one.values[0], rule("> 80 for 10m"), one.period) == (1.0, 90.0, None, 95.0)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_each_row_is_judged_as_it_would_be_alone(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 14))
    value = st.sampled_from([50.0, 85.0, 99.0, np.nan])
    rows = data.draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=1, max_size=8))
    missing = data.draw(st.sampled_from([Missing.UNKNOWN, Missing.BREACHING, Missing.NOT_BREACHING, Missing.ZERO]))
    m, n = data.draw(st.sampled_from([(1, 1), (2, 2), (2, 3), (3, 5)]))
    one = rule(f"> 80 {m} of {n}")
    together = Grid(start=0, step=300, values=np.array(rows, dtype=np.float64))
    expected = [_alone(row, one, missing) for row in rows]
    assert threshold.judge(together, [one], missing).tolist() == expected


def _alone(row: list[float], one: Rule, missing: Missing) -> int:
    m, n = one.m_of_n or (1, 1)
    filled = [0.0 if np.isnan(value) and missing is Missing.ZERO else value for value in row]
    tail = [None if np.isnan(value) else one.breached_by(value) for value in filled[-reach(n) :]]
    codes = {State.OK: OK, State.ALARM: 0, State.INSUFFICIENT: UNKNOWN, State.KEEP: KEEP}
    return codes[state(tail, m, n, missing)]
