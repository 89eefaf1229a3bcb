"""What is known of alerts before a turn, what a run saw, and what a turn makes of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opsbot.alerting.calling import Call
from opsbot.model.alert import Alert, Change, Notice, Silence, Storm, Told
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All that is kept. `unsent` are the last messages of groups that have not left for good, `waiting` those of them that
    nobody has tried yet: they can be taken back."""

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    silences: tuple[Silence, ...] = ()
    storms: tuple[Storm, ...] = ()
    unsent: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one run of a job saw. `checks` are those of each environment it looked at; where it looked at everything
    (`whole`), what it does not speak of is not there any more."""

    job: str
    at: datetime
    findings: tuple[Finding, ...]
    environments: Mapping[str, Environment] = field(default_factory=dict)
    checks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What is to be kept, dropped and said, all of it in one transaction. `at` is its moment, `due` when time alone brings the
    next one.

    `untold` are the groups and channels with nothing open any more; `withdrawn` the messages that nobody needs now.
    `calls` are the incidents that are wanted.
    """

    alerts: tuple[Alert, ...] = ()
    gone: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()
    untold: tuple[tuple[str, str], ...] = ()
    silences: tuple[Silence, ...] = ()
    storms: tuple[Storm, ...] = ()
    notices: tuple[Notice, ...] = ()
    withdrawn: tuple[str, ...] = ()
    changes: tuple[tuple[Alert, Change], ...] = ()
    calls: tuple[Call, ...] = ()
    at: datetime
    due: datetime | None = None
