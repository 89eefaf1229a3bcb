"""What runbooks leave to the daemon: runs that ended in the middle, and changes that were for a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from opsbot.store.sql import SqlStore

PATIENCE = timedelta(minutes=3)
"""How long after the last sign of life a run is left to whoever began it: most look themselves."""
_LATE = timedelta(minutes=10)
_ANY = timedelta(days=365)


def something_to_finish(store: SqlStore, now: datetime) -> bool:
    journal = store.journal()
    return bool(journal.stranded(now - PATIENCE) or journal.due(now))


def overdue(store: SqlStore, now: datetime) -> Iterator[str]:
    """A sentence for each change that should have been taken back by now, and could not be."""
    for run, begun in store.journal().due(now + _ANY):
        lasts = next((write.lasts for write in run.writes if write.step == begun.step), None)
        if lasts and begun.at + lasts + _LATE < now:
            since = f"{begun.at + lasts:%d %b %H:%M} UTC"
            yield f"{run.id}: step {begun.step} was to be taken back at {since}; see: opsbot runbook replay {run.id}"
