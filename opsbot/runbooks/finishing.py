"""A run that ended in the middle: what was begun is looked at, nothing is made again, and its targets are free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from opsbot.errors import RunbookError
from opsbot.model.runbook import Answer, Begun, RunbookRun, RunState, StepState, Verify, Write
from opsbot.runbooks import making
from opsbot.runbooks.hand import LEASE, UNDO, Grip, Hand, gripped

UNFINISHED = (RunState.APPLYING, RunState.ROLLING_BACK, RunState.UNKNOWN)
_UNSURE = (StepState.BEGUN, StepState.UNKNOWN)
# How long it may take to show that something was taken back.
_BACK = Verify(every=timedelta(seconds=5), timeout=timedelta(minutes=1))


def finish(hand: Hand, run: RunbookRun, *, waiting: bool = True) -> RunbookRun:
    """The run as it ended; `waiting` until what was done is known to have worked. Raises RunbookError while whoever carries
    it out may still be at it."""
    now = hand.now()
    if until := hand.journal.held_until(run.number, now):
        raise RunbookError(
            f"{run.id} is being carried out",
            hint=f"wait until it has ended; if its process died, ask again at {until:%H:%M:%S} UTC",
        )
    taken = hand.journal.take_over(run.number, now, LEASE)
    with gripped(hand, taken, now + LEASE) as grip:
        found = [_settled(grip, begun) for begun in hand.journal.changes(run.number)]
        state, why = _became(grip, {one.step: one for one in found}, waiting=waiting)
        return grip.end(state, why)


def _settled(grip: Grip, begun: Begun) -> Begun:
    """What came of one change, found out where nobody wrote it down."""
    if begun.state not in _UNSURE:
        return begun
    write = asked(grip.run, begun.step)
    grip.keep()
    state = making.came_of(grip.hand, write, begun.step, begun.before or planned(grip.run, begun.step))
    making.settle(grip.hand, grip, begun.step, state, why="found out afterwards")
    mark = StepState.FAILED if state is StepState.UNKNOWN else state
    grip.hand.tell(f"{begun.step}: {_WORDS[state]}: {write.calls}", mark)
    return replace(begun, state=state)


_WORDS = {
    StepState.DONE: "it was done",
    StepState.NOT_DONE: "it was not done",
    StepState.UNKNOWN: "nobody can tell whether it was done",
}


def _became(grip: Grip, changes: Mapping[str, Begun], *, waiting: bool) -> tuple[RunState, str]:
    """What a run of these changes has come to, and why."""
    unsure = [name for name, one in changes.items() if one.state is StepState.UNKNOWN]
    if unsure:
        return (
            RunState.UNKNOWN,
            f"it ended in the middle; nobody can tell what came of {', '.join(unsure)}: look yourself",
        )
    if grip.run.state is RunState.ROLLING_BACK or any(name.endswith(UNDO) for name in changes):
        return _taken_back(grip.run, changes)
    open_ = [write.step for write in grip.run.writes if not done(changes, write.step)]
    if open_:
        return RunState.FAILED, f"it ended in the middle; not done: {', '.join(open_)}"
    if waiting and (why := _unverified(grip, changes)):
        return RunState.FAILED, f"it ended in the middle; {why}"
    return RunState.APPLIED, "it ended in the middle; all of it was done"


def _unverified(grip: Grip, changes: Mapping[str, Begun]) -> str:
    """What has not worked of what was done, "" if all has."""
    for write in grip.run.writes:
        begun = changes[write.step]
        before = begun.before or planned(grip.run, write.step)
        if not begun.why.startswith("verified") and (why := making.verify(grip, write, write.step, before)):
            return f"step {write.step}: {why}"
    return ""


def _taken_back(run: RunbookRun, changes: Mapping[str, Begun]) -> tuple[RunState, str]:
    left = [
        write.step
        for write in run.writes
        if write.undo and done(changes, write.step) and not done(changes, write.step + UNDO)
    ]
    if left:
        return RunState.FAILED, f"taking back ended in the middle; not taken back: {', '.join(left)}"
    return RunState.ROLLED_BACK, "taking back ended in the middle; all of it was taken back"


def done(changes: Mapping[str, Begun], step: str) -> bool:
    return step in changes and changes[step].state is StepState.DONE


def asked(run: RunbookRun, step: str) -> Write:
    """The change that a step of the journal stands for: one of the plan's, or what takes it back."""
    write = next(one for one in run.writes if one.step == step.removesuffix(UNDO))
    return undoing(write) if step.endswith(UNDO) else write


def undoing(write: Write) -> Write:
    """What takes it back, as a change of its own."""
    return Write(
        step=write.step, uses=write.undo, given=write.undo_given, calls=f"{write.undo}: {write.undo_says}",
        before=(), after=(), key=write.key, verify=_BACK,
    )  # fmt: skip


def planned(run: RunbookRun, step: str) -> Answer | None:
    """What was seen when it was planned, where nothing newer is known."""
    return next((took.answer for took in run.took if took.step == step), None)
