"""A runbook from its page to a run that is kept: what it saw, and the plan of what it would change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from opsbot.actions import Bench
from opsbot.model.actor import Actor
from opsbot.model.runbook import Runbook, RunbookRun, RunState, StepState, Took, Value
from opsbot.runbooks import planning
from opsbot.runbooks.looking import Once, Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a run begins with; `finding` is the key of the finding that called for it."""

    book: Runbook
    names: dict[str, str]
    actor: Actor
    finding: str = ""
    incident: int | None = None


def run(start: Start, bench: Bench, tell: Callable[[Took], None]) -> RunbookRun:
    """Look, and plan what would be changed. Nothing is changed and nothing is kept; `tell` hears each step as it ends."""
    names: dict[str, Value] = dict(start.names)
    shared = replace(bench, inspector=Once(bench.inspector))
    going = Round(book=start.book, bench=shared, names=names, tell=tell)
    took = going.run()
    writes = planning.planned(start.book, took, going.given, bench)
    wanted = tuple(one for one in writes if not one.refused)
    refused = {one.step: one.refused for one in writes if one.refused}
    run = RunbookRun(
        number=0,
        runbook=start.book.name,
        title=start.book.title,
        book=start.book.digest,
        environment=bench.environment.name,
        region=bench.region,
        params=tuple(sorted(start.names.items())),
        actor=start.actor,
        at=bench.now,
        state=RunState.PLANNED if wanted else RunState.LOOKED,
        finding=start.finding,
        incident=start.incident,
        took=tuple(_without(one, refused) for one in took),
        writes=wanted,
        approve=planning.allowed(start.book, wanted),
    )
    return replace(run, digest=planning.digest(run)) if wanted else run


def _without(took: Took, refused: dict[str, str]) -> Took:
    """A change that must not be made now is no part of the plan, and says why."""
    why = refused.get(took.step)
    return replace(took, state=StepState.SKIPPED, why=f"not planned: {why}") if why else took


def incomplete(run: RunbookRun) -> bool:
    """Whether something could not be looked at."""
    return any(one.state in (StepState.FAILED, StepState.TIMED_OUT) for one in run.took)
