"""Heartbeats on SQLAlchemy Core: what each job said last, and the key their addresses are signed with."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select, update

from opsbot.model.heartbeat import Pulse
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.engine import in_turn, reading, writing
from opsbot.store.ledger import upsert

_KEY = "heartbeat"
_TIMES = ("known", "at", "started")
_PLAIN = ("probe", "ok", "exit_code", "seconds", "said")


class SqlHeartbeats:
    """One row a heartbeat; every method is one transaction and raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def key(self) -> bytes:
        """What addresses are signed with; made by whoever asks first, the same for all from then on."""
        wanted = select(t.signing_key.c.value).where(t.signing_key.c.name == _KEY)
        with reading(self._engine) as db:
            found = db.scalar(wanted)
        if found is not None:
            return bytes(found)
        with writing(self._engine) as db:
            db.execute(
                upsert(db, t.signing_key).on_conflict_do_nothing(), {"name": _KEY, "value": secrets.token_bytes(32)}
            )
            return bytes(db.scalars(wanted).one())

    def expect(self, names: Collection[str], now: datetime) -> None:
        """From now on these are awaited, if they were not before; called when a configuration was read."""
        if not names:
            return
        with writing(self._engine) as db:
            fresh = [_row(Pulse(probe=name, known=now)) for name in sorted(set(names))]
            db.execute(upsert(db, t.heartbeat).on_conflict_do_nothing(), fresh)

    def note(self, name: str, now: datetime, change: Callable[[Pulse], Pulse]) -> Pulse:
        """A call came: what was known becomes what `change` makes of it."""
        with writing(self._engine) as db:
            in_turn(db, f"heartbeat/{name}")
            found = db.execute(select(t.heartbeat).where(t.heartbeat.c.probe == name)).mappings().first()
            pulse = change(_read(found) if found else Pulse(probe=name, known=now))
            if found:
                db.execute(update(t.heartbeat).where(t.heartbeat.c.probe == name).values(_row(pulse)))
            else:
                db.execute(t.heartbeat.insert().values(_row(pulse)))
        return pulse

    def pulses(self) -> Mapping[str, Pulse]:
        """By probe; those never awaited and never called are absent."""
        with reading(self._engine) as db:
            found = db.execute(select(t.heartbeat)).mappings().all()
        return {row["probe"]: _read(row) for row in found}


def _row(pulse: Pulse) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(pulse, name) for name in _PLAIN}
    values |= {name: rows.optional(getattr(pulse, name)) for name in _TIMES}
    return values | {"said": rows.text(pulse.said)}


def _read(row: rows.Row) -> Pulse:
    times: dict[str, Any] = {name: rows.moment(row[name]) for name in _TIMES}
    return Pulse(**{name: row[name] for name in _PLAIN}, **times)
