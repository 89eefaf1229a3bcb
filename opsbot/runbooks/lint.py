"""What is wrong with a runbook beyond its form: actions and arguments that are not there, names nobody gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from opsbot.actions import ACTIONS
from opsbot.errors import Problem
from opsbot.model.runbook import Step
from opsbot.runbooks import filling
from opsbot.runbooks.reading import BUILT_IN, Draft, read

EVERGREEN = timedelta(days=180)


def checked(name: str, text: str, where: str) -> Draft:
    """A runbook with everything that is wrong with it. Never raises."""
    draft = read(name, text, where)
    known = {*BUILT_IN, *(param.name for param in draft.params)}
    for step in draft.steps:
        for what in _wrong(step, known):
            draft.wrong(step.line, f"step {step.id}: {what}")
        known |= {step.id, *(name for name, _ in step.save)}
    return draft


def stale(draft: Draft, today: date) -> Iterator[Problem]:
    """What makes a runbook doubtful without being wrong."""
    if draft.reviewed is None:
        yield Problem(draft.where, "nobody says when it was reviewed: add reviewed: to the front matter")
    elif today - draft.reviewed > EVERGREEN:
        yield Problem(draft.where, f"last reviewed {draft.reviewed}: more than {EVERGREEN.days} days ago")
    if not draft.steps:
        yield Problem(draft.where, "it has no step: opsbot can show it, but not run it")
    for step in draft.steps:
        action = ACTIONS.get(step.uses)
        if action and action.changes_things and step.verify is None:
            yield Problem(f"{draft.where}:{step.line}", f"step {step.id}: it changes something and verifies nothing")


def _wrong(step: Step, known: set[str]) -> Iterator[str]:
    action = ACTIONS.get(step.uses)
    if action is None:
        if step.uses or not step.note:
            near = get_close_matches(step.uses, ACTIONS, n=1)
            offer = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(ACTIONS)}"
            yield f"uses: there is no action {step.uses!r}; {offer}"
        return
    yield from _arguments(step)
    yield from _names(step, known)
    yield from _expressions(step)
    if not action.changes_things and (step.verify or step.approve.by != ("*",)):
        yield f"approve and verify are for changes; {step.uses} only reads"


def _arguments(step: Step) -> Iterator[str]:
    action = ACTIONS[step.uses]
    fields = {one.alias or name: one for name, one in action.given.model_fields.items()}
    for name in step.given:
        if name not in fields:
            near = get_close_matches(name, fields, n=1)
            offer = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(fields)}"
            yield f"with.{name}: {step.uses} takes no such argument; {offer}"
    missing = [name for name, one in fields.items() if one.is_required() and name not in step.given]
    yield from (f"with.{name}: {step.uses} needs it" for name in missing)
    if missing or list(filling.gaps(step.given)):
        return
    try:
        action.parse(step.given)
    except ValidationError as error:
        yield from (f"with.{wrong(one)}" for one in error.errors())


def wrong(error: ErrorDetails) -> str:
    """pydantic's complaint as ours: where, what was expected, what was found."""
    at, found = ".".join(map(str, error["loc"])), repr(error["input"])[:80]
    match error["type"]:
        case "string_pattern_mismatch":
            return f"{at}: expected what matches {error['ctx']['pattern']}, got {found}"
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{at}: expected a whole number, got {found}"
        case "missing":
            return f"{at}: it is missing"
        case _:
            text = error["msg"].removeprefix("Value error, ")
            return f"{at}: {text[:1].lower() + text[1:]}"


def _names(step: Step, known: set[str]) -> Iterator[str]:
    if wrong := filling.torn(step.given):
        yield f"expected {{{{name}}}} or {{{{step.value}}}}, got {wrong!r}"
    for name in sorted({gap.split(".")[0] for gap in filling.gaps(step.given)} - known):
        near = get_close_matches(name, known, n=1)
        offer = f'; did you mean "{near[0]}"?' if near else ""
        yield f"nobody says what {{{{{name}}}}} is: no param, no earlier step{offer}"


def _expressions(step: Step) -> Iterator[str]:
    told = [("when", step.when), *((f"save.{name}", path) for name, path in step.save)]
    told += [("verify.until", step.verify.until)] if step.verify else []
    for at, expression in told:
        if expression and (why := filling.problem_of(expression)):
            yield f"{at}: expected JMESPath, got {expression!r}: {why}"
