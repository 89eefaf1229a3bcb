"""Who gets a run: one job's waiting and working runs looked at together, under that job's turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from opsbot.model.run import Run, RunState
from opsbot.model.timetable import Overlap
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.engine import at_once, in_turn
from opsbot.timetable import Overlapped, overlapping

QUEUED, RUNNING = RunState.QUEUED.value, RunState.RUNNING.value
_OLDEST = (func.coalesce(t.run.c.scheduled_for, t.run.c.queued_at), t.run.c.id)


def waiting(now: int, jobs: Collection[str], run_id: str | None, attempt: int | None) -> Select[Any]:
    """The jobs of the due queued runs, that of the oldest first."""
    query = select(t.run.c.job).where(*_due(now), t.run.c.job.in_(jobs)).order_by(*_OLDEST)
    if run_id is not None:
        query = query.where(t.run.c.id == run_id)
    if attempt is not None:
        query = query.where(t.run.c.attempt == attempt - 1)
    return query


def claim_of(
    db: Connection, job: str, rule: Overlap, worker: str, lease: tuple[int, int], run_id: str | None
) -> Run | None:
    """What the job's rule lets start now, begun; what it skips or wants ended is written down too.

    `lease` is from when to when. With `run_id` the others that wait do not come before it: a task queue keeps no order."""
    now, _ = lease
    if run_id is not None:
        in_turn(db, f"job/{job}")
    elif not at_once(db, f"job/{job}"):
        # A peer is at it. Whoever waited for a peer that stands still would stand still too; the next look is near.
        return None
    mine = t.run.c.job == job
    asked = select(t.run).where(mine, *_due(now)).order_by(*_OLDEST)
    due = _runs(db, asked if run_id is None else asked.where(t.run.c.id == run_id))
    at_work = _runs(db, select(t.run).where(mine, t.run.c.state == RUNNING).order_by(*_OLDEST))
    said = overlapping(rule, due, at_work)
    _apply(db, said, now)
    return _begin(db, said.claim, worker, lease) if said.claim else None


def start_attempt(db: Connection, run: dict[str, Any]) -> None:
    """The row of an attempt, from the row of its run."""
    begun = {"run_id": run["id"], "n": run["attempt"], "owner": run["owner"], "started_at": run["started_at"]}
    db.execute(insert(t.run_attempt).values(begun | {"outcome": "", "cpu_seconds": 0.0, "peak_rss": 0, "error": ""}))


def _due(now: int) -> tuple[Any, ...]:
    return t.run.c.state == QUEUED, func.coalesce(t.run.c.not_before, 0) <= now


def _runs(db: Connection, query: Select[Any]) -> Sequence[Run]:
    return [rows.read_run(row) for row in db.execute(query).mappings()]


def _apply(db: Connection, said: Overlapped, now: int) -> None:
    for run, reason in said.skip:
        skipped = {"state": RunState.SKIPPED.value, "reason": rows.text(reason), "finished_at": now}
        db.execute(update(t.run).where(t.run.c.id == run.id, t.run.c.state == QUEUED).values(skipped))
    for run, reason in sorted(said.cancel, key=lambda pair: pair[0].id):
        asked = (t.run.c.id == run.id, t.run.c.state == RUNNING, t.run.c.ending == "")
        db.execute(update(t.run).where(*asked).values(ending=rows.text(reason)))


def _begin(db: Connection, run: Run, worker: str, lease: tuple[int, int]) -> Run | None:
    now, until = lease
    begun = {"state": RUNNING, "attempt": run.attempt + 1, "owner": worker, "started_at": now, "lease_until": until}
    begun |= {"finished_at": None, "ending": "", "error": "", "exit_code": None, "cpu_seconds": 0.0, "peak_rss": 0}
    # A person may cancel it between the look and this: then the row is not QUEUED any more.
    mine = update(t.run).where(t.run.c.id == run.id, t.run.c.state == QUEUED, t.run.c.attempt == run.attempt)
    row = db.execute(mine.values(begun).returning(*t.run.c)).mappings().first()
    if row is None:
        return None
    start_attempt(db, dict(row))
    return rows.read_run(row)
