"""`{{names}}` in a step's arguments become values, and JMESPath picks and judges. Values only: no expression, no code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jmespath  # type: ignore[import-untyped]
from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]

from opsbot.model.runbook import Step, Value

GAP = re.compile(r"\{\{\s*([a-z][a-z0-9_]*(?:\.[a-zA-Z0-9_]+)*)\s*\}\}")
_BRACES = re.compile(r"\{\{|\}\}")

Names = Mapping[str, Value]


class Missing(Exception):
    """A name that nothing is known of."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def filled(given: Value, names: Names) -> Any:
    """The arguments with values for names; a text that is nothing but one name takes the value as it is.

    What is filled in is never looked at again: a value that holds braces stays a text with braces. Raises Missing."""
    if isinstance(given, str):
        whole = GAP.fullmatch(given)
        return value_of(whole[1], names) if whole else GAP.sub(lambda gap: _text(value_of(gap[1], names)), given)
    if isinstance(given, Mapping):
        return {key: filled(value, names) for key, value in given.items()}
    if isinstance(given, tuple):
        return tuple(filled(value, names) for value in given)
    return given


def _text(value: Value) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def value_of(name: str, names: Names) -> Value:
    """`service` or `svc.task_definition`. Raises Missing, for None too: no call is made with a gap in it."""
    value: Value = dict(names)
    for part in name.split("."):
        if not isinstance(value, Mapping) or value.get(part) is None:
            raise Missing(name)
        value = value[part]
    return value


def gaps(given: Value) -> Iterator[str]:
    """The names that arguments ask for."""
    if isinstance(given, str):
        yield from (gap[1] for gap in GAP.finditer(given))
    elif isinstance(given, Mapping):
        for value in given.values():
            yield from gaps(value)
    elif isinstance(given, tuple):
        for value in given:
            yield from gaps(value)


def torn(given: Value) -> str:
    """A text with braces that are no name, "" if there is none: most likely a misspelt one."""
    if isinstance(given, str):
        return given if _BRACES.search(GAP.sub("", given)) else ""
    inner = given.values() if isinstance(given, Mapping) else given if isinstance(given, tuple) else ()
    return next((wrong for value in inner if (wrong := torn(value))), "")


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    return jmespath.compile(expression)


def problem_of(expression: str) -> str:
    """Why a JMESPath cannot be read, "" if it can."""
    try:
        _compiled(expression)
    except (JMESPathError, ValueError) as error:
        return str(error).splitlines()[0]
    return ""


def pick(expression: str, values: Names) -> Value:
    """What a JMESPath finds; None where it finds nothing or cannot be reckoned on these values."""
    try:
        found: Value = _compiled(expression).search(_plain(dict(values)))
    except (JMESPathError, ValueError, TypeError):
        return None
    return found


def holds(expression: str, values: Names) -> bool:
    """Whether a JMESPath says true; nothing but `true` is."""
    return pick(expression, values) is True


def _plain(value: Value) -> Any:
    """JMESPath knows lists, not tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def fields(expression: str) -> frozenset[str]:
    """Every name that an expression mentions, at any depth."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "field":
                found.add(str(node["value"]))
            for child in node.get("children", ()):
                walk(child)

    if expression and not problem_of(expression):
        walk(_compiled(expression).parsed)
    return frozenset(found)


def asked_of(step: Step) -> frozenset[str]:
    """The names that a step cannot begin without."""
    return frozenset(name.split(".")[0] for name in gaps(step.given)) | fields(step.when)
