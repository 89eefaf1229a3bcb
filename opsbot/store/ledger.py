"""The Ledger on SQLAlchemy Core: which runs there are and who has them, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, case, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from opsbot.model.actor import Actor
from opsbot.model.run import Attempt, Run, RunState
from opsbot.model.timetable import Clockwork, Overlap, Worker
from opsbot.ports import Ledger
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.audit import did
from opsbot.store.claiming import claim_of, waiting
from opsbot.store.engine import at_once, reading, writing
from opsbot.store.schema import require_head
from opsbot.timetable import SET_BACK

QUEUED, RUNNING = RunState.QUEUED.value, RunState.RUNNING.value
_SET_BACK = int(SET_BACK.total_seconds() * 1_000_000)
# Ends after which a retry may still follow, although the attempt told its findings itself.
_REPEATABLE = (RunState.FAILED.value, RunState.TIMED_OUT.value, RunState.LOST.value)


class SqlLedger:
    """Every method is one transaction; a claim is one for each job it looks at. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def clockworks(self) -> Mapping[str, Clockwork]:
        found = self._all(select(t.clockwork))
        return {row["job"]: rows.read_clockwork(row) for row in found}

    def plan(self, clockwork: Clockwork, runs: Sequence[Run]) -> tuple[Run, ...]:
        """As in the port. A peer that plans the same job at this moment inserts the same: then there is nothing to do.

        Back the cursor only goes from a future that a wrong clock had made; what was planned there and did not run is
        forgotten, so that it runs when its time comes."""
        values = [rows.run(_unclaimed(run), 0) for run in runs]
        with writing(self.engine) as db:
            if not at_once(db, f"plan/{clockwork.job}"):
                return ()
            _forget_future(db, clockwork)
            db.execute(_moved(db, clockwork))
            fresh = upsert(db, t.run).on_conflict_do_nothing().returning(t.run.c.id)
            inserted = set(db.scalars(fresh, values)) if values else set()
        return tuple(_unclaimed(run) for run in runs if run.id in inserted)

    def add(self, run: Run) -> None:
        with writing(self.engine) as db:
            db.execute(insert(t.run).values(rows.run(_unclaimed(run), 0)))

    def claim(
        self,
        worker: str,
        now: datetime,
        lease_seconds: float,
        overlaps: Mapping[str, Overlap],
        *,
        run_id: str | None = None,
        attempt: int | None = None,
    ) -> Run | None:
        """As in the port. Raises StoreError once a newer opsbot has migrated the store: this one takes nothing more."""
        lease = (rows.micros(now), rows.micros(now + timedelta(seconds=lease_seconds)))
        with reading(self.engine) as db:
            require_head(db)
            jobs = list(dict.fromkeys(db.scalars(waiting(lease[0], overlaps, run_id, attempt))))
        # One transaction a job: who held two jobs' turns could wait for one who holds them the other way round.
        for job in jobs:
            with writing(self.engine) as db:
                taken = claim_of(db, job, overlaps[job], worker, lease, run_id)
            if taken is not None:
                return taken
        return None

    def beat(self, worker: Worker, runs: Mapping[str, int], lease_seconds: float) -> Mapping[str, str]:
        values = rows.worker(worker)
        said = {name: values[name] for name in ("beat", "draining", "version", "host", "pid")}
        until = values["beat"] + int(lease_seconds * 1_000_000)
        with writing(self.engine) as db:
            db.execute(upsert(db, t.worker).values(values).on_conflict_do_update(index_elements=["id"], set_=said))
            # Sorted, as everywhere where several runs are locked: no two transactions wait for each other.
            endings = {id: _renewed(db, worker.id, id, runs[id], until) for id in sorted(runs)}
        return {id: why for id, why in endings.items() if why}

    def end(self, run: Run, attempt: Attempt, again: datetime | None = None) -> bool:
        """As in the port. That a run is LOST is believed only of one whose lease ran out before the attempt's `ended_at`;
        what an attempt committed itself stays, unless it may be tried `again`."""
        with writing(self.engine) as db:
            row = _held(db, run.id)
            if row is None or row["attempt"] != attempt.n or row["state"] == QUEUED or _goes_on(row, run, attempt):
                return False
            values = _ending(row, run, attempt, again)
            db.execute(update(t.run).where(t.run.c.id == run.id).values(values))
            outcome = str(values.get("state", row["state"]))
            _note(db, run.id, attempt, "retried" if outcome == QUEUED else outcome)
        return True

    def expired(self, now: datetime) -> tuple[Run, ...]:
        late = t.run.c.lease_until <= rows.micros(now)
        return self._runs(select(t.run).where(t.run.c.state == RUNNING, late).order_by(t.run.c.lease_until, t.run.c.id))

    def cancel(self, run_id: str, reason: str, now: datetime) -> RunState | None:
        with writing(self.engine) as db:
            row = _held(db, run_id)
            if row is None:
                return None
            mine = update(t.run).where(t.run.c.id == run_id)
            if row["state"] == QUEUED:
                gone = {"state": RunState.CANCELLED.value, "finished_at": rows.micros(now), "reason": rows.text(reason)}
                db.execute(mine.values(gone))
            elif row["state"] == RUNNING:
                db.execute(mine.values(ending=rows.text(reason)))
        return RunState(row["state"])

    def pause(
        self, job: str, until: datetime | None, who: str, reason: str, now: datetime, actor: Actor | None = None
    ) -> None:
        """As in the port. A resumed job was paused until now, so that what fell into the pause is known for it."""
        told = {"paused_until": rows.optional(until), "paused_by": rows.text(who), "pause_reason": rows.text(reason)}
        with writing(self.engine) as db:
            if until is None:
                over = t.clockwork.c.paused_until > rows.micros(now)
                resumed = update(t.clockwork).where(t.clockwork.c.job == job, over)
                db.execute(resumed.values(paused_until=rows.micros(now)))
            else:
                new = upsert(db, t.clockwork).values(job=job, cron="", **told)
                db.execute(new.on_conflict_do_update(index_elements=["job"], set_=told))
            what, end = ("job.resume", "") if until is None else ("job.pause", until.isoformat(timespec="seconds"))
            did(db, what, job, now, actor, who, reason=reason, until=end)

    def attempts(self, run_id: str) -> tuple[Attempt, ...]:
        query = select(t.run_attempt).where(t.run_attempt.c.run_id == run_id).order_by(t.run_attempt.c.n)
        return tuple(map(rows.read_attempt, self._all(query)))

    def last(self, job: str, limit: int) -> tuple[Run, ...]:
        ended = [state.value for state in RunState if state.ended]
        mine = (t.run.c.job == job, t.run.c.started_at.is_not(None), t.run.c.state.in_(ended))
        return self._runs(
            select(t.run).where(*mine).order_by(t.run.c.started_at.desc(), t.run.c.id.desc()).limit(limit)
        )

    def workers(self, since: datetime) -> tuple[Worker, ...]:
        heard = t.worker.c.beat >= rows.micros(since)
        return tuple(map(rows.read_worker, self._all(select(t.worker).where(heard).order_by(t.worker.c.started_at))))

    def due(self, now: datetime) -> datetime | None:
        when = func.min(func.coalesce(t.run.c.not_before, t.run.c.queued_at))
        with reading(self.engine) as db:
            return rows.moment(db.scalar(select(when).where(t.run.c.state == QUEUED)))

    def _runs(self, query: Select[Any]) -> tuple[Run, ...]:
        return tuple(map(rows.read_run, self._all(query)))

    def _all(self, query: Select[Any]) -> Sequence[rows.Row]:
        with reading(self.engine) as db:
            return [dict(row) for row in db.execute(query).mappings()]


def upsert(db: Connection, table: Any) -> Any:
    """An INSERT that can say what happens when the row is there already: both databases can, each in its dialect's class."""
    if db.dialect.name == "postgresql":
        # Imported only where it is used: 2 MB that a daemon on a file does not need.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    return sqlite.insert(table)


def _unclaimed(run: Run) -> Run:
    """While QUEUED `attempt` counts attempts made: none of a run that is new."""
    return replace(run, attempt=0, owner="", lease_until=None)


def _forget_future(db: Connection, clockwork: Clockwork) -> None:
    new = rows.optional(clockwork.cursor)
    was = db.scalar(select(t.clockwork.c.cursor).where(t.clockwork.c.job == clockwork.job))
    if new is None or was is None or was - new <= _SET_BACK:
        return
    waiting = t.run.c.state.in_((QUEUED, RunState.SKIPPED.value))
    db.execute(delete(t.run).where(t.run.c.job == clockwork.job, t.run.c.scheduled_for > new, waiting))


def _moved(db: Connection, clockwork: Clockwork) -> Any:
    mine = t.clockwork.c.cursor
    new = upsert(db, t.clockwork).values(
        job=clockwork.job, cursor=rows.optional(clockwork.cursor), cron=clockwork.cron, paused_by="", pause_reason=""
    )
    moved = new.excluded.cursor
    on = mine.is_(None) | (moved > mine) | (moved < mine - _SET_BACK)
    kept = {"cursor": case((on, moved), else_=mine), "cron": new.excluded.cron}
    return new.on_conflict_do_update(index_elements=["job"], set_=kept)


def _held(db: Connection, run_id: str) -> rows.Row | None:
    return db.execute(select(t.run).where(t.run.c.id == run_id).with_for_update()).mappings().first()


def _renewed(db: Connection, worker: str, id: str, attempt: int, until: int) -> str:
    """Why the worker must end this run, or "" if it goes on having it."""
    mine = (t.run.c.id == id, t.run.c.attempt == attempt, t.run.c.owner == worker, t.run.c.state == RUNNING)
    renewed = db.execute(update(t.run).where(*mine).values(lease_until=until).returning(t.run.c.ending)).scalar()
    if renewed is not None:
        return str(renewed)
    row = db.execute(select(t.run).where(t.run.c.id == id)).mappings().first()
    if row is None:
        return "the ledger does not know it any more"
    if row["attempt"] != attempt or row["owner"] != worker:
        return f"{row['owner'] or 'another worker'} has it now"
    return "it was given up as lost" if row["state"] in (RunState.LOST.value, QUEUED) else ""


def _goes_on(row: rows.Row, run: Run, attempt: Attempt) -> bool:
    """Whether nobody says how it ended, or somebody calls lost what has been heard of since."""
    if row["state"] != RUNNING:
        return False
    if run.state is not RunState.LOST or row["lease_until"] is None:
        return not run.state.ended
    return attempt.ended_at is None or row["lease_until"] > rows.micros(attempt.ended_at)


def _ending(row: rows.Row, run: Run, attempt: Attempt, again: datetime | None) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(attempt, name) for name in ("exit_code", "cpu_seconds", "peak_rss")}
    values["log"] = run.log or row["log"]
    if row["state"] == RUNNING:
        values |= {"state": run.state.value, "finished_at": rows.optional(run.finished_at or attempt.ended_at)}
        values |= {"reason": rows.text(run.reason), "error": rows.text(run.error or attempt.error), "lease_until": None}
    if again is not None and values.get("state", row["state"]) in _REPEATABLE:
        values |= {
            "state": QUEUED,
            "not_before": rows.micros(again),
            "finished_at": None,
            "reason": rows.text(run.reason),
        }
    return values


def _note(db: Connection, run_id: str, attempt: Attempt, outcome: str) -> None:
    said = {name: getattr(attempt, name) for name in ("exit_code", "cpu_seconds", "peak_rss")}
    said |= {"outcome": outcome, "error": rows.text(attempt.error), "ended_at": rows.optional(attempt.ended_at)}
    row = (t.run_attempt.c.run_id == run_id, t.run_attempt.c.n == attempt.n)
    db.execute(update(t.run_attempt).where(*row).values(said))


def _conforms(ledger: SqlLedger) -> Ledger:
    return ledger
