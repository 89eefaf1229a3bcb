"""The words of a summary: numbers rounded so that a tired reader sees at once how far from the limit they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from opsbot.model.check import Rule
from opsbot.model.units import Unit

PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")
_SIZES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))


def quantity(value: float, unit: Unit, *, beside: float | None = None) -> str:
    """`93 %`, `2.4 s`, `12,400`. `beside` is the limit it is read next to: digits are added until the two differ."""
    plain = _quantity(value, unit, 0)
    if beside is None or value == beside:
        return plain
    tries = (_quantity(value, unit, more) for more in range(4))
    return next((text for text in tries if text != _quantity(beside, unit, 0)), plain)


def span(length: timedelta) -> str:
    """`40 min`, `3 h`, `2 d`: the largest unit that keeps the number readable."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return f"{max(0, round(length.total_seconds()))} s"
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} d"


def bound(rule: Rule, unit: Unit) -> str:
    """`limit 80 %`, or `minimum 80 %` where less is worse."""
    return f"{'limit' if rule.op.upward else 'minimum'} {quantity(rule.threshold, unit)}"


def sentence(template: str, words: Mapping[str, str]) -> str:
    """The template with its `{places}` filled."""
    return PLACE.sub(lambda match: words.get(match[1], match[0]), template)


def places(template: str) -> tuple[str, ...]:
    return tuple(PLACE.findall(template))


def _quantity(value: float, unit: Unit, more: int) -> str:
    match unit:
        case Unit.PERCENT:
            return f"{_number(value, more)} %"
        case Unit.SECONDS:
            return _seconds(value, more)
        case Unit.MILLISECONDS:
            return _seconds(value / 1000, more)
        case Unit.BYTES:
            return _bytes(value, more)
        case Unit.DAYS:
            number = _number(round(value, more) if abs(value) >= 2 else value, more)
            return f"{number} day{'' if number == '1' else 's'}"
        case Unit.USD:
            return f"${value:,.2f}"
        case Unit.COUNT | Unit.SCORE:
            return _number(value, more)


def _seconds(value: float, more: int) -> str:
    size = abs(value)
    if size < 1:
        return f"{_number(value * 1000, more)} ms" if value else "0 s"
    if size < 120:
        return f"{_number(value, more)} s"
    if size < 7200:
        return f"{_number(value / 60, more)} min"
    return f"{_number(value / 3600, more)} h" if size < 172_800 else f"{_number(value / 86_400, more)} d"


def _bytes(value: float, more: int) -> str:
    for name, size in _SIZES:
        if abs(value) >= size:
            return f"{_number(value / size, more)} {name}"
    return f"{_number(value, more)} B"


def _number(value: float, more: int) -> str:
    """Three figures or so: 12,400 · 93 · 7.2 · 0.12; `more` digits behind the point on top."""
    size = abs(value)
    digits = more + (0 if size >= 10 or value == int(value) else 1 if size >= 1 else 2)
    if size >= 1e15:
        return f"{value:.3g}"
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
