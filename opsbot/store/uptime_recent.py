"""All probes' samples of the last minutes at once: what is published is not asked for probe by probe."""

from __future__ import annotations

from sqlalchemy import Engine, select

from opsbot.model.period import Period
from opsbot.model.uptime import Sample
from opsbot.store import rows, uptime_rows
from opsbot.store import tables as t
from opsbot.store.engine import reading

_WINDOW = 300_000_000


def recent(engine: Engine, period: Period) -> tuple[Sample, ...]:
    """Every sample in the period, by time. Meant for minutes, not for days. Raises StoreError."""
    start, end = rows.micros(period.start), rows.micros(period.end)
    near = t.probe_chunk.c.start.between(start // _WINDOW * _WINDOW, end)
    with reading(engine) as db:
        found = [told for body in db.scalars(select(t.probe_journal.c.body)) for told in uptime_rows.read_journal(body)]
        chunks = select(t.probe.c.name, t.probe_chunk.c.start, t.probe_chunk.c.body).join(t.probe_chunk).where(near)
        for name, at, body in db.execute(chunks):
            found += uptime_rows.read_chunk(name, body, at)
    # For a moment a sample may stand in both.
    wanted = {(told[0], told[1]): told for told in found if start <= told[1] < end}
    return tuple(uptime_rows.sample(wanted[key]) for key in sorted(wanted, key=lambda key: key[1]))
