"""What can go wrong, as a tree; foreign exceptions are translated into it once, in the adapter that met them.

OpsbotError              anything opsbot can explain; carries a hint: what to do next
├── ConfigError          the home is wrong; holds every problem found, not the first
├── CloudError           AWS could not be asked or would not answer
│   └── PlanTooDear      reading would cost more than the limit allows; nothing was asked
├── DeliveryError        a channel did not take a message
├── StoreError           the state could not be read or written
├── RunbookError         a runbook cannot be read, or what it asks for is refused
├── IncidentError        an incident that is not there, or is past what was asked
└── JobError             a job file could not be loaded or its run raised
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class OpsbotError(Exception):
    """An error a person can act on: `message` says where and what, `hint` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in the home: `where` is a path such as `config.toml.environments[1].regions`."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(OpsbotError):
    """The home is wrong; every problem at once, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)), hint="correct the lines named, then run: opsbot validate")


class CloudError(OpsbotError):
    """AWS could not be asked or would not answer.

    `permanent`: asking again without a change elsewhere cannot help. `action`: the IAM action that was
    denied, such as `ecs:ListServices`, or "". `code`: AWS's own error code, or "".
    """

    def __init__(self, message: str, *, permanent: bool, hint: str = "", action: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.action = action
        self.code = code


class PlanTooDear(CloudError):
    """The plan's price is above the limit; nothing was asked and nothing was spent."""

    def __init__(self, usd: float, limit: float) -> None:
        super().__init__(
            f"this run would ask AWS for ${usd:.4f} of metrics; the limit is ${limit:.4f}",
            permanent=True,
            hint="raise defaults.max_usd_per_run, or run fewer environments or checks",
        )


class DeliveryError(OpsbotError):
    """A channel did not take a message.

    `permanent`: the same bytes will never be taken. `retry_after`: seconds the peer asked us to wait, or None.
    `ambiguous`: the peer may have taken it (time-out or reset after the body was sent); look before sending again.
    `remaining`: some of the recipients have it; these, as in `Message.to`, are to be tried again ("" is none). None: nobody has it.
    `peer`: the channel is at fault, not this message: whatever else waits for it would fare alike. With `permanent` it is
    a person who must change something. `patient`: the peer wants us back in minutes, not seconds (greylisting).
    `instead`: bodies that may be taken in its place, in order; they say the same in another form.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        retry_after: float | None = None,
        ambiguous: bool = False,
        remaining: str | None = None,
        peer: bool = False,
        patient: bool = False,
        instead: tuple[bytes, ...] = (),
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.permanent = permanent
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.remaining = remaining
        self.peer = peer
        self.patient = patient
        self.instead = instead


class StoreError(OpsbotError):
    """The state could not be read or written."""


class Fenced(StoreError):
    """A run that is somebody else's by now, or was given up: what this attempt found out is not kept."""


class RunbookError(OpsbotError):
    """A runbook cannot be read, a step's arguments are wrong, or a change is refused: nothing was changed."""


class IncidentError(OpsbotError):
    """An incident that is not there, or is past what was asked of it."""


class JobError(OpsbotError):
    """A job file could not be loaded, or its run raised; `trace` is for the log, never for the terminal."""

    def __init__(self, message: str, *, hint: str = "", trace: str = "") -> None:
        super().__init__(message, hint=hint)
        self.trace = trace
