"""The audit log on SQLAlchemy Core: rows are added in the transaction of what they tell of, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, insert, select, update

from opsbot.audit import NOTHING, Act, Head, Sealed, sealed
from opsbot.model.actor import Actor
from opsbot.store import incidents_tables as t
from opsbot.store import rows
from opsbot.store.engine import in_turn, reading, writing

_PART = 500


class SqlAudit:
    """Every method raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, act: Act) -> Sealed:
        with writing(self._engine) as db:
            return add(db, act)

    def rows(self, *, since: datetime | None = None) -> Iterator[Sealed]:
        """A part at a time: a log of years is no list in memory."""
        last = -1
        oldest = rows.micros(since) if since else 0
        while True:
            c = t.audit_row.c
            wanted = select(t.audit_row).where(c.seq > last, c.at >= oldest).order_by(c.seq).limit(_PART)
            with reading(self._engine) as db:
                found = db.execute(wanted).mappings().all()
            yield from map(_read, found)
            if len(found) < _PART:
                return
            last = found[-1]["seq"]

    def head(self) -> Head:
        with reading(self._engine) as db:
            return _head(db)


def add(db: Connection, act: Act) -> Sealed:
    """One more row, in the transaction of what it tells of."""
    in_turn(db, "audit")
    row = sealed(_storable(act), _head(db))
    db.execute(t.audit_row.insert().values(_row(row)))
    told = {"seq": row.seq, "seal": row.seal}
    if not db.execute(update(t.audit_head).values(told)).rowcount:
        db.execute(insert(t.audit_head).values({"id": 1, **told}))
    return row


def did(db: Connection, what: str, about: str, at: datetime, actor: Actor | None, who: str, **detail: str) -> None:
    """What somebody did by a command, in its transaction. `who` is the name given where nobody said who vouches for it."""
    told = tuple(sorted((name, value) for name, value in detail.items() if value))
    add(db, Act(at=at, actor=actor or Actor(login=who), what=what, about=about, detail=told))


def _storable(act: Act) -> Act:
    """As it will be read again, so that the seal holds: without what no database can keep, times to the microsecond."""
    actor = Actor(login=rows.text(act.actor.login), arn=rows.text(act.actor.arn), via=act.actor.via)
    detail = tuple((rows.text(name), rows.text(value)) for name, value in act.detail)
    return Act(
        at=act.at.astimezone(UTC), actor=actor, what=act.what, about=rows.text(act.about),
        environment=rows.text(act.environment), detail=detail,
    )  # fmt: skip


def _head(db: Connection) -> Head:
    found = db.execute(select(t.audit_head)).mappings().first()
    return Head(seq=found["seq"], seal=found["seal"]) if found else NOTHING


def _row(row: Sealed) -> dict[str, Any]:
    act = row.act
    return {
        "seq": row.seq, "at": rows.micros(act.at), "login": act.actor.login, "arn": act.actor.arn, "via": act.actor.via,
        "what": act.what, "about": act.about, "environment": act.environment,
        "detail": orjson.dumps(act.detail).decode(), "before": row.before, "seal": row.seal,
    }  # fmt: skip


def _read(row: rows.Row) -> Sealed:
    """What somebody wrote into the table past opsbot is read as well as can be: its seal will not hold."""
    at = rows.moment(row["at"]) or datetime.fromtimestamp(0, UTC)
    act = Act(
        at=at, actor=Actor(login=row["login"], arn=row["arn"], via=row["via"]), what=row["what"], about=row["about"],
        environment=row["environment"], detail=_detail(row["detail"]),
    )  # fmt: skip
    return Sealed(seq=row["seq"], act=act, before=row["before"], seal=row["seal"])


def _detail(text: str) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((str(name), str(value)) for name, value in orjson.loads(text))
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return (("unreadable", text[:200]),)
