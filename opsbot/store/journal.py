"""The Journal port on SQLAlchemy Core: what is about to be changed stands here before it is, and only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, update

from opsbot.audit import Act
from opsbot.errors import RunbookError
from opsbot.model.runbook import Answer, Approval, Begun, RunbookRun, RunState, StepState
from opsbot.ports.incidents import Tidings
from opsbot.store import incidents_tables as t
from opsbot.store import journal_rows, rows
from opsbot.store.audit import add
from opsbot.store.engine import in_turn, reading, writing
from opsbot.store.incidents import queue, tell

AT_WORK = (RunState.APPLYING, RunState.ROLLING_BACK)


class SqlJournal:
    """Every method is one transaction; raises StoreError, and RunbookError where it refuses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, run: RunbookRun, act: Act) -> RunbookRun:
        with writing(self._engine) as db:
            in_turn(db, "runbooks")
            number = int(db.scalar(select(func.coalesce(func.max(t.runbook_run.c.number), 0))) or 0) + 1
            kept = replace(run, number=number)
            db.execute(t.runbook_run.insert().values(journal_rows.row(kept)))
            add(db, replace(act, about=kept.id))
            return kept

    def run(self, number: int) -> RunbookRun | None:
        with reading(self._engine) as db:
            return _run(db, number)

    def runs(self, limit: int = 50) -> tuple[RunbookRun, ...]:
        wanted = select(t.runbook_run).order_by(t.runbook_run.c.number.desc()).limit(limit)
        with reading(self._engine) as db:
            found = db.execute(wanted).mappings().all()
        return tuple(map(journal_rows.read, found))

    def approve(self, number: int, approval: Approval, act: Act, tidings: Tidings | None = None) -> RunbookRun:
        with writing(self._engine) as db:
            queue(db, tidings)
            in_turn(db, "runbooks")
            run = _in(db, number, RunState.PLANNED)
            approved = replace(run, state=RunState.APPROVED, approval=approval)
            _write(db, approved)
            add(db, act)
            tell(db, tidings)
            return approved

    def begin(
        self, number: int, targets: Sequence[str], now: datetime, lease: timedelta, most: int, per: timedelta, act: Act
    ) -> RunbookRun:
        with writing(self._engine) as db:
            in_turn(db, "runbooks")
            begun = replace(_in(db, number, RunState.APPROVED), state=RunState.APPLYING)
            for target in sorted(set(targets)):
                _lock(db, target, number)
                _not_too_often(db, target, now, most, per)
            _write(db, begun, lease_until=now + lease)
            add(db, act)
            return begun

    def take_back(self, number: int, targets: Sequence[str], now: datetime, lease: timedelta, act: Act) -> RunbookRun:
        with writing(self._engine) as db:
            in_turn(db, "runbooks")
            run = _in(db, number, RunState.APPLIED, RunState.FAILED, RunState.UNKNOWN)
            for target in sorted(set(targets)):
                _lock(db, target, number)
            begun = replace(run, state=RunState.ROLLING_BACK)
            _write(db, begun, lease_until=now + lease)
            add(db, act)
            return begun

    def take_over(self, number: int, now: datetime, lease: timedelta) -> RunbookRun:
        with writing(self._engine) as db:
            in_turn(db, "runbooks")
            run = _in(db, number, *AT_WORK, RunState.UNKNOWN)
            if _lease(db, number) > rows.micros(now):
                raise _held(run)
            _write(db, run, lease_until=now + lease)
            return run

    def renew(self, number: int, held: datetime, until: datetime) -> None:
        c = t.runbook_run.c
        mine = c.number == number, c.lease_until == rows.micros(held)
        with writing(self._engine) as db:
            if not db.execute(update(t.runbook_run).where(*mine).values(lease_until=rows.micros(until))).rowcount:
                raise _taken(number)

    def let_go(self, number: int, held: datetime, now: datetime) -> None:
        c = t.runbook_run.c
        mine = c.number == number, c.lease_until == rows.micros(held)
        with writing(self._engine) as db:
            db.execute(update(t.runbook_run).where(*mine).values(lease_until=rows.micros(min(now, held))))

    def held_until(self, number: int, now: datetime) -> datetime | None:
        with reading(self._engine) as db:
            until = _lease(db, number)
        return rows.moment(until) if until > rows.micros(now) else None

    def note(
        self, number: int, held: datetime, step: str, target: str, now: datetime, act: Act, *,
        before: Answer | None = None, back_at: datetime | None = None, again: bool = False,
    ) -> None:  # fmt: skip
        c = t.runbook_change.c
        with writing(self._engine) as db:
            in_turn(db, "runbooks")
            if _lease(db, number) != rows.micros(held):
                raise _taken(number)
            known = _change(db, number, step)
            if known == StepState.NOT_DONE.value and again:
                db.execute(delete(t.runbook_change).where(c.run == number, c.step == step))
            elif known is not None:
                raise RunbookError(f"R-{number}: step {step} was begun before; no change is made twice")
            db.execute(
                t.runbook_change.insert().values(
                    run=number, step=step, target=rows.text(target), state=StepState.BEGUN.value,
                    began_at=rows.micros(now), ended_at=None, request_id="", why="", before=journal_rows.seen(before),
                    back_at=rows.optional(back_at),
                )
            )  # fmt: skip
            add(db, act)

    def settle(
        self, number: int, step: str, state: StepState, now: datetime, act: Act, *, request_id: str = "", why: str = ""
    ) -> None:
        c = t.runbook_change.c
        told: dict[str, Any] = {"state": state.value, "ended_at": rows.micros(now), "why": rows.text(why)}
        told |= {"request_id": rows.text(request_id)} if request_id else {}
        # What was not done need not be taken back.
        told |= {"back_at": None} if state is StepState.NOT_DONE else {}
        with writing(self._engine) as db:
            db.execute(update(t.runbook_change).where(c.run == number, c.step == step).values(told))
            add(db, act)

    def changes(self, number: int) -> tuple[Begun, ...]:
        c = t.runbook_change.c
        wanted = select(t.runbook_change).where(c.run == number).order_by(c.began_at, c.step)
        with reading(self._engine) as db:
            found = db.execute(wanted).mappings().all()
        return tuple(map(journal_rows.begun, found))

    def end(
        self, number: int, state: RunState, why: str, now: datetime, act: Act, *,
        held: datetime | None = None, tidings: Tidings | None = None,
    ) -> RunbookRun:  # fmt: skip
        with writing(self._engine) as db:
            queue(db, tidings)
            in_turn(db, "runbooks")
            run = _run(db, number)
            if run is None:
                raise _nothing(number)
            if held is not None and _lease(db, number) != rows.micros(held):
                raise _taken(number)
            ended = replace(run, state=state, why=why, ended_at=now)
            _write(db, ended)
            db.execute(delete(t.target_lock).where(t.target_lock.c.run == number))
            add(db, act)
            tell(db, tidings)
            return ended

    def stranded(self, since: datetime) -> tuple[RunbookRun, ...]:
        c = t.runbook_run.c
        wanted = select(t.runbook_run).where(c.lease_until <= rows.micros(since)).order_by(c.number)
        with reading(self._engine) as db:
            found = db.execute(wanted).mappings().all()
        return tuple(map(journal_rows.read, found))

    def due(self, now: datetime) -> tuple[tuple[RunbookRun, Begun], ...]:
        c, r = t.runbook_change.c, t.runbook_run.c
        wanted = select(t.runbook_change).join(t.runbook_run, r.number == c.run)
        wanted = wanted.where(c.back_at <= rows.micros(now), r.lease_until.is_(None)).order_by(c.back_at, c.run)
        with reading(self._engine) as db:
            found = [(_run(db, row["run"]), journal_rows.begun(row)) for row in db.execute(wanted).mappings().all()]
        return tuple((run, begun) for run, begun in found if run is not None)

    def last_changed(self, target: str) -> int | None:
        c = t.runbook_change.c
        known = c.target == rows.text(target), c.state != StepState.NOT_DONE.value
        wanted = select(c.run).where(*known).order_by(c.began_at.desc(), c.run.desc()).limit(1)
        with reading(self._engine) as db:
            found: int | None = db.scalar(wanted)
        return found

    def put_off(self, number: int, step: str, until: datetime | None) -> None:
        c = t.runbook_change.c
        with writing(self._engine) as db:
            told = {"back_at": rows.optional(until)}
            db.execute(update(t.runbook_change).where(c.run == number, c.step == step).values(told))


def _run(db: Connection, number: int) -> RunbookRun | None:
    found = db.execute(select(t.runbook_run).where(t.runbook_run.c.number == number)).mappings().first()
    return journal_rows.read(found) if found else None


def _in(db: Connection, number: int, *states: RunState) -> RunbookRun:
    run = _run(db, number)
    if run is None:
        raise _nothing(number)
    if run.state not in states:
        wanted = " or ".join(states)
        raise RunbookError(f"{run.id} is {run.state}, expected {wanted}", hint=f"see: opsbot runbook replay {run.id}")
    return run


def _lease(db: Connection, number: int) -> int:
    return int(db.scalar(select(t.runbook_run.c.lease_until).where(t.runbook_run.c.number == number)) or 0)


def _held(run: RunbookRun) -> RunbookError:
    return RunbookError(f"{run.id} is being carried out", hint=f"wait for it; see: opsbot runbook replay {run.id}")


def _taken(number: int) -> RunbookError:
    return RunbookError(
        f"R-{number}: this process stood still for so long that another has taken over",
        hint=f"nothing more is changed here; what came of it: opsbot runbook replay R-{number}",
    )


def _nothing(number: int) -> RunbookError:
    return RunbookError(f"there is no runbook run R-{number}", hint="see: opsbot runbook replay")


def _write(db: Connection, run: RunbookRun, *, lease_until: datetime | None = None) -> None:
    values = {**journal_rows.row(run), "lease_until": rows.optional(lease_until)}
    db.execute(update(t.runbook_run).where(t.runbook_run.c.number == run.number).values(values))


def _change(db: Connection, number: int, step: str) -> str | None:
    c = t.runbook_change.c
    found: str | None = db.scalar(select(c.state).where(c.run == number, c.step == step))
    return found


def _lock(db: Connection, target: str, number: int) -> None:
    c = t.target_lock.c
    holder = db.scalar(select(c.run).where(c.target == rows.text(target)))
    if holder is not None and holder != number:
        raise RunbookError(
            f"{target} is being changed by R-{holder}",
            hint=f"wait for it; if it ended in the middle, this finds out what came of it: opsbot runbook apply R-{holder}",
        )
    if holder is None:
        db.execute(t.target_lock.insert().values(target=rows.text(target), run=number))


def _not_too_often(db: Connection, target: str, now: datetime, most: int, per: timedelta) -> None:
    c = t.runbook_change.c
    recent = c.began_at > rows.micros(now - per)
    wanted = select(func.count(func.distinct(c.run))).where(c.target == rows.text(target), recent)
    if (done := int(db.scalar(wanted) or 0)) >= most:
        raise RunbookError(
            f"{target} was changed by {done} runbook runs in {int(per.total_seconds() // 60)} min, and {most} are allowed",
            hint="what did not help twice does not help a third time: look for another cause",
        )
