"""Overrides: the same check with other thresholds for some environments, tenants, tiers or tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from opsbot.checks.reading import Rules, read_missing, read_rules, unmatched, worst_first
from opsbot.checks.table import Table
from opsbot.model.check import Check, Missing
from opsbot.model.environment import Environment, Labels
from opsbot.model.units import Unit

_AIMS = ("tenant", "tier", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """`name` is its key in the file: `dhbw-*`, `tenant:dhbw`, `tier:staging` or `tag:team=backend`. None: as it was."""

    name: str
    rules: Rules
    missing: Missing | None = None
    enabled: bool | None = None
    runbook: str | None = None
    owner: str | None = None

    @property
    def tags(self) -> Labels:
        """What a resource must carry; empty for an override of whole environments."""
        if not self.name.startswith("tag:"):
            return ()
        key, _, value = self.name.removeprefix("tag:").partition("=")
        return ((key, value),)

    def takes(self, environment: Environment) -> bool:
        aim, pattern = _aim(self.name)
        return aim == "tag" or fnmatchcase(_of(environment, aim), pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One check of the catalogue as its file says, with its overrides in file order."""

    check: Check
    enabled: bool = True
    overrides: tuple[Override, ...] = ()

    def for_environment(self, environment: Environment) -> Iterator[Check]:
        """The variants for tags, the last of the file first, then the check for everything else."""
        if not self.check.where.takes_environment(environment):
            return
        mine = [override for override in self.overrides if override.takes(environment)]
        plain = [override for override in mine if not override.tags]
        general, enabled = self._applied(plain)
        tagged = [override for override in mine if override.tags]
        variants = [self._variant(override, mine) for override in reversed(tagged)]
        if enabled or any(check.rules for check in variants):
            yield from variants
        if enabled:
            yield general

    def _variant(self, override: Override, mine: Sequence[Override]) -> Check:
        check, enabled = self._applied([one for one in mine if not one.tags or one is override])
        tags = tuple(sorted({**dict(check.where.tags), **dict(override.tags)}.items()))
        # Switched off, it still takes its resources, so that the general check does not.
        return replace(check, where=replace(check.where, tags=tags), rules=check.rules if enabled else ())

    def _applied(self, overrides: Sequence[Override]) -> tuple[Check, bool]:
        check, enabled = self.check, self.enabled
        for override in overrides:
            check = _changed(check, override)
            enabled = enabled if override.enabled is None else override.enabled
        return check, enabled


def read_overrides(table: Table, environments: Sequence[Environment], unit: Unit) -> tuple[Override, ...]:
    """Those of one `[[checks]]` table; each mistake is told with the override's own path."""
    inner = table.inner("overrides")
    if inner is None:
        return ()
    found = (_read(inner, name, environments, unit) for name in inner.raw)
    return tuple(override for override in found if override)


def _read(tables: Table, name: str, environments: Sequence[Environment], unit: Unit) -> Override | None:
    quoted = f'"{name}"'
    if not isinstance(tables.raw[name], dict):
        tables.inner(name)
        return None
    table = Table(tables.raw[name], f"{tables.at}.{quoted}", tables.problems)  # type: ignore[arg-type]
    aim, pattern = _aim(name)
    if aim == "tag":
        if not all(part.strip() for part in pattern.partition("=")):
            table.problem("", 'expected a tag such as "tag:team=backend"')
            return None
    else:
        unmatched(table, "", pattern, [_of(one, aim) for one in environments])
    override = Override(
        name=name,
        rules=read_rules(table, unit),
        missing=read_missing(table, Missing.UNKNOWN) if table.has("missing") else None,
        enabled=table.flag("enabled", True) if table.has("enabled") else None,
        runbook=table.text("runbook") if table.has("runbook") else None,
        owner=table.text("owner") if table.has("owner") else None,
    )
    table.finish()
    return override


def _aim(name: str) -> tuple[str, str]:
    """What an override's key is about: environment, tenant, tier or tag; and the pattern."""
    aim, colon, pattern = name.partition(":")
    return (aim, pattern) if colon and aim in _AIMS else ("environment", name)


def _of(environment: Environment, aim: str) -> str:
    return {"tenant": environment.tenant, "tier": environment.tier}.get(aim, environment.name)


def _changed(check: Check, override: Override) -> Check:
    kept = {rule.status: tuple(one for one in check.rules if one.status is rule.status) for rule in check.rules}
    return replace(
        check,
        rules=worst_first({**kept, **override.rules}),
        missing=check.missing if override.missing is None else override.missing,
        runbook=check.runbook if override.runbook is None else override.runbook or None,
        owner=check.owner if override.owner is None else override.owner,
        source=f'{check.source.partition(", override")[0]}, override "{override.name}"',
    )
