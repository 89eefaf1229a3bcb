"""What a runbook would change, written down word for word with a digest, before anybody may approve it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from opsbot.actions import ACTIONS, Bench, Intent
from opsbot.model.runbook import Answer, Approve, Runbook, RunbookRun, Step, StepState, Took, Value, Write


def planned(
    book: Runbook, took: tuple[Took, ...], given: Mapping[str, Mapping[str, Any]], bench: Bench
) -> tuple[Write, ...]:
    """The changes that the steps looked at would make, in the order of the page; refused ones too, with the reason."""
    steps = {step.id: step for step in book.steps}
    return tuple(
        write(steps[one.step], given[one.step], one.answer, bench)
        for one in took
        if one.state is StepState.PLANNED and one.answer is not None
    )


def write(step: Step, given: Mapping[str, Any], seen: Answer, bench: Bench) -> Write:
    told = intent(step.uses, given, seen)
    return Write(
        step=step.id, uses=step.uses, given=plain(given), calls=told.calls, before=told.before, after=told.after,
        key=f"{_place(bench)}/{told.key}", undo=told.undo, undo_given=plain(told.undo_given), undo_says=told.undo_says, verify=step.verify,
        refused=told.refused, lasts=told.lasts,
    )  # fmt: skip


def _place(bench: Bench) -> str:
    """Where a target's name means one thing: the account, which several environments may share, and the region."""
    return f"{bench.environment.account_id or bench.environment.name}/{bench.region}"


def intent(uses: str, given: Mapping[str, Any], seen: Answer) -> Intent:
    """What an action makes of its arguments and what it saw. Raises ValueError for arguments it does not take."""
    change = ACTIONS[uses].change
    if change is None:  # pragma: no cover  only steps that change something are planned
        raise ValueError(f"{uses} changes nothing")
    intended: Intent = change.intend(ACTIONS[uses].parse(given), seen)
    return intended


def plain(given: Mapping[str, Any]) -> dict[str, Value]:
    """Arguments as they are kept and compared: a tuple for every list."""

    def frozen(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): frozen(inner) for key, inner in value.items()}
        return tuple(frozen(inner) for inner in value) if isinstance(value, list | tuple) else value

    return {str(key): frozen(value) for key, value in given.items()}


def allowed(book: Runbook, writes: tuple[Write, ...]) -> Approve:
    """Who may approve the whole plan: who may approve each of its changes, for as long as the shortest of them holds."""
    steps = {step.id: step for step in book.steps}
    asked = [steps[one.step].approve for one in writes]
    narrow = [one.by for one in asked if one.by != ("*",)]
    by = tuple(sorted(set.intersection(*map(set, narrow)))) if narrow else ("*",)
    return Approve(by=by, expires=min((one.expires for one in asked), default=Approve().expires))


def digest(run: RunbookRun) -> str:
    """What an approval binds to: the file, the place, the parameters, and every change with what was there before it."""
    told = [run.book, run.environment, run.region, list(map(list, run.params)), [_told(one) for one in run.writes]]
    written = json.dumps(told, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=list)
    return hashlib.sha256(written.encode()).hexdigest()


def _told(one: Write) -> list[Any]:
    verify = one.verify and [one.verify.until, one.verify.every.total_seconds(), one.verify.timeout.total_seconds()]
    lasts = [one.lasts.total_seconds()] if one.lasts else []
    return [
        one.step, one.uses, one.given, one.calls, one.before, one.after, one.key, one.undo, one.undo_given, verify, *lasts,
    ]  # fmt: skip
