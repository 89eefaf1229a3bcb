"""What a kind of check is: a value that says how its settings read, what it asks and how it judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol, cast

from opsbot.checks.table import Table
from opsbot.model.check import Check
from opsbot.model.environment import Environment, Labels
from opsbot.model.finding import Finding
from opsbot.model.period import Period
from opsbot.model.resource import Resource
from opsbot.model.status import Status
from opsbot.ports import CustomMetric, Looking, MetricQuery, Reading

if TYPE_CHECKING:
    from opsbot.checks.log_plan import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every kind's settings hold.

    `requires`: facts (or `dimension:<name>`) a resource must have, as globs; `!glob` must not match, and `!` also takes
    a resource without the fact. `expect`: the fewest resources there must be. `noun`, `says`: the words of a summary.
    """

    requires: Labels = ()
    expect: int = 0
    noun: str = ""
    says: str = ""


class Declared(Protocol):
    @property
    def common(self) -> Common: ...


def common(check: Check) -> Common:
    return cast(Declared, check.settings).common


@dataclass(frozen=True, slots=True)
class Subject:
    """One resource of one environment; its labels and owner are shared by all of its findings."""

    environment: Environment
    resource: Resource
    labels: Labels
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """`now` is the moment judged; `history` the last known status by finding key."""

    now: datetime
    window: Period
    history: Mapping[str, Status] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One check on resources of one region; `queries[i]` are those of `subjects[i]`. No `reading` without queries."""

    check: Check
    subjects: Sequence[Subject]
    queries: Sequence[tuple[MetricQuery, ...]] = ()
    reading: Reading | None = None
    when: When


Queries = tuple[MetricQuery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`plan` gives the queries of one resource, or says why they cannot be told; `before` how much earlier than the
    window they must begin; `custom` the metrics that must be listed because no describe call knows them. A kind with
    `look` judges all its work of a run at once, from the log groups that each environment has."""

    name: str
    settings: Callable[[Table], object]
    custom: Callable[[object], tuple[CustomMetric, ...]]
    before: Callable[[Check], timedelta]
    plan: Callable[[Check, Subject], Queries | str]
    evaluate: Callable[[Work], Iterable[Finding]]
    look: Callable[[Looking, Sequence[Work], Mapping[str, Known]], Iterable[Finding]] | None = None


def fits(check: Check, resource: Resource) -> bool:
    """Whether a check is for a resource: its selector, tags that are there, and the facts it requires."""
    return check.where.takes(resource) and all(_meets(resource, key, want) for key, want in common(check).requires)


def _meets(resource: Resource, key: str, want: str) -> bool:
    if key.startswith("dimension:"):
        have = dict(resource.dimensions).get(key.removeprefix("dimension:"))
    else:
        fact = resource.fact(key)
        have = f"{fact:g}" if isinstance(fact, float | int) else fact
    if want.startswith("!"):
        return have is None or not fnmatchcase(have, want[1:])
    return have is not None and fnmatchcase(have, want)
