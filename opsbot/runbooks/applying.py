"""Carrying out an approved plan: under a lock, each change noted before its call, made once, and looked at afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from opsbot.errors import RunbookError
from opsbot.model.runbook import Runbook, RunbookRun, RunState, Write
from opsbot.runbooks import filling, finishing, making, planning
from opsbot.runbooks.approving import act, stands
from opsbot.runbooks.hand import LEASE, Grip, Hand, end, gripped
from opsbot.runbooks.looking import Round

_REFUSED = "runbook.apply.refused"


def apply(hand: Hand, run: RunbookRun, book: Callable[[], Runbook]) -> RunbookRun:
    """Raises RunbookError where it is refused: nothing was changed then, and the reason is written down. `book` reads the
    runbook as it is now, and may raise RunbookError. One that ended in the middle is looked at instead."""
    if run.state in finishing.UNFINISHED:
        return finishing.finish(hand, run)
    if why := stands(run, hand.now()):
        _refuse(hand, run, why)
    page, why = _as_planned(run, book)
    if page is None:
        _refuse(hand, run, why)
        raise RunbookError(why)
    lease = LEASE + page.limits.timeout
    now = hand.now()
    begun = hand.journal.begin(
        run.number, [one.key for one in run.writes], now, lease, page.limits.runs, page.limits.per,
        act("runbook.apply", run, hand.actor, now, digest=run.digest),
    )  # fmt: skip
    with gripped(hand, begun, now + lease) as grip:
        # Only now nobody else can change the target any more.
        if why := _moved(hand, begun, page):
            grip.end(RunState.VOID, why, what=_REFUSED)
            raise _refused(begun, why)
        return _carry_out(grip)


def _carry_out(grip: Grip) -> RunbookRun:
    for write in grip.run.writes:
        if why := making.change(grip, write, write.step):
            return grip.end(RunState.FAILED, f"step {write.step}: {why}")
    return grip.end(RunState.APPLIED, "")


def _as_planned(run: RunbookRun, book: Callable[[], Runbook]) -> tuple[Runbook | None, str]:
    """The runbook, or why it is not the one that was planned with."""
    try:
        page = book()
    except RunbookError as error:
        return None, f"the runbook cannot be read any more: {error.message}"
    if page.digest != run.book:
        return None, "the runbook was edited after it was planned; make the plan anew"
    return page, ""


def _moved(hand: Hand, run: RunbookRun, book: Runbook) -> str:
    """Whether the plan would be another one by now: all that led to it is looked at again, conditions included."""
    part = _leading_to(book, {write.step for write in run.writes})
    again = Round(book=part, bench=hand.bench, names=dict(run.params), tell=lambda took: None)
    took = {one.step: one for one in again.run()}
    for write in run.writes:
        now = took[write.step]
        if now.answer is None:
            return f"step {write.step}: {now.why}"
        step = next(step for step in part.steps if step.id == write.step)
        told = planning.write(step, again.given[write.step], now.answer, hand.bench)
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
    """Raises RunbookError. An approval is for one attempt: what it was given for is no longer so."""
    if run.state is RunState.APPROVED:
        end(hand, run, RunState.VOID, why, what=_REFUSED)
    else:
        hand.audit.add(act(_REFUSED, run, hand.actor, hand.now(), why=why))
    raise _refused(run, why)


def _refused(run: RunbookRun, why: str) -> RunbookError:
    return RunbookError(f"{run.id} is not carried out: {why}", hint="nothing was changed now")
