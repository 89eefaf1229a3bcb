"""Numbers as people read them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbot.checks.words import bound, quantity, sentence, span
from opsbot.model.check import Rule
from opsbot.model.status import Status
from opsbot.model.units import Unit

P, S, MS, B, N, D = Unit.PERCENT, Unit.SECONDS, Unit.MILLISECONDS, Unit.BYTES, Unit.COUNT, Unit.DAYS


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (93.12, P, "93 %"),
        (7.21, P, "7.2 %"),
        (0.123, P, "0.12 %"),
        (0.0, P, "0 %"),
        (-0.001, P, "0 %"),
        (0.18, S, "180 ms"),
        (2.41, S, "2.4 s"),
        (420, S, "7 min"),
        (12_600, S, "3.5 h"),
        (259_200, S, "3 d"),
        (480, MS, "480 ms"),
        (2412, MS, "2.4 s"),
        (12_400, N, "12,400"),
        (3, N, "3"),
        (100, N, "100"),
        (-0.5, N, "-0.5"),
        (1e300, N, "1e+300"),
        (5 * 2**30, B, "5 GiB"),
        (512, B, "512 B"),
        (1, D, "1 day"),
        (8.24, D, "8 days"),
        (0.5, D, "0.5 days"),
        (1234.5, Unit.USD, "$1,234.50"),
        (0.134, Unit.SCORE, "0.13"),
    ],
)
def test_a_quantity(value: float, unit: Unit, expected: str) -> None:
    assert quantity(value, unit) == expected


@pytest.mark.parametrize(
    ("value", "limit", "unit", "expected"),
    [
        pytest.param(98.7, 99.0, P, "98.7 %", id="rounded it would look like the limit itself"),
        pytest.param(80.04, 80.0, P, "80.04 %", id="as many digits as it takes"),
        pytest.param(80.00001, 80.0, P, "80 %", id="but not for ever"),
        pytest.param(93.1, 80.0, P, "93 %", id="far enough away"),
        pytest.param(80.0, 80.0, P, "80 %", id="the limit itself"),
        pytest.param(13.9, 14.0, D, "13.9 days", id="days too"),
        pytest.param(2.04, 2.0, S, "2.04 s", id="seconds too"),
    ],
)
def test_a_value_never_reads_like_its_limit(value: float, limit: float, unit: Unit, expected: str) -> None:
    assert quantity(value, unit, beside=limit) == expected


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(0.5, "30 s"), (1, "1 min"), (45, "45 min"), (89, "89 min"), (180, "3 h"), (47 * 60, "47 h"), (4320, "3 d")],
)
def test_a_span(minutes: float, expected: str) -> None:
    assert span(timedelta(minutes=minutes)) == expected


def test_which_side_of_the_limit_is_bad() -> None:
    assert bound(Rule.parse(Status.WARNING, "> 80 %", P), P) == "limit 80 %"
    assert bound(Rule.parse(Status.WARNING, "< 95 %", P), P) == "minimum 95 %"


def test_a_place_nobody_filled_stays_as_it_is() -> None:
    assert sentence("{a} of {b} {", {"a": "3"}) == "3 of {b} {"
