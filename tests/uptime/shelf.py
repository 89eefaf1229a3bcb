"""A history poured into a real store: rolled up already, as it would be after 90 days."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert

from opsbot.model.period import Period
from opsbot.model.uptime import Bucket
from opsbot.store import rows, uptime_rows
from opsbot.store import tables as t
from opsbot.store.engine import writing
from opsbot.store.sql import SqlStore
from tests.uptime.kept import DAY, FIVE, HOUR, NOW, Kept


def pour(kept: Kept, store: SqlStore, now: datetime = NOW) -> None:
    """Everything in `kept` is in the store afterwards."""
    uptime = store.uptime()
    uptime.record((), list(kept.stands.values()), kept.flips)
    uptime.certify(list(kept.shown.values()))
    with store.engine.begin() as db:
        ids = {row.name: row.id for row in db.execute(t.probe.select())}
    found = [
        _row(bucket, ids[name])
        for length, back in ((DAY, 95 * DAY), (HOUR, 8 * DAY), (FIVE, 2 * DAY))
        for name, buckets in kept.buckets(Period(start=now - back, end=now), length).items()
        for bucket in buckets
    ]
    with writing(store.engine) as db:
        db.execute(insert(t.probe_bucket), found)
        for length in (FIVE, HOUR, DAY):
            until = rows.micros(now + timedelta(days=1))
            db.execute(insert(t.probe_rolled), {"length": int(length.total_seconds()), "until": until})
    uptime.record([sample for samples in kept.single.values() for sample in samples], (), ())


def _row(bucket: Bucket, id: int) -> dict[str, object]:
    counts = {name: getattr(bucket, name) for name in ("up", "degraded", "down", "unsure", "excused", "missing")}
    return {
        "length": int(bucket.length.total_seconds()), "probe_id": id, "start": rows.micros(bucket.start), **counts,
        "pardoned": 0, "seconds_sum": bucket.seconds_sum, "seconds_max": bucket.seconds_max,
        "counts": uptime_rows.pack(bucket.counts),
    }  # fmt: skip
