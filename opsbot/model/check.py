"""What is looked at and what is too much: Rule, Selector, Check."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from opsbot.model.environment import Environment, Labels
from opsbot.model.period import parse_duration
from opsbot.model.resource import Resource
from opsbot.model.status import Status
from opsbot.model.units import Unit, convert


class Op(StrEnum):
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def upward(self) -> bool:
        """True where a larger value is the worse one."""
        return self in (Op.ABOVE, Op.AT_LEAST)


class Missing(StrEnum):
    """What absent points mean; the first four are CloudWatch's own treatments, ZERO fills them with 0 before judging."""

    UNKNOWN = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    ZERO = "zero"


_RULE = re.compile(
    r"""\s*(?P<op>>=|<=|>|<)\s*(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<suffix>%|\$|[A-Za-z]+)??
        (?:\s+for\s+(?:(?P<periods>\d+)\s+periods?|(?P<hold>[\dsmhdwin\s]+))|\s+(?P<m>\d+)\s+of\s+(?P<n>\d+))?\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`> 80 % for 10m`: the status a value earns beyond a threshold, and how long it must stay there.

    `threshold` is in the check's unit. `hold` zero means one point is enough. `m_of_n` asks for M breaching points
    among the last N instead. `text` is the rule as its author wrote it.
    """

    status: Status
    op: Op
    threshold: float
    text: str
    hold: timedelta = timedelta(0)
    m_of_n: tuple[int, int] | None = None

    @classmethod
    def parse(cls, status: Status, text: str, unit: Unit) -> Rule:
        """Read what a person wrote. Raises ValueError that says what was expected."""
        match = _RULE.fullmatch(text)
        if match is None:
            raise ValueError(f'expected a rule such as "> 80 % for 10m" or "> 10 3 of 5", got {text!r}')
        threshold = convert(float(match["number"]), match["suffix"] or "", unit)
        hold = parse_duration(match["hold"]) if match["hold"] else timedelta(0)
        return cls(
            status=status, op=Op(match["op"]), threshold=threshold, text=text.strip(), hold=hold, m_of_n=_points(match)
        )

    def points(self, period: timedelta) -> tuple[int, int]:
        """(M, N): how many of the last N points must breach, at this period."""
        if self.m_of_n:
            return self.m_of_n
        count = max(1, -(-int(self.hold.total_seconds()) // int(period.total_seconds())))
        return count, count

    def breached_by(self, value: float) -> bool:
        match self.op:
            case Op.ABOVE:
                return value > self.threshold
            case Op.AT_LEAST:
                return value >= self.threshold
            case Op.BELOW:
                return value < self.threshold
            case Op.AT_MOST:
                return value <= self.threshold


def _points(match: re.Match[str]) -> tuple[int, int] | None:
    if match["periods"]:
        m = n = int(match["periods"])
    elif match["m"]:
        m, n = int(match["m"]), int(match["n"])
    else:
        return None
    if not 1 <= m <= n <= 1000:
        raise ValueError(f"expected M of N with 1 <= M <= N, got {m} of {n}")
    return m, n


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which resources a check is for; every pattern is a shell glob, an empty tuple means any."""

    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tags: Labels = ()
    environments: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()

    def takes_environment(self, environment: Environment) -> bool:
        return (
            _any(environment.name, self.environments)
            and _any(environment.tenant, self.tenants)
            and _any(environment.tier, self.tiers)
        )

    def takes(self, resource: Resource) -> bool:
        tags = dict(resource.tags) if self.tags else {}
        return (
            resource.kind in self.kinds
            and _any(resource.name, self.names)
            and all(key in tags and fnmatchcase(tags[key], pattern) for key, pattern in self.tags)
        )


def _any(value: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at on every resource its selector takes.

    `kind` names the file in `opsbot/checks/` that knows how to look; `settings` is that kind's own. `title` is the
    noun people read ("ECS CPU"), `means` one sentence on what a breach does to users, `area` the column of the
    overview it counts in. `rules` are worst first.
    """

    name: str
    kind: str
    settings: object
    unit: Unit
    rules: tuple[Rule, ...]
    where: Selector
    title: str
    area: str
    means: str = ""
    missing: Missing = Missing.UNKNOWN
    runbook: str | None = None
    owner: str = ""
    source: str = field(default="shipped")
