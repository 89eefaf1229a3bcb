"""What people write as a rule, and what it means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbot.model.check import Op, Rule
from opsbot.model.status import Status
from opsbot.model.units import Unit

FIVE_MINUTES = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "unit", "op", "threshold", "points"),
    [
        pytest.param("> 80 % for 10m", Unit.PERCENT, Op.ABOVE, 80, (2, 2), id="two periods of five minutes"),
        pytest.param(">80% for 10m", Unit.PERCENT, Op.ABOVE, 80, (2, 2), id="blanks do not matter"),
        pytest.param("> 70 % for 12m", Unit.PERCENT, Op.ABOVE, 70, (3, 3), id="a hold rounds up to whole periods"),
        pytest.param("> 0", Unit.COUNT, Op.ABOVE, 0, (1, 1), id="one point is enough"),
        pytest.param("< 1 for 5m", Unit.COUNT, Op.BELOW, 1, (1, 1), id="too few"),
        pytest.param("<= 99.5 % 2 of 3", Unit.PERCENT, Op.AT_MOST, 99.5, (2, 3), id="M of N"),
        pytest.param(">= 1 % for 3 periods", Unit.PERCENT, Op.AT_LEAST, 1, (3, 3), id="periods"),
        pytest.param("> 500 ms", Unit.SECONDS, Op.ABOVE, 0.5, (1, 1), id="written in ms, kept in seconds"),
        pytest.param("> 2 s for 10m", Unit.MILLISECONDS, Op.ABOVE, 2000, (2, 2), id="written in s, kept in ms"),
        pytest.param("> 5 min", Unit.SECONDS, Op.ABOVE, 300, (1, 1), id="minutes"),
        pytest.param("< 10 GiB", Unit.BYTES, Op.BELOW, 10 * 2**30, (1, 1), id="bytes"),
        pytest.param("< 14 d", Unit.DAYS, Op.BELOW, 14, (1, 1), id="days"),
        pytest.param("> -5", Unit.SCORE, Op.ABOVE, -5, (1, 1), id="below zero"),
    ],
)
def test_a_rule_as_written(text: str, unit: Unit, op: Op, threshold: float, points: tuple[int, int]) -> None:
    rule = Rule.parse(Status.WARNING, text, unit)
    assert (rule.op, rule.threshold, rule.points(FIVE_MINUTES), rule.text) == (op, threshold, points, text)


@pytest.mark.parametrize(
    ("text", "unit", "told"),
    [
        pytest.param("90%", Unit.PERCENT, 'expected a rule such as "> 80 % for 10m"', id="no comparison"),
        pytest.param("> lots", Unit.COUNT, "expected a rule such as", id="no number"),
        pytest.param("> 80 ms", Unit.PERCENT, "'ms' does not fit a check in percent; expected %", id="wrong suffix"),
        pytest.param("> 80 %", Unit.COUNT, "does not fit a check in count; expected no suffix", id="suffix on a count"),
        pytest.param("> 80 % for long", Unit.PERCENT, "expected a rule such as", id="no duration"),
        pytest.param("> 80 % for 10", Unit.PERCENT, "expected a duration such as", id="a duration without its unit"),
        pytest.param(
            "> 1 5 of 3", Unit.COUNT, "expected M of N with 1 <= M <= N, got 5 of 3", id="more than there are"
        ),
        pytest.param("== 3", Unit.COUNT, "expected a rule such as", id="equality is no rule"),
        pytest.param("", Unit.COUNT, "expected a rule such as", id="nothing"),
    ],
)
def test_a_mistake_says_what_was_expected(text: str, unit: Unit, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        Rule.parse(Status.CRITICAL, text, unit)
    assert told in str(caught.value)


@pytest.mark.parametrize(("op", "at_the_threshold"), [(">", False), (">=", True), ("<", False), ("<=", True)])
def test_the_threshold_itself(op: str, at_the_threshold: bool) -> None:
    assert Rule.parse(Status.WARNING, f"{op} 5", Unit.COUNT).breached_by(5.0) is at_the_threshold
