"""The last advice of AWS that was paid for, as JSON: read again every day, asked again once a week."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
from sqlalchemy import Engine, select

from opsbot.errors import StoreError
from opsbot.evaluate.savings.advice import Advice, Advised, Covered
from opsbot.store import rows
from opsbot.store.cost_verdicts_tables import cost_advice
from opsbot.store.engine import reading, writing
from opsbot.store.ledger import upsert


def keep(engine: Engine, advice: Advice) -> None:
    """In place of the payer's one before."""
    body = rows.text(orjson.dumps(advice).decode())
    with writing(engine) as db:
        new = upsert(db, cost_advice)
        told = {name: new.excluded[name] for name in ("day", "body")}
        values = {"payer": advice.payer, "day": advice.day.toordinal(), "body": body}
        db.execute(new.on_conflict_do_update(index_elements=["payer"], set_=told), values)


def last(engine: Engine, payer: str) -> Advice | None:
    """Raises StoreError for a row that is none."""
    with reading(engine) as db:
        body = db.scalar(select(cost_advice.c.body).where(cost_advice.c.payer == payer))
    try:
        return None if body is None else _read(orjson.loads(body))
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError) as error:
        raise StoreError(
            f"the advice kept for {payer} cannot be read any more", hint="look for a failing disk"
        ) from error


def _read(told: dict[str, Any]) -> Advice:
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
