"""What a runbook's step can use: typed arguments, how it looks, and for a change what it does, undoes and must see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from opsbot.errors import OpsbotError
from opsbot.model.environment import Environment
from opsbot.model.period import parse_duration
from opsbot.model.probe import ProbeResult
from opsbot.model.runbook import Answer, Arguments
from opsbot.ports.cloud import Cloud
from opsbot.ports.remote import Actuator, Inspector, Receipt


class Given(BaseModel):
    """An action's arguments; unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=4000)


A = TypeVar("A", bound=Given)

_LONGEST = timedelta(days=31)


def _span(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f'expected a duration such as "30m", got {value!r}')
    return parse_duration(value)


def _bounded(length: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= length <= _LONGEST:
        raise ValueError("expected a duration from 1s to 31d")
    return length


Span = Annotated[timedelta, BeforeValidator(_span), AfterValidator(_bounded)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where an action looks and through what. Every call is of one environment and, unless it says so, one region."""

    environment: Environment
    region: str
    now: datetime
    inspector: Inspector
    cloud: Cloud
    probe: Callable[[str], ProbeResult]
    zone: str = "UTC"

    def ask(self, service: str, operation: str, /, *, at: str = "", **asked: Any) -> Any:
        """One call; `at` another region. Raises CloudError."""
        return self.inspector.ask(self.environment, at or self.region, service, operation, **asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a change would do, before anybody has approved it. `refused` says why it must not be done now; `lasts` is after
    how long it is undone by itself."""

    calls: str
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]
    key: str
    undo: str = ""
    undo_given: Arguments = field(default_factory=dict)
    undo_says: str = ""
    refused: str = ""
    lasts: timedelta | None = None


Act = Callable[..., Receipt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[A]):
    """The changing part of an action; `intend` and `reached` are told what the action's `look` answered.

    `apply` makes exactly one call, given what was seen before and a token that is the same whenever it is tried.
    `reached` tells from what is seen afterwards whether it took effect: None if that cannot be told.
    """

    intend: Callable[[A, Answer], Intent]
    apply: Callable[[A, Answer, Act, str], Receipt]
    reached: Callable[[A, Answer, Answer], bool | None]
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Generic[A]):
    """One kind of step. `reads` are the IAM actions that looking takes; `timeout` is for one look."""

    name: str
    about: str
    given: type[A]
    look: Callable[[Bench, A], Answer]
    reads: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=20)
    change: Change[A] | None = None

    @property
    def changes_things(self) -> bool:
        return self.change is not None

    def parse(self, given: Mapping[str, Any]) -> A:
        """The arguments with their types. Raises pydantic's ValidationError, a ValueError."""
        return self.given.model_validate(dict(given))


def through(actuator: Actuator, bench: Bench) -> Act:
    """The one call that a change may make, bound to its place."""

    def act(service: str, operation: str, /, **asked: Any) -> Receipt:
        return actuator.act(bench.environment, bench.region, service, operation, **asked)

    return act


class NotThere(OpsbotError):
    """What a step is about does not exist where it looked."""
