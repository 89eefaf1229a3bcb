"""What a runbook saw, for the thread of the alert that called for it: within Slack's limits, whatever the log lines say."""

from __future__ import annotations

from collections.abc import Iterator

from opsbot.model.runbook import RunbookRun, StepState, Took
from opsbot.render.blockkit import BLOCKS, Json, code, context, escape, fits, message, section
from opsbot.render.format import clean, clip, plural

ROWS = 9
_SENTENCE, _ROW, _HINT = 240, 110, 160
# A change that was thought of is told, a look that nobody asked for is not.
_CONSIDERED = "not planned"
_MARKS = {StepState.DONE: "✓", StepState.PLANNED: "▸", StepState.FAILED: "✗", StepState.TIMED_OUT: "✗"}


def said(run: RunbookRun) -> str:
    """`R-12: runbook high-error-rate saw 8 things, 2 worth a look`."""
    seen = [took.answer for took in run.took if took.answer]
    alarming = sum(answer.alarming for answer in seen)
    text = f"{run.id}: runbook {run.runbook} saw {plural(len(seen), 'thing')}, {alarming} worth a look"
    return text + (f"; it plans {plural(len(run.writes), 'change')}" if run.writes else "")


def slack(run: RunbookRun) -> Json:
    """A payload for chat.postMessage: what is worth a look first, at most ten lines a step; the rest is a command away."""
    told = [took for took in run.took if took.state is not StepState.SKIPPED or took.why.startswith(_CONSIDERED)]
    order = sorted(told, key=lambda took: not _alarming(took))
    calls = {write.step: write.calls for write in run.writes}
    foot = context(*(code(command) for command in _commands(run)))
    blocks = [
        section(f"*{escape(said(run))}*"),
        *(section("\n".join(_step(took, calls.get(took.step, "")))) for took in order),
    ]
    kept = blocks[: BLOCKS - 2]
    while len(kept) > 1 and not fits([*kept, _more(len(blocks)), foot]):
        kept.pop()
    rest = [_more(len(blocks) - len(kept))] if len(kept) < len(blocks) else []
    return message(escape(said(run)), [*kept, *rest, foot])


def _more(number: int) -> Json:
    return context(escape(f"and {plural(number, 'step')} more"))


def _alarming(took: Took) -> bool:
    return took.state is not StepState.DONE or bool(took.answer and took.answer.alarming)


def _step(took: Took, planned: str) -> Iterator[str]:
    mark = "!" if took.answer and took.answer.alarming and not planned else _MARKS.get(took.state, "–")
    answer = None if planned else took.answer
    state = "" if took.state is StepState.SKIPPED else f"{took.state.value}: "
    text = answer.headline if answer else f"{state}{planned or took.why}"
    yield f"{mark} *{escape(took.step)}*  {escape(clip(clean(text), _SENTENCE))}"
    rows = [clip("  ".join(clean(cell) for cell in row), _ROW) for row in answer.rows[:ROWS]] if answer else []
    if rows:
        # A block of code ends where its marks say so, and nothing in it can be one.
        yield "```" + "\n".join(_literal(row) for row in rows) + "```"


def _literal(text: str) -> str:
    return text.replace("`", "'").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _commands(run: RunbookRun) -> Iterator[str]:
    yield f"opsbot runbook replay {run.id}"
    if run.writes:
        yield f"opsbot runbook approve {run.id}"
    if run.incident:
        yield f"opsbot incident show INC-{run.incident}"
