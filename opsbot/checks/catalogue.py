"""The catalogue: the checks that ship, with what config.toml adds and changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from opsbot.checks.overrides import Entry, read_overrides
from opsbot.checks.reading import read_check, unit_of
from opsbot.checks.table import Table, shown
from opsbot.errors import Problem
from opsbot.model.check import Check, Missing
from opsbot.model.environment import Environment

SHIPPED = "shipped"
_SERIES = frozenset({"metric", "inputs"})
# What only makes sense with the series it was written for.
_OF_SERIES = frozenset({"metric", "inputs", "expression", "floor", "says", "statistic", "fill"})

Raw = Mapping[str, object]


@dataclass(slots=True)
class Written:
    """One table, where it stands, and what is wrong with it."""

    raw: Raw
    at: str
    source: str = SHIPPED
    place: int = -1
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every check that is configured, in the order of the files; shipped ones first."""

    entries: tuple[Entry, ...]

    @property
    def checks(self) -> tuple[Check, ...]:
        """Those that are switched on, as they are without overrides."""
        return tuple(entry.check for entry in self.entries if entry.enabled)

    def for_environment(self, environment: Environment) -> tuple[Check, ...]:
        """The checks that hold there, overrides applied; of one name the more specific come first."""
        return tuple(check for entry in self.entries for check in entry.for_environment(environment))


def load(
    tables: Sequence[Raw],
    environments: Sequence[Environment],
    file: str = "config.toml",
    *,
    settle: timedelta | None = None,
    missing: Missing = Missing.UNKNOWN,
) -> tuple[Catalogue, list[Problem]]:
    """The shipped checks with `tables` (the `[[checks]]` of a file) over them: the same name changes field by field.

    `settle` is for namespaces nothing is known about, `missing` for checks that do not say. Never raises for what
    stands in `tables`: every mistake is a problem, and a check with one is left out.
    """
    problems: list[Problem] = []
    merged: dict[str, Written] = {str(raw["name"]): Written(raw, f"catalogue.toml.{raw['name']}") for raw in shipped()}
    for place, raw in enumerate(tables):
        at = f"{file}.checks[{place}]"
        name = raw.get("name")
        known = merged.get(name) if isinstance(name, str) else None
        if known and known.source != SHIPPED:
            problems.append(Problem(f"{at}.name", f"expected each check once, got {shown(name)} again"))
        else:
            table = over(known.raw, raw) if known else raw
            merged[name if isinstance(name, str) else at] = Written(table, at, file, place)
    entries = {
        name: _entry(written, environments, settle, missing) if written.place >= 0 else _shipped(name, settle, missing)
        for name, written in merged.items()
    }
    # Problems stand in the order of the file, entries with the shipped ones first.
    for written in sorted(merged.values(), key=lambda one: one.place):
        problems += written.problems
    return Catalogue(entries=tuple(entry for entry in entries.values() if entry)), problems


@cache
def shipped() -> tuple[Raw, ...]:
    """The tables of the catalogue that ships with opsbot."""
    text = files("opsbot.checks").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return tuple(MappingProxyType(raw) for raw in tomllib.loads(text)["checks"])


@cache
def _shipped(name: str, settle: timedelta | None, missing: Missing) -> Entry | None:
    """A shipped check that nobody changed; it names no environment, so it is read once."""
    raw = next(raw for raw in shipped() if raw["name"] == name)
    return _entry(Written(raw, f"catalogue.toml.{name}"), (), settle, missing)


def over(base: Raw, raw: Raw) -> Raw:
    """A shipped table with a user's over it; another kind or other series drop what was written for the old ones."""
    if raw.get("kind", base.get("kind")) != base.get("kind"):
        return raw
    kept = {key: value for key, value in base.items() if not (raw.keys() & _SERIES and key in _OF_SERIES)}
    # The unit stays what it was: `> 80` for a check in percent is a percentage, whatever it would tell alone.
    kept = {"unit": str(unit_of(base)), **kept}
    where, mine = base.get("where"), raw.get("where")
    if not isinstance(where, Mapping) or not isinstance(mine, Mapping):
        return {**kept, **raw}
    aimed = mine.keys() & {"service", "resource"}
    rest = {key: value for key, value in where.items() if not (aimed and key in ("service", "resource"))}
    return {**kept, **raw, "where": {**rest, **mine}}


def _entry(
    written: Written, environments: Sequence[Environment], settle: timedelta | None, missing: Missing
) -> Entry | None:
    table = Table(written.raw, written.at, written.problems, settle)
    check = read_check(table, environments, written.source, missing)
    enabled = table.flag("enabled", True)
    overrides = read_overrides(table, environments, unit_of(table.raw))
    table.finish()
    return Entry(check=check, enabled=enabled, overrides=overrides) if check else None
