"""What AWS advised last and what its detection told last, as JSON: read again every day, paid for once a week."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TypeVar

import orjson
from sqlalchemy import Engine, select

from opsbot.errors import StoreError
from opsbot.evaluate.savings.advice import Advice, Advised, Covered, Second, Seconds
from opsbot.store import rows
from opsbot.store.cost_verdicts_tables import cost_advice
from opsbot.store.engine import reading, writing
from opsbot.store.ledger import upsert

# Beside a payer's advice stands what AWS's detection told it: no environment's name holds a space.
_SECONDS = " anomalies"


def keep(engine: Engine, advice: Advice) -> None:
    """In place of the payer's one before."""
    _keep(engine, advice.payer, advice.day, advice)


def last(engine: Engine, payer: str) -> Advice | None:
    """Raises StoreError for a row that is none."""
    told = _last(engine, payer)
    return None if told is None else _whole(payer, lambda: _read(told))


def keep_seconds(engine: Engine, seconds: Seconds) -> None:
    """In place of the payer's ones before."""
    _keep(engine, seconds.payer + _SECONDS, seconds.day, seconds)


def last_seconds(engine: Engine, payer: str) -> Seconds | None:
    """Raises StoreError for a row that is none."""
    told = _last(engine, payer + _SECONDS)
    return None if told is None else _whole(payer, lambda: _read_seconds(told))


def _keep(engine: Engine, key: str, day: date, what: object) -> None:
    with writing(engine) as db:
        new = upsert(db, cost_advice)
        told = {name: new.excluded[name] for name in ("day", "body")}
        values = {"payer": key, "day": day.toordinal(), "body": rows.text(orjson.dumps(what).decode())}
        db.execute(new.on_conflict_do_update(index_elements=["payer"], set_=told), values)


def _last(engine: Engine, key: str) -> str | None:
    with reading(engine) as db:
        return db.scalar(select(cost_advice.c.body).where(cost_advice.c.payer == key))


Kept = TypeVar("Kept")


def _whole(payer: str, read: Callable[[], Kept]) -> Kept:
    try:
        return read()
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError) as error:
        raise StoreError(
            f"the advice kept for {payer} cannot be read any more", hint="look for a failing disk"
        ) from error


def _read_seconds(body: str) -> Seconds:
    told = orjson.loads(body)
    found = (
        one | {"start": date.fromisoformat(one["start"]), "end": one["end"] and date.fromisoformat(one["end"])}
        for one in told["anomalies"]
    )
    return Seconds(
        payer=told["payer"],
        day=date.fromisoformat(told["day"]),
        anomalies=tuple(Second(**one) for one in found),
        note=told["note"],
    )


def _read(body: str) -> Advice:
    told = orjson.loads(body)
    days = ("first", "end")
    covered = (one | {name: date.fromisoformat(one[name]) for name in days} for one in told["covered"])
    return Advice(
        payer=told["payer"],
        day=date.fromisoformat(told["day"]),
        advised=tuple(Advised(**one) for one in told["advised"]),
        covered=tuple(Covered(**one) for one in covered),
        notes=tuple(told["notes"]),
        denied=tuple(told["denied"]),
    )
