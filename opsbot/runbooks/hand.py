"""Whoever carries a plan out: what it takes, and the hold on a run that is under way, which another may take over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.actions import Bench
from opsbot.model.actor import Actor
from opsbot.model.runbook import Begun, RunbookRun, RunState, StepState
from opsbot.ports.incidents import Audit, Journal, Tidings
from opsbot.ports.remote import Actuator
from opsbot.runbooks.approving import act

LEASE = timedelta(minutes=2)
"""How long whoever carries out may be silent before another looks what came of it: no call to AWS takes so long."""
SHAPE = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""What an answer of an unexpected shape raises."""
UNDO = "/undo"
"""What the name of a step ends with where the journal has the change that takes it back."""

Tell = Callable[[RunbookRun, Sequence[Begun]], Tidings | None]


def nobody(run: RunbookRun, changes: Sequence[Begun]) -> None:
    """For a run that belongs to no incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Everything that carrying out needs. `tell` hears each line as it happens, `pause` lets seconds pass, and `tidings`
    makes what the people of the run's incident are told when it is over."""

    journal: Journal
    audit: Audit
    actuator: Actuator
    bench: Bench
    actor: Actor
    now: Callable[[], datetime]
    pause: Callable[[float], None]
    tell: Callable[[str, StepState | None], None]
    tidings: Tell = nobody


@dataclass(slots=True)
class Grip:
    """A hold on a run, until a moment; whoever lost it to another does no more. `coming` is until when it may be held
    already, if what asked for that was interrupted."""

    hand: Hand
    run: RunbookRun
    until: datetime
    coming: datetime | None = None

    def keep(self, more: timedelta = timedelta(0)) -> None:
        """Hold it for `more` and the usual time. Raises RunbookError if somebody has taken it over."""
        until = self.hand.now() + LEASE + more
        until += timedelta(microseconds=until == self.until)
        self.coming = until
        self.hand.journal.renew(self.run.number, self.until, until)
        self.until = until

    def end(self, state: RunState, why: str, *, what: str = "", quiet: bool = False) -> RunbookRun:
        """It is over and, unless `quiet`, told. Raises RunbookError if somebody has taken it over."""
        return end(self.hand, self.run, state, why, held=self.until, what=what, quiet=quiet)


@contextmanager
def gripped(hand: Hand, run: RunbookRun, until: datetime) -> Iterator[Grip]:
    """Whatever interrupts it, nobody has to wait until its time is up to look what came of it."""
    grip = Grip(hand, run, until)
    try:
        yield grip
    finally:
        for held in {grip.until, grip.coming or grip.until}:
            hand.journal.let_go(run.number, held, hand.now())


def end(
    hand: Hand, run: RunbookRun, state: RunState, why: str, *,
    held: datetime | None = None, what: str = "", quiet: bool = False,
) -> RunbookRun:  # fmt: skip
    """The run as it ended, its targets free and its people told, in one transaction; `what` else than its state the audit
    log is to call it."""
    now = hand.now()
    told = act(what or f"runbook.{state.value.replace(' ', '-')}", run, hand.actor, now, why=why)
    after = replace(run, state=state, why=why, ended_at=now)
    tidings = None if quiet else hand.tidings(after, hand.journal.changes(run.number))
    return hand.journal.end(run.number, state, why, now, told, held=held, tidings=tidings)
