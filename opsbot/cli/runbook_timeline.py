"""What a runbook did, as a row of its incident's timeline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsbot.model.actor import Actor
    from opsbot.model.runbook import RunbookRun
    from opsbot.store.sql import SqlStore

_LINES, _COLUMNS = 80, 140


def tell(store: SqlStore, run: RunbookRun) -> None:
    """What it looked at, under its incident if it has one. Raises StoreError."""
    from opsbot.cli.runbook_lines import step
    from opsbot.model.incident import EntryKind
    from opsbot.model.runbook import StepState

    told = [took for took in run.took if took.state is not StepState.SKIPPED]
    lines = [line for took in told for line in step(took, _COLUMNS, colour=False)]
    seen = [took.answer for took in run.took if took.answer]
    alarming = sum(1 for answer in seen if answer.alarming)
    said = f"{run.id}: runbook {run.runbook} saw {len(seen)} things, {alarming} worth a look"
    said += f"; it plans {len(run.writes)} change{'s' if len(run.writes) > 1 else ''}" if run.writes else ""
    add(store, run, EntryKind.RUNBOOK, said, lines[:_LINES], run.actor, run.at)


def add(
    store: SqlStore, run: RunbookRun, kind: str, said: str, lines: Sequence[str], actor: Actor, now: datetime
) -> None:
    """One row under the run's incident, if it has one. Raises StoreError."""
    from opsbot import incidents
    from opsbot.model.incident import EntryKind

    if run.incident is None:
        return
    by = incidents.By(actor=actor, now=now)
    store.incidents().change(
        run.incident, incidents.noted(by, said, EntryKind(kind), lines), by.act("runbook", run=run.id)
    )
