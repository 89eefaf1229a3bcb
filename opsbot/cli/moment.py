"""Reading what people type: moments, `KEY=VALUE`, and names with the nearest known one offered."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

import click

from opsbot.model.period import parse_duration


def moment(text: str, *, now: datetime, zone: str, option: str) -> datetime:
    """ISO 8601, or `-24h` and `-7d` before `now`. A time without an offset is in the configured zone."""
    try:
        if text.startswith("-"):
            return now - parse_duration(text[1:])
        read = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"expected ISO 8601 such as 2026-11-20T07:00 or a distance such as -24h, got {text!r}", param_hint=option
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))


def pairs(values: Iterable[str]) -> dict[str, str]:
    """`--set days=90` as a mapping; the job's own settings give the types."""
    read = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"expected KEY=VALUE such as days=90, got {value!r}", param_hint="--set")
        read[key.strip()] = rest
    return read


def known(name: str, names: Iterable[str], *, what: str, option: str) -> str:
    """The name itself if it is one of `names`; otherwise an error that offers the nearest."""
    choices = sorted(names)
    if name in choices:
        return name
    near = difflib.get_close_matches(name, choices, n=1)
    offer = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(choices) or 'none'}"
    raise click.BadParameter(f'there is no {what} "{name}"; {offer}', param_hint=option)


def matching(patterns: Iterable[str], names: Iterable[str], *, what: str, option: str) -> frozenset[str]:
    """Names that the patterns (names or globs) stand for; a pattern that stands for nothing is an error."""
    choices = tuple(names)
    picked: set[str] = set()
    for pattern in patterns:
        found = {name for name in choices if fnmatchcase(name, pattern)}
        picked |= found or {known(pattern, choices, what=what, option=option)}
    return frozenset(picked)
