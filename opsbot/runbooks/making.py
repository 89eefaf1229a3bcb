"""One change: its target looked at, noted, called once, settled, and looked at until it shows."""

from __future__ import annotations

import math
import uuid
from datetime import datetime, timedelta

from opsbot.actions import ACTIONS, through
from opsbot.errors import CloudError, OpsbotError
from opsbot.model.runbook import Answer, StepState, Verify, Write
from opsbot.runbooks import filling
from opsbot.runbooks.approving import act
from opsbot.runbooks.hand import LEASE, SHAPE, UNDO, Grip, Hand

_NAMESPACE = uuid.UUID("6d1f6a8e-4a9c-4f0e-9f43-0b3f7c1f2a55")
# AWS shows some changes only after seconds: that one cannot be seen yet is no proof that it was not made.
_LOOKS, _BETWEEN = 3, 5.0
_WORDS = {
    StepState.NOT_DONE: "nothing was changed",
    StepState.UNKNOWN: "nobody can tell whether it was done: look yourself",
}


def change(grip: Grip, write: Write, step: str) -> str:
    """Make it and see that it worked; why it did not, "" if it did. Raises RunbookError if another has taken over."""
    try:
        before = look(grip.hand, write)
    except (OpsbotError, *SHAPE) as error:
        return f"it cannot be looked at: {error}"
    return call(grip, write, step, before) or verify(grip, write, step, before)


def look(hand: Hand, write: Write) -> Answer:
    """What its target is like now."""
    action = ACTIONS[write.uses]
    seen: Answer = action.look(hand.bench, action.parse(write.given))
    return seen


def call(grip: Grip, write: Write, step: str, before: Answer) -> str:
    """One call, noted before and settled after; why it failed, "" if AWS took it."""
    hand, run = grip.hand, grip.run
    action = ACTIONS[write.uses]
    if action.change is None:
        return f"{write.uses} changes nothing"
    grip.keep()
    noted = hand.now()
    hand.journal.note(
        run.number, grip.until, step, write.key, noted,
        act("runbook.change", run, hand.actor, noted, step=step, calls=write.calls),
        before=before, back_at=noted + write.lasts if write.lasts else None, again=step.endswith(UNDO),
    )  # fmt: skip
    if hand.now() - noted >= LEASE:
        # Others may have taken over meanwhile, and have said that it was not made.
        settle(hand, grip, step, StepState.NOT_DONE, why="this process stood still for too long to make it")
        return "this process stood still for too long (nothing was changed)"
    token = str(uuid.uuid5(_NAMESPACE, f"{run.id}/{run.digest}/{step}"))
    try:
        receipt = action.change.apply(action.parse(write.given), before, through(hand.actuator, hand.bench), token)
    except (OpsbotError, *SHAPE) as error:
        return _not_taken(grip, write, step, before, error)
    settle(hand, grip, step, StepState.DONE, request_id=receipt.request_id)
    hand.tell(f"{step}: {write.calls}", StepState.DONE)
    return ""


def _not_taken(grip: Grip, write: Write, step: str, before: Answer, error: Exception) -> str:
    """AWS refused, or nobody knows: then it is looked at, and never simply tried again."""
    refused = isinstance(error, CloudError) and error.permanent
    grip.hand.tell(f"{step}: {error}", StepState.FAILED)
    state = StepState.NOT_DONE if refused else came_of(grip.hand, write, step, before)
    if state is StepState.DONE:
        settle(grip.hand, grip, step, state, why=f"there was no answer ({error}), but it shows")
        grip.hand.tell(f"{step}: it was done all the same: {write.calls}", state)
        return ""
    settle(grip.hand, grip, step, state, why=str(error))
    return f"{error} ({_WORDS[state]})"


def came_of(hand: Hand, write: Write, step: str, before: Answer | None) -> StepState:
    """What came of a call of which there is no word, as the world shows it after some seconds."""
    hand.tell(f"{step}: looking whether it was done", None)
    state = StepState.UNKNOWN
    for turn in range(_LOOKS):
        if turn:
            hand.pause(_BETWEEN)
        state = shows(hand, write, before)
        if state is StepState.DONE:
            break
    return state


def shows(hand: Hand, write: Write, before: Answer | None) -> StepState:
    """Whether it can be seen now. Without knowing what was there `before` it is held against what it asks for alone."""
    action = ACTIONS[write.uses]
    try:
        now = look(hand, write)
        if action.change is None or before is None:
            return StepState.UNKNOWN
        took = action.change.reached(action.parse(write.given), before, now)
    except (OpsbotError, *SHAPE):
        return StepState.UNKNOWN
    return StepState.UNKNOWN if took is None else StepState.DONE if took else StepState.NOT_DONE


def verify(grip: Grip, write: Write, step: str, before: Answer | None) -> str:
    """Look until it shows and its condition holds, or the time is up; why that did not come, "" if it did."""
    if write.verify is None:
        return ""
    hand, wanted = grip.hand, write.verify.until or "it shows"
    hand.tell(f"{step}: waiting until {wanted}, for at most {_length(write.verify.timeout)}", None)
    if before is not None and _holds(grip, write, step, before, write.verify):
        settle(hand, grip, step, StepState.DONE, what="verified", why=f"verified: {wanted}")
        hand.tell(f"{step}: verified: {wanted}", StepState.DONE)
        return ""
    why = f"within {_length(write.verify.timeout)} it did not come to: {wanted}"
    settle(hand, grip, step, StepState.DONE, what="not-verified", why=f"not verified: {why}")
    hand.tell(f"{step}: {why}", StepState.FAILED)
    return f"it was done, but {why}"


def _length(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _holds(grip: Grip, write: Write, step: str, before: Answer, verify: Verify) -> bool:
    """A look that fails is no verdict."""
    hand, action = grip.hand, ACTIONS[write.uses]
    if action.change is None:
        return True
    given = action.parse(write.given)
    for turn in range(math.ceil(verify.timeout / verify.every) + 1):
        grip.keep(verify.every)
        if turn:
            hand.pause(verify.every.total_seconds())
        try:
            now = look(hand, write)
            if action.change.reached(given, before, now) is True and _so(verify.until, now):
                return True
        except (OpsbotError, *SHAPE) as error:
            hand.tell(f"{step}: {error}", None)
    return False


def _so(until: str, now: Answer) -> bool:
    return not until or filling.holds(until, now.values)


def settle(
    hand: Hand, grip: Grip, step: str, state: StepState, *, what: str = "", request_id: str = "", why: str = ""
) -> None:
    """Write down what came of it; `what` else than its state the audit log is to call it."""
    now: datetime = hand.now()
    name = f"runbook.{what}" if what else f"runbook.change.{state.value.replace(' ', '-')}"
    told = act(name, grip.run, hand.actor, now, step=step, request_id=request_id, why=why)
    hand.journal.settle(grip.run.number, step, state, now, told, request_id=request_id, why=why)
