"""Taking back what a run did: when somebody says so, the last first; or by itself, where a change was for a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

from opsbot.errors import RunbookError
from opsbot.model.runbook import Begun, RunbookRun, RunState, StepState, Write
from opsbot.runbooks import finishing, making
from opsbot.runbooks.approving import act
from opsbot.runbooks.finishing import UNFINISHED, done, planned, undoing
from opsbot.runbooks.hand import LEASE, UNDO, Grip, Hand, gripped

AGAIN = timedelta(minutes=5)
"""When taking back by itself is tried again after it has failed; then ever more seldom."""
_SELDOM, _ENOUGH = timedelta(hours=1), timedelta(hours=24)


def rollback(hand: Hand, run: RunbookRun) -> RunbookRun:
    """Take back what was done, the last first; what ended in the middle is looked at before. Raises RunbookError where
    there is nothing to take back, or somebody else has changed it since."""
    if run.state in UNFINISHED:
        # Whoever wants it back does not wait until it has worked.
        run = finishing.finish(hand, run, waiting=False)
        if run.state is RunState.ROLLED_BACK:
            return run
    if run.state not in (RunState.APPLIED, RunState.FAILED):
        raise RunbookError(f"{run.id} is {run.state}: there is nothing to take back", hint=run.why)
    back = tuple(_to_take_back(hand, run))
    if not back:
        raise RunbookError(f"{run.id}: nothing that it did can be taken back", hint=_why_not(hand, run))
    with _taking_back(hand, run, back) as grip:
        if why := _changed_since(grip, back):
            grip.end(run.state, run.why)
            raise RunbookError(f"{run.id}: {why}", hint="nothing was taken back: look first, and do it by hand")
        for write, _ in back:
            if why := making.change(grip, undoing(write), write.step + UNDO):
                return grip.end(RunState.FAILED, f"taking back step {write.step}: {why}")
            hand.journal.put_off(run.number, write.step, None)
        return grip.end(RunState.ROLLED_BACK, "")


def _to_take_back(hand: Hand, run: RunbookRun) -> Iterator[tuple[Write, Begun]]:
    changes = {one.step: one for one in hand.journal.changes(run.number)}
    for write in reversed(run.writes):
        if write.undo and done(changes, write.step) and not done(changes, write.step + UNDO):
            yield write, changes[write.step]


def _why_not(hand: Hand, run: RunbookRun) -> str:
    changes = {one.step: one for one in hand.journal.changes(run.number)}
    told = [f"{one.step}: {one.undo_says}" for one in run.writes if done(changes, one.step) and not one.undo]
    return "; ".join(told) or "nothing of it was done, or it is taken back already"


def _taking_back(
    hand: Hand, run: RunbookRun, back: tuple[tuple[Write, Begun], ...], **told: str
) -> AbstractContextManager[Grip]:
    now = hand.now()
    what = act("runbook.expire" if told else "runbook.rollback", run, hand.actor, now, **told)
    begun = hand.journal.take_back(run.number, [write.key for write, _ in back], now, LEASE, what)
    return gripped(hand, begun, now + LEASE)


def _changed_since(grip: Grip, back: tuple[tuple[Write, Begun], ...]) -> str:
    for write, begun in back:
        before = begun.before or planned(grip.run, write.step)
        if making.shows(grip.hand, write, before) is not StepState.DONE:
            return f"step {write.step}: it is not as {grip.run.id} left it; somebody has changed it since, or it cannot be seen"
    return ""


def expire(hand: Hand, run: RunbookRun, begun: Begun) -> bool:
    """Take back a change whose time is over, unless that was done before; whether it is over now. Why it failed is told
    once, and it is tried again for a day. Raises RunbookError while another run has its target."""
    write = next(one for one in run.writes if one.step == begun.step)
    if why := _over_already(hand, run, write, begun):
        hand.audit.add(act("runbook.expired", run, hand.actor, hand.now(), step=begun.step, why=why))
        hand.journal.put_off(run.number, begun.step, None)
        return True
    tried = any(one.step == begun.step + UNDO for one in hand.journal.changes(run.number))
    with _taking_back(hand, run, ((write, begun),), step=begun.step) as grip:
        why = making.change(grip, undoing(write), begun.step + UNDO)
        late = hand.now() - begun.at - (write.lasts or AGAIN)
        wait = None if not why or late > _ENOUGH else hand.now() + min(max(late, AGAIN), _SELDOM)
        hand.journal.put_off(run.number, begun.step, wait)
        _told(grip, run, begun.step, why, trying=wait is not None, quiet=tried and wait is not None)
    return not why


def _over_already(hand: Hand, run: RunbookRun, write: Write, begun: Begun) -> str:
    """Why there is nothing to take back, "" if there is."""
    last = hand.journal.last_changed(write.key)
    if last != run.number:
        return f"R-{last} has changed it since"
    seen = making.shows(hand, undoing(write), begun.before or planned(run, write.step))
    return "somebody had done so before" if seen is StepState.DONE else ""


def _told(grip: Grip, run: RunbookRun, step: str, why: str, *, trying: bool, quiet: bool) -> None:
    if why:
        again = "it is tried again" if trying else "it is not tried any more: do it by hand"
        said = f"the time of step {step} is over, but taking it back failed: {why}; {again}"
        grip.end(run.state, said, quiet=quiet)
    elif any(_to_take_back(grip.hand, run)):
        grip.end(run.state, f"the time of step {step} was over, and it was taken back")
    else:
        grip.end(RunState.ROLLED_BACK, "its time was over, and it was taken back")
