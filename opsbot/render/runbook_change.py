"""What became of a runbook's changes, for the timeline and the thread of the trouble they were made for: what, by whom, and
whether it is known to have worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opsbot.model.actor import Actor
from opsbot.model.runbook import Begun, RunbookRun, RunState, StepState, Write
from opsbot.render.blockkit import BLOCKS, Json, code, context, escape, fits, message, section
from opsbot.render.format import clean, clip, plural

LINES = 10
_LINE, _WHY = 200, 300
_UNDO = "/undo"
_MARKS = {StepState.DONE: "✓", StepState.NOT_DONE: "✗", StepState.FAILED: "✗", StepState.UNKNOWN: "?"}


def said(run: RunbookRun, who: Actor) -> str:
    """`R-12 applied by ana: 1 change`; why it went another way, where it did."""
    by, why = clean(who.short), clip(clean(run.why), _WHY)
    match run.state:
        case RunState.APPROVED:
            return _approval(run, by)
        case RunState.APPLIED:
            return f"{run.id} applied by {by}: {plural(len(run.writes), 'change')}" + (f"; {why}" if why else "")
        case RunState.ROLLED_BACK:
            return f"{run.id} taken back by {by}" + (f": {why}" if why else "")
        case RunState.VOID:
            return f"{run.id} is not carried out, as {by} asked: {why}"
        case RunState.UNKNOWN:
            return f"{run.id}: what came of it is not known: {why}"
        case _:
            return f"{run.id} {run.state}, carried out by {by}: {why}"


def _approval(run: RunbookRun, by: str) -> str:
    approval = run.approval
    until = f" until {approval.until:%H:%M:%S} UTC" if approval else ""
    if approval and approval.reason:
        return f"{run.id}: BREAK-GLASS by {by}, without anybody's approval{until}: {clip(clean(approval.reason), _WHY)}"
    return f"{run.id} approved by {by}{until}"


def steps(run: RunbookRun, changes: Sequence[Begun]) -> Iterator[list[str]]:
    """Each change in at most ten lines: the call, what was there before and what is now, and how it is known to have worked."""
    begun = {one.step: one for one in changes}
    for write in run.writes:
        yield _step(run, write, begun)[:LINES]


def _step(run: RunbookRun, write: Write, begun: Mapping[str, Begun]) -> list[str]:
    made, back = begun.get(write.step), begun.get(write.step + _UNDO)
    lines = [f"{_mark(run, made)} {write.step}: {write.calls}", *_values(write)]
    lines += [f"  {_word(run, write, made)}"]
    lines += [f"  taken back ({write.undo_says}): {back.state}{_because(back)}"] if back else []
    return [clip(line.rstrip(), _LINE) for line in map(_plain, lines)]


def _plain(line: str) -> str:
    """Cleaned, with what it is set in by."""
    return " " * (len(line) - len(line.lstrip())) + clean(line.lstrip())


def _values(write: Write) -> Iterator[str]:
    after = dict(write.after)
    for name, was in write.before:
        if name in after:
            yield f"  {name}: {was} -> {after.pop(name)}"
    yield from (f"  {name}: {value}" for name, value in after.items())


def _mark(run: RunbookRun, made: Begun | None) -> str:
    if made is None:
        return "▸" if run.state is RunState.APPROVED else "–"
    return "✗" if made.why.startswith("not verified") else _MARKS.get(made.state, "…")


def _word(run: RunbookRun, write: Write, made: Begun | None) -> str:
    if made is None:
        return "not begun" if run.state is not RunState.APPROVED else "not made yet"
    if made.state is StepState.DONE and not write.verify:
        return f"{made.state}{_because(made)}; the runbook does not say when it has worked"
    return f"{made.state}{_because(made)}"


def _because(one: Begun) -> str:
    return f": {one.why}" if one.why else ""


def slack(run: RunbookRun, changes: Sequence[Begun], who: Actor) -> Json:
    """A payload for chat.postMessage, in the thread of the notice: within Slack's limits, whatever the names are."""
    told = [section("\n".join(map(escape, lines))) for lines in steps(run, changes)]
    foot = context(*(code(command) for command in commands(run)))
    blocks = [section(f"*{escape(said(run, who))}*"), *told][: BLOCKS - 1]
    while len(blocks) > 1 and not fits([*blocks, foot]):
        blocks.pop()
    return message(escape(said(run, who)), [*blocks, foot])


def commands(run: RunbookRun) -> Iterator[str]:
    """What there is to do next, the likeliest first."""
    if run.state in (RunState.APPROVED, RunState.UNKNOWN):
        yield f"opsbot runbook apply {run.id}"
    if run.state in (RunState.APPLIED, RunState.FAILED) and any(write.undo for write in run.writes):
        yield f"opsbot runbook rollback {run.id}"
    yield f"opsbot runbook replay {run.id}"
