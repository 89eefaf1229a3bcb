"""How long what is stored is kept, and dropping it a little at a time, so that nobody waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Select, Table, and_, delete, exists, or_, select

from opsbot.model.message import CARDS, Delivery
from opsbot.model.run import RunState
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.engine import writing

RUNS = timedelta(days=400)
SKIPPED_RUNS = timedelta(days=90)
TOLD = timedelta(days=30)
# A trouble may last for months, and its end is told on the same card.
CARD = timedelta(days=100)
UNTOLD = timedelta(days=400)
WORKERS = timedelta(days=7)
# About 10 ms for runs with a hundred findings each; a writer that comes in between waits no longer.
_BATCH = 50
_UNSENT = tuple(state.value for state in (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD))
_TOLD = tuple(state.value for state in (Delivery.SENT, Delivery.SUPERSEDED, Delivery.DROPPED))
_GIVEN_UP = tuple(state.value for state in (Delivery.DEAD, Delivery.UNKNOWN))
_AT_WORK = (RunState.QUEUED.value, RunState.RUNNING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows went; their findings, reports and attempts went with them."""

    runs: int
    messages: int
    workers: int
    statuses: int


def prune(engine: Engine, now: datetime) -> Pruned:
    """What is older than its time. Raises StoreError; what went until then stays gone."""
    return Pruned(
        messages=_drop(engine, t.message, t.message.c.id, _old_messages(now)),
        runs=_drop(engine, t.run, t.run.c.id, _old_runs(now)),
        workers=_drop(engine, t.worker, t.worker.c.id, t.worker.c.beat < rows.micros(now - WORKERS)),
        # What no run looked at for so long is gone: nobody will ever say that it is well again.
        statuses=_drop(engine, t.latest, t.latest.c.key, t.latest.c.at < rows.micros(now - RUNS)),
    )


def _old_runs(now: datetime) -> Any:
    run = t.run.c
    untold = exists().where(t.message.c.run_id == run.id, t.message.c.state.in_(_UNSENT))
    skipped = and_(run.state == RunState.SKIPPED.value, run.queued_at < rows.micros(now - SKIPPED_RUNS))
    old = run.queued_at < rows.micros(now - RUNS)
    return and_(or_(skipped, old), run.state.not_in(_AT_WORK), ~untold)


def _old_messages(now: datetime) -> Any:
    mine, reply = t.message.c, t.message.alias("reply").c
    # A reply that has still to leave needs to know whose thread it belongs in.
    awaited = exists().where(reply.reply_to == mine.id, reply.state.in_(_UNSENT))
    past = or_(~mine.key.startswith(CARDS, autoescape=True), mine.created_at < rows.micros(now - CARD))
    told = and_(mine.state.in_(_TOLD), mine.created_at < rows.micros(now - TOLD), past)
    given_up = and_(mine.state.in_(_GIVEN_UP), mine.created_at < rows.micros(now - UNTOLD))
    return and_(or_(told, given_up), ~awaited)


def _drop(engine: Engine, table: Table, key: Any, old: Any) -> int:
    gone, batch = 0, _BATCH
    while batch == _BATCH:
        found: Select[Any] = select(key).where(old).limit(_BATCH)
        with writing(engine) as db:
            ids = db.scalars(found).all()
            batch = len(ids)
            if ids:
                gone += db.execute(delete(table).where(key.in_(ids), old)).rowcount
    return gone
