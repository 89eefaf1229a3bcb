"""A runbook: a page for people with steps that a machine can take, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from opsbot.model.actor import Actor

Value = str | int | float | bool | None | tuple["Value", ...] | Mapping[str, "Value"]
Arguments = Mapping[str, Value]


class OnFailure(StrEnum):
    """What a step's failure means for the steps after it: those that need what it would have said are left out anyway."""

    CONTINUE = "continue"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """Something a runbook has to be told. `source` is where a finding tells it (`finding.resource`), for findings on
    resources of these `kinds` (all where none is named); `pattern` is what a value must match, whoever gives it."""

    name: str
    source: str = ""
    kinds: tuple[str, ...] = ()
    pattern: str = ""
    default: str | None = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Who may approve a change (globs on the identity) and for how long an approval holds."""

    by: tuple[str, ...] = ("*",)
    expires: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """When a change has worked: the JMESPath `until` is true of what the action sees; asked `every` so often."""

    until: str = ""
    every: timedelta = timedelta(seconds=15)
    timeout: timedelta = timedelta(minutes=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fenced `step`. `given` are its arguments as written, with `{{names}}` in them; `save` names parts of its
    answer for later steps. `line` is where it stands in the file. A step without an action is a `note` for people."""

    id: str
    uses: str
    given: Arguments = field(default_factory=dict)
    when: str = ""
    save: tuple[tuple[str, str], ...] = ()
    timeout: timedelta | None = None
    on_failure: OnFailure = OnFailure.CONTINUE
    approve: Approve = Approve()
    verify: Verify | None = None
    note: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`timeout` for all reading together; at most `runs` changes of one target in `per`."""

    timeout: timedelta = timedelta(minutes=2)
    runs: int = 2
    per: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """`digest` is of the file's bytes: what was approved is what is carried out."""

    name: str
    title: str
    digest: str
    params: tuple[Param, ...] = ()
    steps: tuple[Step, ...] = ()
    limits: Limits = Limits()


class StepState(StrEnum):
    """How a step ended. PLANNED is a change that waits for its approval, BEGUN one of which nobody said how it ended."""

    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    SKIPPED = "skipped"
    PLANNED = "planned"
    BEGUN = "begun"
    NOT_DONE = "not done"
    UNKNOWN = "unknown"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an action saw: one sentence, rows for people, values for later steps. `alarming`: it is worth a look."""

    headline: str
    rows: tuple[tuple[str, ...], ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    alarming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One step as it went. `why` says why there is no answer."""

    step: str
    uses: str
    state: StepState
    seconds: float = 0.0
    answer: Answer | None = None
    why: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A change as it is planned and approved, word for word: nothing else is carried out.

    `before` and `after` are told to people and `before` is held against the world again before the change; `key` is
    the target that one change at a time may touch; `undo` the action and arguments that take it back, "" for none.
    `lasts` is after how long opsbot takes it back by itself, None for never.
    """

    step: str
    uses: str
    given: Arguments
    calls: str
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]
    key: str
    undo: str = ""
    undo_given: Arguments = field(default_factory=dict)
    undo_says: str = ""
    verify: Verify | None = None
    refused: str = ""
    lasts: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A change as the journal has it, written down before its call. `before` is what its target was like right then, None
    where an older opsbot noted it; `back_at` is when opsbot takes it back by itself, None where it does not any more."""

    step: str
    state: StepState
    at: datetime
    why: str = ""
    before: Answer | None = None
    back_at: datetime | None = None


class RunState(StrEnum):
    """LOOKED is a run that only read. APPLYING and ROLLING_BACK are under way, or ended in the middle. UNKNOWN: it ended in
    the middle of a change, and nobody could tell what came of it."""

    LOOKED = "looked"
    PLANNED = "planned"
    APPROVED = "approved"
    APPLYING = "applying"
    APPLIED = "applied"
    ROLLING_BACK = "rolling back"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    VOID = "void"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody else's word for a plan of this digest; good once, until it expires."""

    actor: Actor
    digest: str
    at: datetime
    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookRun:
    """A runbook carried out once: what it saw and, if it would change something, the plan with its digest."""

    number: int
    runbook: str
    title: str
    book: str
    environment: str
    region: str
    params: tuple[tuple[str, str], ...]
    actor: Actor
    at: datetime
    state: RunState
    finding: str = ""
    incident: int | None = None
    took: tuple[Took, ...] = ()
    writes: tuple[Write, ...] = ()
    digest: str = ""
    approve: Approve = Approve()
    approval: Approval | None = None
    ended_at: datetime | None = None
    why: str = ""

    @property
    def id(self) -> str:
        return f"R-{self.number}"
