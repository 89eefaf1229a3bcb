"""Expressions: what they come to, and where they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot.evaluate.ratio import ExpressionError, parse
from tests.series import points

NAMES = {"errors": points("5 0 _ 2 2"), "calls": points("100 0 10 _ 4")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("errors / calls * 100", "5 _ _ _ 50"),
        ("errors + calls", "105 0 _ _ 6"),
        ("100 - errors * 2", "90 100 _ 96 96"),
        ("(100 - errors) * 2", "190 200 _ 196 196"),
        ("errors - 1 - 1", "3 -2 _ 0 0"),
        ("8 / 4 / 2 + errors * 0", "1 1 _ 1 1"),
        ("-errors", "-5 0 _ -2 -2"),
        ("--errors", "5 0 _ 2 2"),
        (" errors*.5 ", "2.5 0 _ 1 1"),
    ],
)
def test_what_an_expression_comes_to(text: str, expected: str) -> None:
    assert np.array_equal(parse(text).of(NAMES), points(expected), equal_nan=True)


def test_names_are_known_without_computing() -> None:
    assert parse("(a + b) / (a - 2)").names == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a name, a number or ( at character 1, got the end"),
        ("errors /", "expected a name, a number or ( at character 9, got the end"),
        ("errors calls", "expected an operator or the end at character 8, got 'calls'"),
        ("errors + * 2", "expected a name, a number or ( at character 10, got '*'"),
        ("(errors + 1", "expected ) for the ( at character 1, got the end"),
        ("errors)", "expected an operator or the end at character 7, got ')'"),
        ("errors ^ 2", "expected a name, a number or one of + - * / ( ) at character 8, got '^'"),
        ("__import__('os')", "expected an operator or the end at character 11, got '('"),
        ("(" * 60 + "1" + ")" * 60, "expected at most 40 levels of nesting, got more at character 42"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert str(caught.value) == message


@given(st.text(alphabet="ab12.+-*/() $_", max_size=30))
def test_any_text_is_an_expression_or_an_expression_error(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        return
    series = {name: points("1 0 _ -3") for name in expression.names}
    assert not np.isinf(expression.of(series)).any()
