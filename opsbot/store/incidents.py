"""The Incidents port on SQLAlchemy Core: state in one row, the timeline in rows that are only added to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, func, select, update

from opsbot.audit import Act
from opsbot.errors import IncidentError
from opsbot.model.actor import Actor
from opsbot.model.incident import ACTIVE, Entry, EntryKind, Incident, IncidentState
from opsbot.model.message import Message
from opsbot.model.status import Priority
from opsbot.ports.incidents import Tidings
from opsbot.store import incidents_tables as t
from opsbot.store import lines, rows
from opsbot.store.audit import add
from opsbot.store.engine import in_turn, reading, writing

_TIMES = ("opened_at", "detected_at", "began_at", "told_at", "acked_at", "mitigated_at", "resolved_at", "look_at")
_TEXTS = (
    "title", "opened_by", "environment", "runbook", "acked_by", "resolved_by", "fix", "review_owner",
)  # fmt: skip


class SqlIncidents:
    """Every method is one transaction and raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, incident: Incident, entry: Entry, act: Act) -> tuple[Incident, bool]:
        with writing(self._engine) as db:
            in_turn(db, "incidents")
            there = active(db, incident.tenant, incident.key)
            if there is not None:
                joined = _joined(there, incident)
                if joined != there:
                    _write(db, joined, (replace(entry, kind=EntryKind.ALERT),))
                    add(db, replace(act, what="incident.join", about=joined.id))
                return joined, False
            return put(db, incident, entry, act), True

    def change(
        self,
        number: int,
        change: Callable[[Incident], tuple[Incident, tuple[Entry, ...]]],
        act: Act,
        messages: Sequence[Message] = (),
    ) -> Incident:
        with writing(self._engine) as db:
            lines.queue(db, messages)
            in_turn(db, "incidents")
            found = db.execute(select(t.incident).where(t.incident.c.number == number)).mappings().first()
            if found is None:
                raise IncidentError(f"there is no incident INC-{number}", hint="see: opsbot incident list --all")
            changed, entries = change(_read(found))
            return keep(db, changed, entries, act)

    def incident(self, number: int) -> Incident | None:
        with reading(self._engine) as db:
            found = db.execute(select(t.incident).where(t.incident.c.number == number)).mappings().first()
        return _read(found) if found else None

    def incidents(
        self,
        *,
        states: Sequence[IncidentState] = (),
        tenant: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Incident, ...]:
        c = t.incident.c
        wanted = select(t.incident).order_by(c.number.desc()).limit(limit)
        if states:
            wanted = wanted.where(c.state.in_([state.value for state in states]))
        if tenant is not None:
            wanted = wanted.where(c.tenant == tenant)
        if since is not None:
            wanted = wanted.where(c.opened_at >= rows.micros(since))
        with reading(self._engine) as db:
            found = db.execute(wanted).mappings().all()
        return tuple(map(_read, found))

    def active(self, tenant: str, key: str) -> Incident | None:
        with reading(self._engine) as db:
            return active(db, tenant, key)

    def to_look_at(self, now: datetime) -> tuple[Incident, ...]:
        with reading(self._engine) as db:
            return tuple(one for one in at_work(db) if one.look_at is not None and one.look_at <= now)

    def timeline(self, number: int) -> tuple[Entry, ...]:
        c = t.incident_entry.c
        wanted = select(t.incident_entry).where(c.incident == number).order_by(c.at, c.n)
        with reading(self._engine) as db:
            found = db.execute(wanted).mappings().all()
        return tuple(map(_read_entry, found))


def put(db: Connection, incident: Incident, entry: Entry, act: Act) -> Incident:
    """A new one with its number, in a transaction that has its turn."""
    number = int(db.scalar(select(func.coalesce(func.max(t.incident.c.number), 0))) or 0) + 1
    opened = replace(incident, number=number)
    db.execute(t.incident.insert().values(_row(opened)))
    _tell(db, number, (entry,))
    add(db, replace(act, about=opened.id))
    return opened


def keep(db: Connection, changed: Incident, entries: Sequence[Entry], act: Act) -> Incident:
    """What it has become, in a transaction that has its turn."""
    after = replace(changed, revision=changed.revision + 1)
    _write(db, after, entries)
    add(db, replace(act, about=after.id))
    return after


def queue(db: Connection, tidings: Tidings | None) -> None:
    """The first half of telling, before a transaction has any other turn: all take their turns in one order."""
    if tidings is not None:
        lines.queue(db, tidings.messages)
        in_turn(db, "incidents")


def tell(db: Connection, tidings: Tidings | None) -> None:
    """The second half. An incident that was dropped meanwhile stops nothing."""
    if tidings is None:
        return
    found = db.execute(select(t.incident).where(t.incident.c.number == tidings.incident)).mappings().first()
    if found is not None:
        keep(db, *tidings.change(_read(found)), tidings.act)


def at_work(db: Connection) -> tuple[Incident, ...]:
    """All that are active, the oldest first: a handful."""
    c = t.incident.c
    wanted = select(t.incident).where(c.state.in_([state.value for state in ACTIVE])).order_by(c.number)
    return tuple(map(_read, db.execute(wanted).mappings()))


def active(db: Connection, tenant: str, key: str) -> Incident | None:
    c = t.incident.c
    wanted = select(t.incident).where(
        c.tenant == rows.text(tenant), c.key == rows.text(key), c.state.in_([state.value for state in ACTIVE])
    )
    found = db.execute(wanted).mappings().first()
    return _read(found) if found else None


def _joined(there: Incident, new: Incident) -> Incident:
    known = set(there.alerts)
    alerts = (*there.alerts, *(key for key in new.alerts if key not in known))
    return there if alerts == there.alerts else replace(there, alerts=alerts, revision=there.revision + 1)


def _write(db: Connection, incident: Incident, entries: Sequence[Entry]) -> None:
    db.execute(update(t.incident).where(t.incident.c.number == incident.number).values(_row(incident)))
    _tell(db, incident.number, entries)


def _tell(db: Connection, number: int, entries: Sequence[Entry]) -> None:
    c = t.incident_entry.c
    last = int(db.scalar(select(func.coalesce(func.max(c.n), 0)).where(c.incident == number)) or 0)
    for n, entry in enumerate(entries, last + 1):
        db.execute(t.incident_entry.insert().values({"incident": number, "n": n, **_entry(entry)}))


def _row(value: Incident) -> dict[str, Any]:
    body = {name: rows.text(getattr(value, name)) for name in _TEXTS}
    times = {name: rows.optional(getattr(value, name)) for name in _TIMES}
    more = {
        "priority": value.priority.value, "revision": value.revision,
        "alerts": [rows.text(key) for key in value.alerts],
        "roles": [[role, rows.text(who)] for role, who in value.roles],
    }  # fmt: skip
    return {
        "number": value.number,
        "key": rows.text(value.key),
        "tenant": rows.text(value.tenant),
        "state": value.state.value,
        "opened_at": rows.micros(value.opened_at),
        "body": orjson.dumps({**body, **times, **more}).decode(),
    }


def _read(row: rows.Row) -> Incident:
    body = orjson.loads(row["body"])
    times: dict[str, Any] = {name: rows.moment(body.get(name)) for name in _TIMES}
    return Incident(
        number=row["number"],
        key=row["key"],
        tenant=row["tenant"],
        state=IncidentState(row["state"]),
        priority=Priority(body["priority"]),
        revision=body["revision"],
        alerts=tuple(body["alerts"]),
        roles=tuple((role, who) for role, who in body["roles"]),
        **{name: body[name] for name in _TEXTS},
        **times,
    )


def _entry(value: Entry) -> dict[str, Any]:
    return {
        "at": rows.micros(value.at),
        "recorded_at": rows.micros(value.recorded_at),
        "kind": value.kind.value,
        "login": rows.text(value.actor.login),
        "arn": rows.text(value.actor.arn),
        "via": value.actor.via,
        "text": rows.text(value.text),
        "lines": orjson.dumps([rows.text(line) for line in value.lines]).decode(),
    }


def _read_entry(row: rows.Row) -> Entry:
    times: dict[str, Any] = {name: rows.moment(row[name]) for name in ("at", "recorded_at")}
    actor = Actor(login=row["login"], arn=row["arn"], via=row["via"])
    lines = tuple(orjson.loads(row["lines"]))
    return Entry(kind=EntryKind(row["kind"]), actor=actor, text=row["text"], lines=lines, **times)
