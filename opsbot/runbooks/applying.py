"""Carrying out an approved plan: under a lock, each change noted before its call, made once, and looked at afterwards."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.actions import ACTIONS, Bench, through
from opsbot.errors import CloudError, OpsbotError, RunbookError
from opsbot.model.actor import Actor
from opsbot.model.runbook import Answer, Runbook, RunbookRun, RunState, StepState, Write
from opsbot.ports.incidents import Audit, Journal
from opsbot.ports.remote import Actuator
from opsbot.runbooks import filling, planning
from opsbot.runbooks.approving import act, stands
from opsbot.runbooks.looking import Round

_SHAPE = (KeyError, IndexError, TypeError, ValueError, AttributeError)
_NAMESPACE = uuid.UUID("6d1f6a8e-4a9c-4f0e-9f43-0b3f7c1f2a55")
_SPARE = timedelta(minutes=5)
UNDO = "/undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Everything that carrying out needs. `tell` hears each line as it happens; `pause` lets seconds pass."""

    journal: Journal
    audit: Audit
    actuator: Actuator
    bench: Bench
    actor: Actor
    now: Callable[[], datetime]
    pause: Callable[[float], None]
    tell: Callable[[str, StepState | None], None]


def apply(hand: Hand, run: RunbookRun, book: Runbook) -> RunbookRun:
    """Raises RunbookError where it is refused: nothing was changed then, and the reason is written down."""
    if run.state is RunState.APPLYING:
        return reconcile(hand, run)
    if why := stands(run, hand.now()) or _edited(run, book) or _moved(hand, run, book):
        _refuse(hand, run, why)
    lease = sum((one.verify.timeout for one in run.writes if one.verify), _SPARE)
    begun = hand.journal.begin(
        run.number, [one.key for one in run.writes], hand.now(), lease, book.limits.runs, book.limits.per,
        act("runbook.apply", run, hand.actor, hand.now(), digest=run.digest),
    )  # fmt: skip
    for write in begun.writes:
        if why := _carried_out(hand, begun, write):
            return _end(hand, begun, RunState.FAILED, f"step {write.step}: {why}")
    return _end(hand, begun, RunState.APPLIED, "")


def _edited(run: RunbookRun, book: Runbook) -> str:
    return "" if book.digest == run.book else "the runbook was edited after it was planned; make the plan anew"


def _moved(hand: Hand, run: RunbookRun, book: Runbook) -> str:
    """Whether the plan would be another one by now: all that led to it is looked at again, conditions included."""
    part = _leading_to(book, {write.step for write in run.writes})
    again = Round(book=part, bench=hand.bench, names=dict(run.params), tell=lambda took: None)
    took = {one.step: one for one in again.run()}
    for write in run.writes:
        now = took[write.step]
        if now.answer is None:
            return f"step {write.step}: {now.why}"
        told = planning.write(
            next(step for step in part.steps if step.id == write.step), again.given[write.step], now.answer
        )
        if told.refused:
            return f"step {write.step}: {told.refused}"
        if told != write:
            return f"step {write.step}: {_difference(write, told)}; make the plan anew"
    return ""


def _leading_to(book: Runbook, wanted: set[str]) -> Runbook:
    """The runbook with these steps and those whose answers they need, nothing else."""
    by = {name: step.id for step in book.steps for name in (step.id, *dict(step.save))}
    steps = {step.id: step for step in book.steps}
    found: set[str] = set()
    while wanted:
        found |= wanted
        wanted = {by[name] for one in wanted for name in filling.asked_of(steps[one]) if name in by} - found
    return replace(book, steps=tuple(step for step in book.steps if step.id in found))


def _difference(was: Write, now: Write) -> str:
    before = dict(was.before)
    for name, value in now.before:
        if value != before.get(name):
            return f"{name} was {before.get(name)} and is {value} by now"
    return f"it would do {now.calls} by now, and {was.calls} was approved"


def _refuse(hand: Hand, run: RunbookRun, why: str) -> None:
    now = hand.now()
    told = act("runbook.apply.refused", run, hand.actor, now, why=why)
    if run.state is RunState.APPROVED:
        # An approval is for one attempt: what it was given for is no longer so.
        hand.journal.end(run.number, RunState.VOID, why, now, told)
    else:
        hand.audit.add(told)
    raise RunbookError(f"{run.id} is not carried out: {why}", hint="nothing was changed")


def _look(hand: Hand, write: Write) -> Answer:
    action = ACTIONS[write.uses]
    seen: Answer = action.look(hand.bench, action.parse(write.given))
    return seen


def _carried_out(hand: Hand, run: RunbookRun, write: Write) -> str:
    """Make one change and see that it worked; why it did not, "" if it did."""
    try:
        before = _look(hand, write)
    except (OpsbotError, *_SHAPE) as error:
        return f"it cannot be looked at: {error}"
    why = _called(hand, run, write, write.step, before)
    if why or write.verify is None:
        return why
    wanted = write.verify.until or "it shows"
    hand.tell(f"{write.step}: waiting until {wanted}", None)
    if _verified(hand, write, before):
        hand.audit.add(act("runbook.verified", run, hand.actor, hand.now(), step=write.step, until=wanted))
        hand.tell(f"{write.step}: verified: {wanted}", StepState.DONE)
        return ""
    return f"it was done, but within {int(write.verify.timeout.total_seconds())} s it did not come to: {wanted}"


def _called(hand: Hand, run: RunbookRun, write: Write, step: str, before: Answer) -> str:
    """One call, noted before and settled after; why it failed, "" if AWS took it."""
    action = ACTIONS[write.uses]
    change = action.change
    if change is None:
        return f"{write.uses} changes nothing"
    hand.journal.note(
        run.number, step, write.key, hand.now(),
        act("runbook.change", run, hand.actor, hand.now(), step=step, calls=write.calls),
    )  # fmt: skip
    token = str(uuid.uuid5(_NAMESPACE, f"{run.id}/{run.digest}/{step}"))
    try:
        receipt = change.apply(action.parse(write.given), before, through(hand.actuator, hand.bench), token)
    except (OpsbotError, *_SHAPE) as error:
        return _not_taken(hand, run, write, step, before, error)
    _settle(hand, run, step, StepState.DONE, request_id=receipt.request_id)
    hand.tell(f"{step}: {write.calls}", StepState.DONE)
    return ""


def _not_taken(hand: Hand, run: RunbookRun, write: Write, step: str, before: Answer, error: Exception) -> str:
    """AWS refused, or nobody knows: then it is looked at, and never simply tried again."""
    refused = isinstance(error, CloudError) and error.permanent
    state = StepState.NOT_DONE if refused else _seen(hand, write, before)
    _settle(hand, run, step, state, why=str(error))
    hand.tell(f"{step}: {error}", StepState.FAILED)
    return "" if state is StepState.DONE else f"{error} ({_WORDS[state]})"


_WORDS = {
    StepState.NOT_DONE: "nothing was changed",
    StepState.UNKNOWN: "nobody can tell whether it was done: look yourself",
}


def _seen(hand: Hand, write: Write, before: Answer | None) -> StepState:
    """What came of a call of which there is no word, as the world shows it."""
    change = ACTIONS[write.uses].change
    try:
        now = _look(hand, write)
        if change is None or before is None:
            return StepState.UNKNOWN
        took = change.reached(ACTIONS[write.uses].parse(write.given), before, now)
    except (OpsbotError, *_SHAPE):
        return StepState.UNKNOWN
    return StepState.UNKNOWN if took is None else StepState.DONE if took else StepState.NOT_DONE


def _settle(hand: Hand, run: RunbookRun, step: str, state: StepState, *, request_id: str = "", why: str = "") -> None:
    told = act(
        f"runbook.change.{state.value.replace(' ', '-')}", run, hand.actor, hand.now(), step=step,
        request_id=request_id, why=why,
    )  # fmt: skip
    hand.journal.settle(run.number, step, state, hand.now(), told, request_id=request_id, why=why)


def _verified(hand: Hand, write: Write, before: Answer) -> bool:
    """Look until the change shows and its condition holds, or the time is up; a look that fails is no verdict."""
    verify, action = write.verify, ACTIONS[write.uses]
    if verify is None or action.change is None:
        return True
    given = action.parse(write.given)
    for turn in range(math.ceil(verify.timeout / verify.every) + 1):
        if turn:
            hand.pause(verify.every.total_seconds())
        try:
            now = _look(hand, write)
            shows = action.change.reached(given, before, now) is True
            if shows and (not verify.until or filling.holds(verify.until, now.values)):
                return True
        except (OpsbotError, *_SHAPE) as error:
            hand.tell(f"{write.step}: {error}", None)
    return False


def _end(hand: Hand, run: RunbookRun, state: RunState, why: str) -> RunbookRun:
    now = hand.now()
    told = act(f"runbook.{state.value.replace(' ', '-')}", run, hand.actor, now, why=why)
    return hand.journal.end(run.number, state, why, now, told)


def reconcile(hand: Hand, run: RunbookRun) -> RunbookRun:
    """A run whose carrying out ended in the middle: what was begun is looked at, nothing is made again.

    Raises RunbookError while whoever carries it out may still be at it."""
    if hand.journal.held(run.number, hand.now()):
        raise RunbookError(f"{run.id} is being carried out", hint="wait until it has ended, or its time is up")
    writes = {write.step: write for write in run.writes}
    planned = {took.step: took.answer for took in run.took}
    states = {}
    for step, state, _ in hand.journal.changes(run.number):
        states[step] = state
        if state is StepState.BEGUN:
            name = step.removesuffix(UNDO)
            states[step] = _seen(hand, writes[name], planned.get(name)) if name == step else StepState.UNKNOWN
            _settle(hand, run, step, states[step], why="found out afterwards")
            hand.tell(f"{step}: {states[step].value}", states[step])
    if StepState.UNKNOWN in states.values():
        return _end(hand, run, RunState.UNKNOWN, "nobody can tell what came of it: look yourself")
    if states.keys() >= writes.keys() and all(state is StepState.DONE for state in states.values()):
        return _end(hand, run, RunState.APPLIED, "it ended in the middle; all of it was done")
    return _end(hand, run, RunState.FAILED, "it ended in the middle; not all of it was done")


def rollback(hand: Hand, run: RunbookRun) -> RunbookRun:
    """Take back what was done, the last first. Raises RunbookError where there is nothing to take back, or somebody else
    has changed it since."""
    if run.state not in (RunState.APPLIED, RunState.FAILED):
        raise RunbookError(f"{run.id} is {run.state}: there is nothing to take back")
    writes = {write.step: write for write in run.writes}
    done = [
        writes[step]
        for step, state, _ in hand.journal.changes(run.number)
        if state is StepState.DONE and step in writes
    ]
    back = [write for write in reversed(done) if write.undo]
    if not back:
        raise RunbookError(
            f"{run.id}: nothing that it did can be taken back", hint="; ".join(w.undo_says for w in done)
        )
    planned = {took.step: took.answer for took in run.took}
    for write in back:
        before = planned.get(write.step)
        if before is None or _seen(hand, write, before) is not StepState.DONE:
            raise RunbookError(
                f"{run.id}: step {write.step}: it is not as {run.id} left it; somebody has changed it since",
                hint="look first, and take it back by hand",
            )
    for write in back:
        undo = Write(
            step=write.step, uses=write.undo, given=write.undo_given, calls=f"{write.undo}: {write.undo_says}",
            before=(), after=(), key=write.key,
        )  # fmt: skip
        if why := _called(hand, run, undo, write.step + UNDO, _look(hand, undo)):
            return _end(hand, run, RunState.FAILED, f"taking back step {write.step}: {why}")
    return _end(hand, run, RunState.ROLLED_BACK, "taken back")
