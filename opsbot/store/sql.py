"""The Store on SQLAlchemy Core: SQLite in WAL mode today, and nothing here that another database would not do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, delete, exists, func, insert, select, update

from opsbot.errors import StoreError
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery, Message
from opsbot.model.run import Run
from opsbot.model.status import Status
from opsbot.ports import Artifact
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.engine import reading, writing

UNSENT = (Delivery.QUEUED.value, Delivery.SENDING.value)


class SqlStore:
    """Runs, findings, messages and reports; one transaction a run. Every method raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def close(self) -> None:
        self.engine.dispose()

    def begin(self, run: Run) -> None:
        with writing(self.engine) as db:
            db.execute(insert(t.run).values(rows.run(run, 0)))

    def commit(
        self, run: Run, findings: Sequence[Finding], messages: Sequence[Message], artifacts: Sequence[Artifact]
    ) -> None:
        bad = [finding for finding in findings if finding.status is not Status.OK]
        with writing(self.engine) as db:
            _end(db, run, len(findings) - len(bad))
            _add(db, t.finding, (rows.finding(value, run.id, n) for n, value in enumerate(bad)))
            _remember(db, run, findings)
            _queue(db, messages)
            _add(db, t.artifact, (rows.artifact(value, n) for n, value in enumerate(artifacts)))

    def claim(
        self, now: datetime, lease_seconds: float, *, run_id: str | None = None, without: Collection[str] = ()
    ) -> Message | None:
        """As in the port."""
        moment = rows.micros(now)
        with writing(self.engine) as db:
            row = db.execute(_claimable(moment, run_id, without)).mappings().first()
            if row is None:
                return None
            attempts = row["attempts"] + 1
            until = rows.micros(now + timedelta(seconds=lease_seconds))
            held = {"state": Delivery.SENDING.value, "attempts": attempts, "lease_until": until}
            db.execute(update(t.message).where(t.message.c.id == row["id"]).values(held))
            db.execute(insert(t.delivery_attempt).values(_attempt(row["id"], attempts, moment)))
        return rows.read_message({**row, **held})

    def settle(
        self,
        message: Message,
        state: Delivery,
        *,
        now: datetime,
        provider_id: str = "",
        error: str = "",
        not_before: datetime | None = None,
        also: Sequence[Message] = (),
        hold_channel: bool = False,
    ) -> None:
        """As in the port.

        That a message was SENT is a fact whoever says it; anything else only its present holder may say, so a sender
        that lost its lease changes nothing.
        """
        values = {
            "state": state.value,
            "provider_id": rows.text(provider_id),
            "error": rows.text(error),
            "not_before": not_before and rows.micros(not_before),
            "lease_until": None,
        }
        with writing(self.engine) as db:
            if db.execute(update(t.message).where(_may_settle(message, state)).values(values)).rowcount:
                _note(db, message, _ending(now, state, error))
                _queue(db, also)
            if hold_channel and not_before:
                _hold(db, message.channel, rows.micros(not_before))

    def messages(self, *, run_id: str | None = None, states: Sequence[Delivery] = ()) -> tuple[Message, ...]:
        query = select(t.message).order_by(t.message.c.created_at, t.message.c.seq, t.message.c.id)
        if run_id is not None:
            query = query.where(t.message.c.run_id == run_id)
        if states:
            query = query.where(t.message.c.state.in_([state.value for state in states]))
        return tuple(map(rows.read_message, self._all(query)))

    def message(self, id: str) -> Message | None:
        found = self._all(select(t.message).where(t.message.c.id == id))
        return rows.read_message(found[0]) if found else None

    def runs(self, *, job: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        query = select(t.run).order_by(t.run.c.started_at.desc(), t.run.c.id.desc()).limit(limit)
        if job is not None:
            query = query.where(t.run.c.job == job)
        return tuple(map(rows.read_run, self._all(query)))

    def run(self, id: str) -> Run | None:
        """Raises StoreError when several runs begin so: it names some."""
        begins = func.substr(t.run.c.id, 1, len(id)) == id
        found = self._all(select(t.run).where(begins).order_by(t.run.c.id).limit(4)) if id else []
        exact = [row for row in found if row["id"] == id] or found
        if len(exact) > 1:
            names = ", ".join(row["id"] for row in exact[:3])
            raise StoreError(f"several runs begin with {id!r}: {names}", hint="give more of the id")
        return rows.read_run(exact[0]) if exact else None

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]:
        query = select(t.artifact).where(t.artifact.c.run_id == run_id).order_by(t.artifact.c.position)
        return tuple(map(rows.read_artifact, self._all(query)))

    def findings(self, run_id: str) -> tuple[Finding, ...]:
        """What was not OK, in the order it was committed."""
        query = select(t.finding.c.payload).where(t.finding.c.run_id == run_id).order_by(t.finding.c.position)
        return tuple(rows.load_finding(row["payload"]) for row in self._all(query))

    def ok_findings(self, run_id: str) -> int:
        """How many findings of this run were OK: they are counted, not kept."""
        found = self._all(select(t.run.c.ok_findings).where(t.run.c.id == run_id))
        return int(found[0]["ok_findings"]) if found else 0

    def history(self) -> SqlHistory:
        return SqlHistory(self.engine)

    def _all(self, query: Select[Any]) -> Sequence[rows.Row]:
        with reading(self.engine) as db:
            return [dict(row) for row in db.execute(query).mappings()]


class SqlHistory:
    """What was found before."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def statuses(self, job: str) -> Mapping[str, Status]:
        with reading(self._engine) as db:
            found = db.execute(select(t.latest.c.key, t.latest.c.status).where(t.latest.c.job == job)).all()
        return {key: Status(status) for key, status in found}


def _add(db: Connection, table: Any, values: Iterable[dict[str, Any]]) -> None:
    if many := list(values):
        db.execute(insert(table), many)


def _end(db: Connection, run: Run, ok_findings: int) -> None:
    values = rows.run(run, ok_findings)
    if not db.execute(update(t.run).where(t.run.c.id == run.id).values(values)).rowcount:
        db.execute(insert(t.run).values(values))


def _remember(db: Connection, run: Run, findings: Sequence[Finding]) -> None:
    """Only what is not OK stays known; what this run did not look at stays as it was."""
    known = set(db.scalars(select(t.latest.c.key).where(t.latest.c.job == run.job)))
    bad = {rows.text(finding.key): finding.status.value for finding in findings if finding.status is not Status.OK}
    seen = known & {rows.text(finding.key) for finding in findings} if known else set()
    for key in seen | (bad.keys() & known):
        db.execute(delete(t.latest).where(t.latest.c.job == run.job, t.latest.c.key == key))
    at = rows.micros(run.at)
    _add(db, t.latest, ({"job": run.job, "key": key, "status": status, "at": at} for key, status in bad.items()))


def _queue(db: Connection, messages: Sequence[Message]) -> None:
    """What is queued together stands together; it supersedes what was queued before and has not left."""
    for channel, key in dict.fromkeys((message.channel, rows.text(message.key)) for message in messages):
        _supersede(db, channel, key, messages)
    for message in messages:
        last = select(func.coalesce(func.max(t.message.c.seq), 0)).where(_line(message.channel, rows.text(message.key)))
        db.execute(insert(t.message).values(rows.message(message, db.execute(last).scalar_one() + 1)))


def _hold(db: Connection, channel: str, until: int) -> None:
    earlier = func.coalesce(t.message.c.not_before, 0) < until
    waiting = and_(t.message.c.channel == channel, t.message.c.state == Delivery.QUEUED.value, earlier)
    db.execute(update(t.message).where(waiting).values(not_before=until))


def _supersede(db: Connection, channel: str, key: str, messages: Sequence[Message]) -> None:
    # A reply adds to what its thread says; only a new first message makes an older one pointless.
    if all(message.reply_to for message in messages if (message.channel, rows.text(message.key)) == (channel, key)):
        return
    gone = {"state": Delivery.SUPERSEDED.value}
    queued = t.message.c.state == Delivery.QUEUED.value
    db.execute(update(t.message).where(_line(channel, key), queued, t.message.c.reply_to.is_(None)).values(gone))
    parents = select(t.message.c.id).where(_line(channel, key), t.message.c.state == Delivery.SUPERSEDED.value)
    db.execute(update(t.message).where(queued, t.message.c.reply_to.in_(parents)).values(gone))


def _line(channel: str, key: str) -> ColumnElement[bool]:
    """Messages that must go out in order."""
    return and_(t.message.c.channel == channel, t.message.c.key == key)


def _claimable(now: int, run_id: str | None, without: Collection[str]) -> Select[Any]:
    """Due or abandoned, the oldest of its line, and not a reply to something still on its way."""
    mine, older, parent = t.message.c, t.message.alias("older").c, t.message.alias("parent").c
    waiting = func.coalesce(mine.lease_until, mine.not_before, 0) <= now
    line = and_(older.channel == mine.channel, older.key == mine.key, older.seq < mine.seq)
    behind = exists().where(line, older.state.in_(UNSENT))
    early = exists().where(parent.id == mine.reply_to, parent.state.in_(UNSENT))
    query = select(t.message).where(mine.state.in_(UNSENT), waiting, ~behind, ~early)
    if run_id is not None:
        query = query.where(mine.run_id == run_id)
    if without:
        query = query.where(mine.channel.not_in(without))
    # SQLite has one writer and needs no row locks (the clause is left out there); others skip what a peer holds.
    return query.order_by(mine.created_at, mine.seq, mine.id).limit(1).with_for_update(skip_locked=True)


def _may_settle(message: Message, state: Delivery) -> ColumnElement[bool]:
    mine = t.message.c.id == message.id
    if state is Delivery.SENT:
        return and_(mine, t.message.c.state != Delivery.SENT.value)
    return and_(mine, t.message.c.state == Delivery.SENDING.value, t.message.c.attempts == message.attempts)


def _attempt(message_id: str, n: int, started_at: int) -> dict[str, Any]:
    return {"message_id": message_id, "n": n, "started_at": started_at, "ended_at": None, "outcome": "", "error": ""}


def _ending(now: datetime, state: Delivery, error: str) -> dict[str, Any]:
    return {"ended_at": rows.micros(now), "outcome": state.value, "error": rows.text(error)}


def _note(db: Connection, message: Message, ending: dict[str, Any]) -> None:
    row = and_(t.delivery_attempt.c.message_id == message.id, t.delivery_attempt.c.n == message.attempts)
    db.execute(update(t.delivery_attempt).where(row).values(ending))
