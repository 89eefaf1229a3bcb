"""Whether an answer meets an expectation, without the words: what is asked of every answer, made ready once.

The words, and every subject that is not asked all the time, are `opsbot.evaluate.expect`'s; both always agree.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from opsbot.evaluate import expect
from opsbot.evaluate.expect import Expectation
from opsbot.model.probe import Answer, ProbeResult

Check = Callable[[ProbeResult, Answer], bool]

_ORDERS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def quick(one: Expectation) -> Check:
    """The check of one line. Never raises."""
    if one.subject == "status" and type(one.value) is int:
        return _status(one)
    if one.subject == "latency" and not one.path:
        return _latency(one)
    if one.subject == "body" and one.operator == "matches":
        return _matches(one)
    return _any(one)


def _any(one: Expectation) -> Check:
    lines = (one,)
    return lambda result, answer: not expect.unmet(lines, result, answer, result.at)


def _status(one: Expectation) -> Check:
    compare, wanted, careful = _ORDERS[one.operator], one.value, _any(one)
    return lambda result, answer: (
        bool(compare(result.status, wanted)) if result.status is not None else careful(result, answer)
    )


def _latency(one: Expectation) -> Check:
    compare, wanted = _ORDERS[one.operator], one.value
    return lambda result, _: bool(compare(result.seconds, wanted))


def _matches(one: Expectation) -> Check:
    """ASCII is the same in bytes and in characters: nothing need be decoded, nor positions translated."""
    search, negated, careful = one.value.search, one.negated, _any(one)

    def check(result: ProbeResult, answer: Answer) -> bool:
        if not answer.body.isascii():
            return careful(result, answer)
        return (search(answer.body) is not None) is not negated

    return check
