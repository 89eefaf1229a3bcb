"""Where people's words on cost findings are kept, and which findings there are to speak of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from opsbot.evaluate.costdata.verdicts import Meaning, Verdict
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.cost_verdicts_tables import cost_verdict
from opsbot.store.engine import reading, writing
from opsbot.store.ledger import upsert

TOLD_OF = ("%/cost-%/%", "%/saving-%/%")
"""Keys of the findings that a person can judge so: anomalies of cost, and recommendations."""


def judge(engine: Engine, verdict: Verdict) -> None:
    """Keep a word; the same person's at the same moment is kept once."""
    with writing(engine) as db:
        new = upsert(db, cost_verdict)
        told = {name: new.excluded[name] for name in ("meaning", "who", "reason")}
        db.execute(new.on_conflict_do_update(index_elements=["key", "at"], set_=told), _row(verdict))


def verdicts(engine: Engine) -> tuple[Verdict, ...]:
    """All that were ever said, oldest first."""
    query = select(cost_verdict).order_by(cost_verdict.c.at, cost_verdict.c.key)
    with reading(engine) as db:
        return tuple(_read(row) for row in db.execute(query).mappings())


def keys(engine: Engine) -> tuple[str, ...]:
    """The cost findings that runs told of and that are still kept."""
    c = t.finding.c
    query = select(c.key).where(c.key.like(TOLD_OF[0]) | c.key.like(TOLD_OF[1])).distinct().order_by(c.key)
    with reading(engine) as db:
        return tuple(db.scalars(query))


def _row(verdict: Verdict) -> dict[str, object]:
    return {
        "key": rows.text(verdict.key),
        "at": rows.micros(verdict.at),
        "meaning": verdict.meaning.value,
        "who": rows.text(verdict.who),
        "reason": rows.text(verdict.reason),
    }


def _read(row: rows.Row) -> Verdict:
    plain: dict[str, Any] = {name: row[name] for name in ("key", "who", "reason")}
    return Verdict(**plain | {"meaning": Meaning(row["meaning"]), "at": rows.moment(row["at"])})
