"""Alerts in the database: one turn is one transaction, with the messages it queues."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from opsbot.alerting import Book, Turned
from opsbot.model.actor import Actor
from opsbot.model.alert import Ack, Alert, Silence, Told
from opsbot.ports.alerts import Step, Turn
from opsbot.store import alert_rows, calling, lines, rows
from opsbot.store import alerts_tables as a
from opsbot.store import tables as t
from opsbot.store.audit import did
from opsbot.store.engine import in_turn, reading, writing
from opsbot.store.ledger import upsert

_ONE = "alerts"
_AT_ONCE = 500
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class SqlAlerts:
    """Alerts, silences, and what was told. Every method raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def turn(self, step: Turn) -> Step:
        with writing(self._engine) as db:
            return take_turn(db, step)

    def due(self) -> datetime | None:
        with reading(self._engine) as db:
            return rows.moment(db.scalar(select(a.alert_clock.c.due).where(a.alert_clock.c.name == _ONE)))

    def all(self) -> Sequence[Alert]:
        with reading(self._engine) as db:
            return _alerts(db)

    def told(self) -> Sequence[Told]:
        with reading(self._engine) as db:
            return tuple(one for one in _told(db) if one.mentions)

    def silences(self) -> Sequence[Silence]:
        with reading(self._engine) as db:
            found = [alert_rows.read_silence(row) for row in db.execute(select(a.silence)).mappings()]
        return sorted(found, key=lambda silence: (silence.starts_at, silence.id), reverse=True)

    def acknowledge(
        self, keys: Sequence[str], who: str, reason: str, at: datetime, actor: Actor | None = None
    ) -> Sequence[str]:
        ack = Ack(who=who, at=at, reason=reason)
        with writing(self._engine) as db:
            in_turn(db, _ONE)
            found = [alert for alert in _alerts(db, keys) if alert.fires]
            _keep(db, [replace(alert, ack=ack) for alert in found])
            _call(db)
            taken = tuple(alert.key for alert in found)
            if taken:
                calling.take(db, taken, actor or Actor(login=who), reason, at)
                did(db, "alert.ack", _about(taken), at, actor, who, by=who, reason=reason)
        return taken

    def silence(self, silence: Silence, actor: Actor | None = None) -> None:
        with writing(self._engine) as db:
            in_turn(db, _ONE)
            db.execute(insert(a.silence).values(alert_rows.silence(silence)))
            _call(db)
            match = " ".join(f"{name}={glob}" for name, glob in silence.match)
            until = silence.ends_at.isoformat(timespec="seconds")
            did(db, "silence.add", silence.id, silence.starts_at, actor, silence.owner, owner=silence.owner, match=match,
                reason=silence.reason, until=until)  # fmt: skip

    def end_silence(self, id: str, at: datetime, actor: Actor | None = None) -> Silence | None:
        with writing(self._engine) as db:
            in_turn(db, _ONE)
            row = db.execute(select(a.silence).where(a.silence.c.id == id)).mappings().first()
            found = row and alert_rows.read_silence(row)
            if not found or found.ended_at is not None:
                return None
            ended = replace(found, ended_at=at)
            db.execute(update(a.silence).where(a.silence.c.id == id).values(alert_rows.silence(ended)))
            _call(db)
            did(db, "silence.end", id, at, actor, found.owner, owner=found.owner)
            return ended


def take_turn(db: Connection, step: Turn) -> Step:
    """A turn inside a transaction that is open already: with a run's end, both happen or neither."""
    in_turn(db, _ONE)
    done = step(_book(db))
    _write(db, done.turned)
    lines.queue(db, done.messages)
    calling.follow(db, done.turned)
    return done


def _book(db: Connection) -> Book:
    told = _told(db)
    unsent = _unsent(db, [one.message_id for one in told])
    open_ = select(a.silence).where(a.silence.c.ended_at.is_(None)).order_by(a.silence.c.id)
    clock = db.execute(select(a.alert_clock).where(a.alert_clock.c.name == _ONE)).mappings().first()
    return Book(
        alerts={alert.key: alert for alert in _alerts(db)},
        told=told,
        silences=tuple(alert_rows.read_silence(row) for row in db.execute(open_).mappings()),
        storms=alert_rows.read_storms(clock["storms"]) if clock else (),
        unsent=unsent,
        waiting=_untouched(db, sorted(unsent)),
    )


def _alerts(db: Connection, keys: Collection[str] | None = None) -> list[Alert]:
    query = select(a.alert.c.state, a.alert.c.payload).order_by(a.alert.c.key)
    if keys is not None:
        query = query.where(a.alert.c.key.in_([rows.text(key) for key in keys]))
    return [alert_rows.read_alert(row) for row in db.execute(query).mappings()]


def _told(db: Connection) -> tuple[Told, ...]:
    query = select(a.alert_told).order_by(a.alert_told.c.key, a.alert_told.c.channel)
    return tuple(alert_rows.read_told(row) for row in db.execute(query).mappings())


def _unsent(db: Connection, ids: Sequence[str]) -> frozenset[str]:
    found: set[str] = set()
    for some in (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE)):
        mine = t.message.c.id.in_(some), t.message.c.state.in_(lines.UNSENT)
        found |= set(db.scalars(select(t.message.c.id).where(*mine)))
    return frozenset(found)


def _untouched(db: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those that nobody has tried to send. They stay so until this transaction ends: senders pass over locked rows."""
    found: set[str] = set()
    for some in (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE)):
        mine = t.message.c.id.in_(some), t.message.c.state == lines.QUEUED, t.message.c.attempts == 0
        found |= set(db.scalars(select(t.message.c.id).where(*mine).with_for_update(of=t.message)))
    return frozenset(found)


def _write(db: Connection, turned: Turned) -> None:
    _drop(db, turned)
    _keep(db, turned.alerts)
    _put(db, a.alert_told, [alert_rows.told(one) for one in turned.told], ("message_id", "payload"))
    _put(db, a.silence, [alert_rows.silence(one) for one in turned.silences], ("ends_at", "ended_at", "payload"))
    clock = {"name": _ONE, "due": rows.optional(turned.due), "storms": alert_rows.storms(turned.storms)}
    _put(db, a.alert_clock, [clock], ("due", "storms"))
    if turned.withdrawn:
        lines.withdraw(db, turned.withdrawn)


def _drop(db: Connection, turned: Turned) -> None:
    gone = [rows.text(key) for key in turned.gone]
    for some in (gone[at : at + _AT_ONCE] for at in range(0, len(gone), _AT_ONCE)):
        db.execute(delete(a.alert).where(a.alert.c.key.in_(some)))
    for key, channel in turned.untold:
        db.execute(delete(a.alert_told).where(a.alert_told.c.key == key, a.alert_told.c.channel == channel))


def _keep(db: Connection, alerts: Sequence[Alert]) -> None:
    values = [alert_rows.alert(alert) for alert in alerts]
    _put(db, a.alert, values, ("state", "tenant", "changed_at", "payload"))


def _put(db: Connection, table: Any, values: Sequence[dict[str, Any]], replaced: Sequence[str]) -> None:
    if values:
        new = upsert(db, table)
        kept = {name: new.excluded[name] for name in replaced}
        db.execute(new.on_conflict_do_update(index_elements=list(table.primary_key), set_=kept), list(values))


def _about(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"


def _call(db: Connection) -> None:
    """The next turn is due at once."""
    called = {"name": _ONE, "due": rows.micros(_LONG_AGO), "storms": "[]"}
    new = upsert(db, a.alert_clock)
    db.execute(new.on_conflict_do_update(index_elements=["name"], set_={"due": new.excluded.due}), called)
