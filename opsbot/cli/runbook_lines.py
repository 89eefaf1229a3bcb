"""Runbook runs as lines for people and as plain data for scripts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from opsbot.model.runbook import Begun, RunbookRun, RunState, StepState, Took, Write
from opsbot.render.format import clean, clip, width
from opsbot.render.format import utc as stamp

_MARKS = {
    StepState.DONE: ("✓", "32"),
    StepState.PLANNED: ("▸", "36"),
    StepState.SKIPPED: ("–", "2"),
    StepState.FAILED: ("✗", "31"),
    StepState.TIMED_OUT: ("✗", "31"),
}
_ALARMING = ("!", "33")
_NAME = 16
_INDENT = " " * 6


def head(run_of: str, title: str, where: str, why: str) -> Iterator[str]:
    """What is run, where, and what called for it."""
    yield f"{clean(title)}  ({run_of} on {where})"
    if why:
        yield clip(clean(why), 200)
    yield ""


def step(took: Took, columns: int, *, colour: bool) -> Iterator[str]:
    """One step as it ended; what is left out for want of a name is one short line."""
    if not _worth_a_line(took):
        return
    glyph, ansi = (
        _ALARMING if took.answer and took.answer.alarming and took.state is StepState.DONE else _MARKS[took.state]
    )
    mark = f"\x1b[{ansi}m{glyph}\x1b[0m" if colour else glyph
    answer = took.answer if took.state in (StepState.DONE, StepState.PLANNED) else None
    text = (
        answer.headline
        if answer
        else f"{_state(took)}{clean(took.why)}" + (f"; {clean(took.hint)}" if took.hint else "")
    )
    seconds = f"{took.seconds:5.1f} s" if took.state is not StepState.SKIPPED else " " * 7
    first = f"{took.step:<{_NAME}} {seconds}  "
    lines = textwrap.wrap(clean(text), max(columns - len(first) - 4, 40), break_long_words=False) or [""]
    yield f"  {mark} {first}{lines[0]}"
    yield from (" " * (len(first) + 4) + line for line in lines[1:])
    if answer and took.state is StepState.DONE:
        yield from _rows(answer.rows, columns)


def left_out(run: RunbookRun) -> Iterator[str]:
    """What could not be asked because nobody said of what, in as few lines as it takes."""
    wanted = dict.fromkeys(took.hint for took in run.took if took.state is StepState.SKIPPED and took.hint)
    names = [took.step for took in run.took if took.state is StepState.SKIPPED and not _worth_a_line(took)]
    if names:
        more = f"; with {' '.join(wanted)} there is more to see" if wanted else ""
        yield f"  – left out: {', '.join(names)}{more}"


def _worth_a_line(took: Took) -> bool:
    """A change that was considered is told of, a look that was not asked for is not."""
    return took.state is not StepState.SKIPPED or took.why.startswith(("not so", "not planned", "step "))


def _state(took: Took) -> str:
    return "" if took.state is StepState.SKIPPED else f"{took.state.value}: "


def _rows(rows: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    """Rows under each other, the last column taking what room is left."""
    plain = [[clean(cell) for cell in row] for row in rows]
    count = max((len(row) for row in plain), default=0)
    # The widest column gets what the others leave.
    most = max(40, columns - 60)
    widths = [min(max((width(row[n]) for row in plain if n < len(row)), default=0), most) for n in range(count)]
    for row in plain:
        cells = [
            clip(cell, widths[n]) + " " * (widths[n] - width(clip(cell, widths[n]))) for n, cell in enumerate(row[:-1])
        ]
        room = max(columns - len(_INDENT) - sum(widths[: len(cells)]) - 2 * len(cells), 30)
        yield (_INDENT + "  ".join([*cells, clip(row[-1], room)])).rstrip() if row else ""


def plan(run: RunbookRun) -> Iterator[str]:
    """Every change word for word, who may approve it, and the next command."""
    yield ""
    yield f"PLAN {run.id}  {run.digest[:12]}  {_stand(run)}"
    for n, write in enumerate(run.writes, 1):
        yield from _write(n, write)
    if run.state is RunState.PLANNED:
        who = " or ".join(run.approve.by) if run.approve.by != ("*",) else "Anybody"
        yield ""
        yield f"Nothing is changed yet. {who} but {clean(run.actor.short)} may approve it until {until(run):%H:%M} UTC:"
        yield f"  opsbot runbook approve {run.id}"
        yield f"then: opsbot runbook apply {run.id}"


def until(run: RunbookRun) -> datetime:
    """When what is planned can no longer be approved."""
    return run.at + run.approve.expires


def _stand(run: RunbookRun) -> str:
    return f"{run.state}{_by(run)}" + (f": {clean(run.why)}" if run.why else "")


def _by(run: RunbookRun) -> str:
    """Who approved it: whoever carried it out may be somebody else."""
    if run.approval is None:
        return ""
    who = clean(run.approval.actor.short)
    if run.approval.reason:
        return f" (without an approval, by {who}: {clean(run.approval.reason)})"
    if run.state is RunState.APPROVED:
        return f" by {who} until {run.approval.until:%H:%M:%S} UTC"
    return f" (approved by {who})"


def _write(n: int, write: Write) -> Iterator[str]:
    yield f"  {n} {write.step}: {clean(write.calls)}"
    after = dict(write.after)
    for name, was in write.before:
        becomes = f" -> {clean(after.pop(name))}" if name in after else ""
        yield f"      {name:<18} {clean(was)}{becomes}"
    yield from (f"      {name:<18} {clean(value)}" for name, value in after.items())
    if write.verify:
        yield f"      {'worked when':<18} {clean(write.verify.until) or 'it shows'}, within {_length(write.verify.timeout)}"
    yield f"      {'taken back by':<18} {clean(write.undo_says) or 'nothing'}" + _by_itself(write)


def _by_itself(write: Write) -> str:
    return f", by the daemon {_length(write.lasts)} after it was made" if write.lasts else ""


def _length(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def next_step(run: RunbookRun, changes: Sequence[Begun]) -> Iterator[str]:
    """What somebody who is tired wants to know when a run is over: what is left of it, and the command."""
    for one in changes:
        if one.back_at:
            yield f"step {one.step} is taken back by the daemon at {one.back_at:%H:%M} UTC, or now with the line below"
    if run.state is RunState.UNKNOWN:
        yield f"look yourself; to have opsbot look again: opsbot runbook apply {run.id}"
    elif left := _left(run, changes):
        yield f"to take back {', '.join(one.step for one in left)}: opsbot runbook rollback {run.id} --yes"
    elif run.state is RunState.FAILED and not any(one.state is StepState.DONE for one in changes):
        yield f"nothing was changed; look again with: opsbot runbook run {run.runbook} --env {run.environment}"
    yield f"what it saw and did: opsbot runbook replay {run.id}"
    if run.incident and run.state is RunState.APPLIED:
        yield f'if users are well again: opsbot incident mitigate INC-{run.incident} "what helped"'
    elif run.incident:
        yield f"where it stands: opsbot incident show INC-{run.incident}"


def _left(run: RunbookRun, changes: Sequence[Begun]) -> list[Write]:
    """What was done and can be taken back still, the last first."""
    done = {one.step for one in changes if one.state is StepState.DONE}
    mine = [one for one in run.writes if one.undo and one.step in done and f"{one.step}/undo" not in done]
    return mine[::-1] if run.state in (RunState.APPLIED, RunState.FAILED) else []


def way_back(run: RunbookRun, changes: Sequence[Begun]) -> tuple[list[str], bool]:
    """What taking back would do, and how; and whether there is anything to take back."""
    done = {one.step for one in changes if one.state is StepState.DONE}
    left = _left(run, changes)
    lines = [f"{write.step}: {_way_back(write, done)}" for write in reversed(run.writes)]
    if left:
        lines += ["", f"nothing was changed yet; do it with: opsbot runbook rollback {run.id} --yes"]
    elif run.state in (RunState.APPLYING, RunState.ROLLING_BACK, RunState.UNKNOWN):
        lines += ["", f"{run.id} is {run.state}; look first what came of it: opsbot runbook apply {run.id}"]
    else:
        lines += ["", f"{run.id} {_is(run)}: there is nothing to take back"]
    return lines, bool(left)


def _way_back(write: Write, done: set[str]) -> str:
    if write.step not in done:
        return "was not done"
    if f"{write.step}/undo" in done:
        return "is taken back already"
    return clean(write.undo_says) if write.undo else f"cannot be taken back: {clean(write.undo_says)}"


def _is(run: RunbookRun) -> str:
    return "only looked" if run.state is RunState.LOOKED else f"is {run.state}"


def whole(run: RunbookRun, changes: Sequence[Begun], columns: int, *, colour: bool) -> Iterator[str]:
    """A run as it is kept: nothing is asked for it."""
    where = f"{run.environment}, {run.region}, {stamp(run.at)} by {clean(run.actor.short)}"
    yield from head(f"{run.id} {run.runbook}", run.title, where, f"called for by {run.finding}" if run.finding else "")
    for took in run.took:
        yield from step(took, columns, colour=colour)
    yield from left_out(run)
    if run.writes:
        yield from plan(run)
    if changes:
        yield ""
        yield from (f"  {one.step}: {one.state}" + (f": {clean(one.why)}" if one.why else "") for one in changes)


def as_json(run: RunbookRun, code: int, changes: Sequence[Begun] = ()) -> dict[str, Any]:
    """`opsbot.runbook/1`; `changes` are those that were begun."""
    return {
        "schema": "opsbot.runbook/1", "id": run.id if run.number else None, "runbook": run.runbook, "title": run.title,
        "environment": run.environment, "region": run.region, "at": stamp(run.at), "state": run.state.value,
        "params": dict(run.params), "finding": run.finding or None,
        "incident": f"INC-{run.incident}" if run.incident else None, "exit_code": code,
        "steps": [_step_json(took) for took in run.took],
        "plan": {"digest": run.digest, "changes": [_write_json(write) for write in run.writes],
                 "approve": {"by": list(run.approve.by), "minutes": run.approve.expires.total_seconds() / 60},
                 "approved_by": run.approval.actor.name if run.approval else None} if run.writes else None,
        "why": run.why or None,
        "made": [{"step": one.step, "state": one.state.value, "at": stamp(one.at), "why": one.why or None,
                  "back_at": stamp(one.back_at) if one.back_at else None} for one in changes],
    }  # fmt: skip


def runs_json(runs: Sequence[RunbookRun]) -> dict[str, Any]:
    """`opsbot.runbook-runs/1`: the newest first."""
    rows = [
        {
            "id": run.id, "at": stamp(run.at), "state": run.state.value, "runbook": run.runbook, "environment": run.environment,
            "region": run.region, "finding": run.finding or None, "by": run.actor.name,
            "incident": f"INC-{run.incident}" if run.incident else None,
            "approved_by": run.approval.actor.name if run.approval else None,
        }
        for run in runs
    ]  # fmt: skip
    return {"schema": "opsbot.runbook-runs/1", "runs": rows}


def _step_json(took: Took) -> dict[str, Any]:
    answer = took.answer
    return {
        "id": took.step, "uses": took.uses, "state": took.state.value, "seconds": round(took.seconds, 3),
        "headline": answer.headline if answer else None, "rows": [list(row) for row in answer.rows] if answer else [],
        "values": _plain(dict(answer.values)) if answer else {}, "alarming": bool(answer and answer.alarming),
        "why": took.why or None, "hint": took.hint or None,
    }  # fmt: skip


def _write_json(write: Write) -> dict[str, Any]:
    return {
        "step": write.step, "uses": write.uses, "with": _plain(dict(write.given)), "calls": write.calls,
        "before": dict(write.before), "after": dict(write.after), "target": write.key,
        "undo": write.undo_says, "verify": write.verify.until if write.verify else None,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value
