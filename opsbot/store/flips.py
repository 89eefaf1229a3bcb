"""When probes changed their standing: what the status page tells of the last days, read newest first up to a limit."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, select

from opsbot.model.uptime import Flip
from opsbot.store import rows, uptime_rows
from opsbot.store import tables as t
from opsbot.store.engine import reading

MOST = 1000


def flips(engine: Engine, since: datetime, most: int = MOST) -> tuple[Flip, ...]:
    """The newest from `since` on, oldest first. Raises StoreError."""
    flip = t.probe_flip.c
    # Both halves of the index by `told` and moment: without the first no row could be found by its moment.
    late = (flip.told.in_((True, False)), flip.at >= rows.micros(since))
    query = select(t.probe.c.name, t.probe_flip).join(t.probe_flip).where(*late)
    with reading(engine) as db:
        found = db.execute(query.order_by(flip.at.desc(), t.probe.c.name).limit(most)).mappings().all()
    return tuple(uptime_rows.read_flip(row) for row in reversed(found))
