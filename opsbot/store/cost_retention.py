"""How long bills are kept: days for thirteen months, each morning's own view of them for ten weeks."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, exists, select

from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.cost_verdicts_tables import cost_advice, cost_verdict
from opsbot.store.engine import writing

KEPT = timedelta(days=430)
"""Thirteen months: what a month is compared with a year later."""
REVISIONS = timedelta(days=70)
"""Completeness is learnt from the last month of mornings."""


def forget(engine: Engine, now: datetime) -> int:
    """Drop days past their time, and revisions that a later one replaced and nobody learns from; how many went.

    Raises StoreError.
    """
    today, c = now.date(), t.cost_day.c
    later = t.cost_day.alias("later").c
    replaced = exists().where(later.payer == c.payer, later.day == c.day, later.shown > c.shown)
    oldest, revised = (today - KEPT).toordinal(), (today - REVISIONS).toordinal()
    with writing(engine) as db:
        gone = db.execute(delete(t.cost_day).where(c.day < oldest)).rowcount
        old = db.execute(select(c.payer, c.day, c.shown).where(c.day < revised, replaced)).all()
        for payer, day, shown in old:
            gone += db.execute(delete(t.cost_day).where(c.payer == payer, c.day == day, c.shown == shown)).rowcount
        db.execute(delete(t.cost_reading).where(t.cost_reading.c.morning < oldest))
        db.execute(delete(t.cost_spent).where(t.cost_spent.c.day < oldest))
        db.execute(delete(cost_advice).where(cost_advice.c.day < oldest))
        # Whatever was said so long ago is said again, or does not matter any more.
        db.execute(delete(cost_verdict).where(cost_verdict.c.at < rows.micros(now - KEPT)))
    return gone
