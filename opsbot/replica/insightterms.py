"""Terms of Logs Insights: comparisons, arithmetic and functions over the fields of a row."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from opsbot.replica.insightlang import Reader, Row, Term, Value, number, pattern, refuse

_LENGTHS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LARGEST = {"ms": 1000, "s": 60, "m": 60, "h": 24, "d": 23, "w": 4}
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}  # fmt: skip
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def term(reader: Reader) -> Term:
    """A whole expression: or, and, not, comparison, sum."""
    left = _both(reader)
    while reader.takes("or"):
        left = _either(left, _both(reader))
    return left


def _both(reader: Reader) -> Term:
    left = _negated(reader)
    while reader.takes("and"):
        left = _and(left, _negated(reader))
    return left


def _either(a: Term, b: Term) -> Term:
    return lambda row: 1.0 if truth(a(row)) or truth(b(row)) else 0.0


def _and(a: Term, b: Term) -> Term:
    return lambda row: 1.0 if truth(a(row)) and truth(b(row)) else 0.0


def truth(value: Value) -> bool:
    return bool(value)


def _negated(reader: Reader) -> Term:
    if reader.takes("not"):
        inner = _negated(reader)
        return lambda row: 0.0 if truth(inner(row)) else 1.0
    return _compared(reader)


def _compared(reader: Reader) -> Term:
    left = _sum(reader)
    negative = bool(reader.takes("not"))
    if word := reader.takes("like", "=~"):
        found = _like(left, reader, word)
    elif reader.takes("in"):
        found = _among(left, reader)
    elif sign := reader.takes(*_ORDER):
        found = _ordered(sign, left, _sum(reader))
    else:
        return left
    return (lambda row: 0.0 if truth(found(row)) else 1.0) if negative else found


def _like(left: Term, reader: Reader, word: str) -> Term:
    token = reader.next()
    if token.kind == "regex":
        search = pattern(token.text).search
        return lambda row: 1.0 if search(shown(left(row))) else 0.0
    if token.kind != "text" or word != "like":
        refuse(f"expected a text or a regular expression, found {token.text or 'end of input'}")
    text = token.text
    return lambda row: 1.0 if text in shown(left(row)) else 0.0


def _among(left: Term, reader: Reader) -> Term:
    reader.needs("[")
    values = [shown(_sum(reader)({}))]
    while reader.takes(","):
        values.append(shown(_sum(reader)({})))
    reader.needs("]")
    return lambda row: 1.0 if shown(left(row)) in values else 0.0


def _ordered(sign: str, a: Term, b: Term) -> Term:
    test = _ORDER[sign]

    def compared(row: Row) -> Value:
        left, right = a(row), b(row)
        if left is None or right is None:
            return 1.0 if sign == "!=" else 0.0
        x, y = number(left), number(right)
        same = (x, y) if x is not None and y is not None else (shown(left), shown(right))
        return 1.0 if test(*same) else 0.0

    return compared


def _sum(reader: Reader) -> Term:
    left = _product(reader)
    while sign := reader.takes("+", "-"):
        left = _worked_out(sign, left, _product(reader))
    return left


def _product(reader: Reader) -> Term:
    left = _factor(reader)
    while sign := reader.takes("*", "/", "%"):
        left = _worked_out(sign, left, _factor(reader))
    return left


def _worked_out(sign: str, a: Term, b: Term) -> Term:
    work = _ARITHMETIC[sign]

    def result(row: Row) -> Value:
        x, y = number(a(row)), number(b(row))
        if x is None or y is None or (sign in "/%" and not y):
            return None
        return work(x, y)

    return result


def _factor(reader: Reader) -> Term:
    if reader.takes("("):
        inner = term(reader)
        reader.needs(")")
        return inner
    token = reader.next()
    if token.kind == "text":
        return lambda row: token.text
    if token.kind == "number":
        plain = number(token.text)
        return lambda row: plain
    if token.kind != "name":
        refuse(f"unexpected symbol found {token.text or 'end of input'}")
    if reader.takes("("):
        return _called(token.text.lower(), reader)
    return lambda row: row.get(token.text)


def _called(name: str, reader: Reader) -> Term:
    if name == "bin":
        return _bin(reader)
    if found := reader.aggregate(name, reader):
        return found
    work = _FUNCTIONS.get(name)
    if work is None:
        refuse(f"unknown function {name}")
    given = [term(reader)]
    while reader.takes(","):
        given.append(term(reader))
    reader.needs(")")
    return lambda row: work([one(row) for one in given])


def _bin(reader: Reader) -> Term:
    text = reader.next().text
    reader.needs(")")
    found = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", text)
    if not found:
        refuse(f"bin needs a length such as 5m, found {text}")
    # A number too large for its unit is read as the largest (CloudWatch Logs user guide, "datetime functions").
    size = min(int(found[1]), _LARGEST[found[2]]) * _LENGTHS[found[2]]
    return lambda row: (number(row["@timestamp"]) or 0.0) // size * size


def shown(value: Value) -> str:
    """A value as the answer writes it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value == int(value) else f"{value:.4f}"


def _numbers(values: Sequence[Value]) -> list[float]:
    return [found for one in values if (found := number(one)) is not None]


def _substr(values: Sequence[Value]) -> Value:
    start = int(number(values[1]) or 0)
    end = start + int(number(values[2]) or 0) if len(values) > 2 else None
    return shown(values[0])[start:end]


_FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "strcontains": lambda v: 1.0 if shown(v[1]) in shown(v[0]) else 0.0,
    "greatest": lambda v: max(_numbers(v), default=None),
    "least": lambda v: min(_numbers(v), default=None),
    "substr": _substr,
    "strlen": lambda v: float(len(shown(v[0]))),
    "toupper": lambda v: shown(v[0]).upper(),
    "tolower": lambda v: shown(v[0]).lower(),
    "concat": lambda v: "".join(map(shown, v)),
    "coalesce": lambda v: next((one for one in v if one not in (None, "")), None),
    "ispresent": lambda v: 0.0 if v[0] is None else 1.0,
    "ceil": lambda v: None if number(v[0]) is None else -((-(number(v[0]) or 0.0)) // 1),
    "floor": lambda v: None if number(v[0]) is None else (number(v[0]) or 0.0) // 1,
}
