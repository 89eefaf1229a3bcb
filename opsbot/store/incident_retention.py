"""How long incidents and runbook runs are kept. The audit log is never dropped: its rows say what was done for good."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, delete, func, select

from opsbot.model.incident import IncidentState
from opsbot.model.runbook import RunState
from opsbot.store import incidents_tables as t
from opsbot.store import rows
from opsbot.store.engine import in_turn, writing

INCIDENTS = timedelta(days=800)
"""After one was opened, if it is resolved: two years and a bit, so that this year's can be held against the last."""
RUNS = timedelta(days=400)
_AT_WORK = (RunState.APPLYING.value, RunState.ROLLING_BACK.value, RunState.UNKNOWN.value)
_BATCH = 50


def forget(engine: Engine, now: datetime) -> int:
    """Drop a few of what is older than its time, oldest first; how many went. Numbers are never given twice: the newest
    row stays. Raises StoreError."""
    i, r = t.incident, t.runbook_run
    over = i.c.opened_at < rows.micros(now - INCIDENTS), i.c.state == IncidentState.RESOLVED.value
    done = r.c.at < rows.micros(now - RUNS), r.c.state.not_in(_AT_WORK)
    with writing(engine) as db:
        in_turn(db, "incidents")
        gone = _drop(db, i, over, t.incident_entry.c.incident)
        in_turn(db, "runbooks")
        return gone + _drop(db, r, done, t.runbook_change.c.run)


def _drop(db: Connection, table: Table, old: tuple[ColumnElement[bool], ...], owner: Column[int]) -> int:
    newest = db.scalar(select(func.max(table.c.number))) or 0
    wanted = select(table.c.number).where(*old, table.c.number < newest).order_by(table.c.number).limit(_BATCH)
    numbers = db.scalars(wanted).all()
    if numbers:
        db.execute(delete(owner.table).where(owner.in_(numbers)))
        db.execute(delete(table).where(table.c.number.in_(numbers)))
    return len(numbers)
