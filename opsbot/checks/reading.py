"""One `[[checks]]` table becomes a Check; every mistake in it is told, each with its path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from opsbot.checks import KINDS
from opsbot.checks.estate import AREA_OF, AREAS, NOUNS, SERVICES
from opsbot.checks.table import Table, nearest, shown
from opsbot.model.check import Check, Missing, Rule, Selector
from opsbot.model.environment import Environment
from opsbot.model.status import Status
from opsbot.model.units import Unit

STATUSES = (Status.CRITICAL, Status.WARNING, Status.INFO)
OFF = "off"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MISSING = {
    "unknown": Missing.UNKNOWN,
    "missing": Missing.UNKNOWN,
    "ignore": Missing.IGNORE,
    "breaching": Missing.BREACHING,
    "notBreaching": Missing.NOT_BREACHING,
    "zero": Missing.ZERO,
}
_SUFFIX = re.compile(r"[<>]=?\s*[+-]?[\d.]+\s*(?P<suffix>%|\$|[A-Za-z]*)")
# A suffix that says the unit by itself; "ms" and "s" do not: metrics come in both.
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB")
_TELLS = {"%": Unit.PERCENT, "$": Unit.USD, "USD": Unit.USD, "": Unit.COUNT} | dict.fromkeys(_SIZES, Unit.BYTES)

Rules = Mapping[Status, tuple[Rule, ...]]


def read_check(table: Table, environments: Sequence[Environment], source: str, missing: Missing) -> Check | None:
    """The check without its overrides; None where it is too wrong to be one. Unknown keys are told by the caller."""
    before = len(table.problems)
    name = _name(table)
    kind = _kind(table)
    unit = _unit(table)
    rules = read_rules(table, unit)
    if not any(table.has(status) for status in STATUSES):
        table.problem("", "expected at least one of critical, warning and info, got none")
    settings = KINDS[kind].settings(table)
    listed = tuple(f"metric:{one.namespace}/{one.name}" for one in KINDS[kind].custom(settings))
    where = _where(table, environments, listed)
    area = table.choice("area", AREAS, _area(where))
    title = table.text("title") or name
    means, runbook, owner = table.text("means"), table.text("runbook"), table.text("owner")
    absent = read_missing(table, missing)
    if len(table.problems) > before:
        return None
    return Check(
        name=name,
        kind=kind,
        settings=settings,
        unit=unit,
        rules=worst_first(rules),
        where=where,
        title=title,
        area=area,
        means=means,
        missing=absent,
        runbook=runbook or None,
        owner=owner,
        source=source,
    )


def worst_first(rules: Rules) -> tuple[Rule, ...]:
    return tuple(rule for status in STATUSES for rule in rules.get(status, ()))


def read_rules(table: Table, unit: Unit) -> dict[Status, tuple[Rule, ...]]:
    """The statuses a table speaks of; `off` (or false) takes a rule away."""
    return {status: _rules(table, status, unit) for status in STATUSES if table.has(status)}


def read_missing(table: Table, default: Missing) -> Missing:
    text = table.choice("missing", _MISSING, "") if table.has("missing") else ""
    return _MISSING.get(text, default)


def _rules(table: Table, status: Status, unit: Unit) -> tuple[Rule, ...]:
    value = table.raw[status]
    if value is False or value == OFF:
        return ()
    texts = value if isinstance(value, list) else [value]
    found = []
    for text in texts:
        if not isinstance(text, str):
            table.problem(status, f'expected a rule such as "> 80 % for 10m", or "off", got {shown(text)}')
            continue
        rule = table.parsed(status, text, lambda written: Rule.parse(status, written, unit), None)
        found += [rule] if rule else []
    return tuple(found)


def _name(table: Table) -> str:
    name = table.text("name")
    if not table.has("name"):
        table.problem("name", 'expected a name such as "ecs-cpu", got nothing')
    elif isinstance(table.raw["name"], str) and not _NAME.fullmatch(name):
        table.problem("name", f'expected small letters, digits and hyphens such as "ecs-cpu", got {shown(name)}')
    return name


def _kind(table: Table) -> str:
    return table.choice("kind", KINDS, "fact" if "fact" in table.raw else "metric")


def _unit(table: Table) -> Unit:
    """As the table says; else what its rules tell."""
    text = table.choice("unit", [str(unit) for unit in Unit], "") if table.has("unit") else ""
    if text:
        return Unit(text)
    if any(table.raw.get(key) for key in ("limit", "baseline")):
        return Unit.PERCENT
    suffixes = _suffixes(table)
    telling = next((_TELLS[suffix] for suffix in suffixes if suffix and suffix in _TELLS), None)
    mute = next((suffix for suffix in suffixes if suffix not in _TELLS), None)
    if telling is None and mute is not None:
        if "unit" not in table.raw:
            table.problem("unit", f"expected one of {', '.join(Unit)}, because {mute!r} in a rule does not tell it")
        return Unit.SECONDS
    return telling or Unit.COUNT


def unit_of(raw: Mapping[str, object]) -> Unit:
    """The unit of a table that may be wrong elsewhere; what is wrong with the unit itself is told by `read_check`."""
    return _unit(Table(raw, "", []))


def _suffixes(table: Table) -> list[str]:
    values = [table.raw.get(status) for status in STATUSES]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    matches = (_SUFFIX.match(text.strip()) for text in texts if isinstance(text, str))
    found = [match["suffix"] for match in matches if match]
    return ["" if suffix == "for" else suffix for suffix in found]


def _area(where: Selector) -> str:
    return AREA_OF.get(where.kinds[0].split("-")[0], "platform") if where.kinds else "platform"


def _where(table: Table, environments: Sequence[Environment], listed: tuple[str, ...]) -> Selector:
    """`listed` are the kinds of a custom metric, which need no service."""
    inner = table.inner("where")
    if inner is None:
        if not listed and "where" not in table.raw and "by" not in table.raw:
            table.problem("where", 'expected the resources it is for, such as { service = "ecs" }, got nothing')
        return Selector(kinds=listed)
    named = _kinds(inner, listed=bool(listed))
    if not named and not listed and not (inner.raw.keys() & {"service", "resource"}):
        inner.problem("", f"expected service or resource; services are {', '.join(SERVICES)}")
    selector = Selector(
        kinds=listed or named,
        names=inner.words("name"),
        tags=inner.pairs("tag"),
        environments=_known(inner, "environment", [one.name for one in environments]),
        tenants=_known(inner, "tenant", [one.tenant for one in environments]),
        tiers=_known(inner, "tier", [one.tier for one in environments]),
    )
    inner.finish()
    return selector


def _kinds(inner: Table, *, listed: bool) -> tuple[str, ...]:
    found = []
    for key, known in (("resource", dict.fromkeys(NOUNS)), ("service", SERVICES)):
        words = inner.words(key)
        if words and listed:
            inner.problem(key, "expected nothing beside by, which lists the metric itself")
        for word in words:
            if word in known:
                found.append(known[word] or word)
            else:
                inner.problem(key, f"expected one of {', '.join(known)}, got {word!r}{nearest(word, known)}")
        if found:
            inner.has("service")
            break
    return tuple(dict.fromkeys(found))


def _known(inner: Table, key: str, values: Sequence[str]) -> tuple[str, ...]:
    patterns = inner.words(key)
    for pattern in patterns:
        unmatched(inner, key, pattern, values)
    return patterns


def unmatched(table: Table, key: str, pattern: str, values: Sequence[str]) -> None:
    """A pattern that fits no configured environment is a slip of the pen; without any environment nobody can tell."""
    if values and not any(fnmatchcase(value, pattern) for value in values):
        table.problem(key, f"no environment matches {pattern!r}{_offered(pattern, values)}")


def _offered(pattern: str, values: Sequence[str]) -> str:
    """The nearest value, compared by as many letters as the pattern has: `dhwb-*` is near `dhbw-prod`."""
    plain = pattern.strip("*?")
    begins = {value[: len(plain)]: value for value in reversed(values) if value}
    found = difflib.get_close_matches(plain, list(begins), n=1)
    return f'; did you mean "{begins[found[0]]}"?' if found else ""
