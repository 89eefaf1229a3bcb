"""Rolling up what probes said: the journal into chunks and buckets, buckets into longer ones. Each function is part of its
caller's transaction."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from opsbot.store import rows, uptime_rows
from opsbot.store import tables as t
from opsbot.store.ledger import upsert
from opsbot.store.uptime_rows import Told

WINDOW, HOUR, DAY = 300, 3600, 86400
FINER = {HOUR: WINDOW, DAY: HOUR}
SECOND = 1_000_000
_NAMES = 500
_RECKONED = ("up", "degraded", "down", "unsure", "excused", "seconds_sum", "seconds_max", "counts")


def numbers(db: Connection) -> dict[str, int]:
    return {row.name: row.id for row in db.execute(select(t.probe.c.name, t.probe.c.id))}


def floor(moment: int, length: int) -> int:
    return moment - moment % (length * SECOND)


def some_of(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(ids), _NAMES):
        yield ids[start : start + _NAMES]


def rolled_until(db: Connection, length: int) -> int:
    return db.scalar(select(t.probe_rolled.c.until).where(t.probe_rolled.c.length == length)) or 0


def note(db: Connection, length: int, until: int) -> None:
    new = upsert(db, t.probe_rolled).values(length=length, until=until)
    db.execute(new.on_conflict_do_update(index_elements=["length"], set_={"until": until}))


def lower(db: Connection, moment: int, lengths: Collection[int] = (HOUR, DAY)) -> None:
    """Something came late: buckets of these lengths are not complete any more from there on."""
    late = (t.probe_rolled.c.length.in_(lengths), t.probe_rolled.c.until > moment)
    db.execute(update(t.probe_rolled).where(*late).values(until=moment))


def first(db: Connection, length: int, start: int, end: int, ids: Collection[int]) -> int | None:
    """The oldest bucket's start in this span; None if there is none."""
    bucket = t.probe_bucket.c
    span = (bucket.length == length, bucket.start >= start, bucket.start < end)
    oldest = [
        db.scalar(select(func.min(bucket.start)).where(*span, bucket.probe_id.in_(some)))
        for some in some_of(sorted(ids))
    ]
    return min((one for one in oldest if one is not None), default=None)


def journal(db: Connection) -> list[Told]:
    bodies = db.scalars(select(t.probe_journal.c.body)).all()
    return [told for body in bodies for told in uptime_rows.read_journal(body)]


def roll_journal(db: Connection, now: int, ids: dict[str, int]) -> None:
    """Samples whose window is over become chunks and buckets; the others stay in the journal."""
    ended = floor(now, WINDOW)
    if ended == rolled_until(db, WINDOW):
        # Nothing has ended since, and nothing came late: whatever does lowers that mark.
        return
    found = db.execute(select(t.probe_journal.c.id, t.probe_journal.c.body)).all()
    windows: dict[tuple[str, int], dict[int, Told]] = defaultdict(dict)
    rest: list[Told] = []
    for row in found:
        for told in uptime_rows.read_journal(row.body):
            if told[1] < ended:
                windows[told[0], floor(told[1], WINDOW)][told[1]] = told
            else:
                rest.append(told)
    if windows:
        _keep(db, windows, ids)
        _empty_journal(db, [row.id for row in found], rest)
        lower(db, min(start for _, start in windows))
    note(db, WINDOW, ended)


def _keep(db: Connection, windows: dict[tuple[str, int], dict[int, Told]], ids: dict[str, int]) -> None:
    chunks, counted = [], []
    kept = _chunks(db, {ids[name] for name, _ in windows}, {start for _, start in windows})
    for (name, start), many in windows.items():
        if (before := kept.get((ids[name], start))) is not None:
            many |= {told[1]: told for told in uptime_rows.read_chunk(name, before, start)}
        told = [many[at] for at in sorted(many)]
        key = {"probe_id": ids[name], "start": start}
        chunks.append(key | {"body": uptime_rows.chunk(told, start)})
        counted.append(key | {"length": WINDOW} | uptime_rows.counted(told))
    new = upsert(db, t.probe_chunk)
    db.execute(
        new.on_conflict_do_update(index_elements=["probe_id", "start"], set_={"body": new.excluded.body}), chunks
    )
    _put_buckets(db, counted, _RECKONED)
    _saw(db, windows, ids)


def _chunks(db: Connection, ids: Collection[int], starts: Collection[int]) -> dict[tuple[int, int], bytes]:
    """Those that are there already: hardly ever any, because samples seldom come late."""
    chunk = t.probe_chunk.c
    found: dict[tuple[int, int], bytes] = {}
    for some in some_of(sorted(ids)):
        span = (chunk.probe_id.in_(some), chunk.start >= min(starts), chunk.start <= max(starts))
        found |= {
            (row.probe_id, row.start): row.body
            for row in db.execute(select(t.probe_chunk).where(*span))
            if row.start in starts
        }
    return found


def _put_buckets(db: Connection, values: list[dict[str, Any]], reckoned: Sequence[str]) -> None:
    new = upsert(db, t.probe_bucket)
    set_ = {name: new.excluded[name] for name in reckoned}
    db.execute(new.on_conflict_do_update(index_elements=["length", "probe_id", "start"], set_=set_), values)


def _empty_journal(db: Connection, ids: Sequence[str], rest: list[Told]) -> None:
    for start in range(0, len(ids), _NAMES):
        db.execute(delete(t.probe_journal).where(t.probe_journal.c.id.in_(ids[start : start + _NAMES])))
    if rest:
        body = uptime_rows.kept(rest)
        db.execute(insert(t.probe_journal), {"id": hashlib.blake2b(body, digest_size=16).hexdigest(), "body": body})


def stored(db: Connection, length: int, start: int, end: int, ids: Collection[int]) -> Sequence[rows.Row]:
    bucket = t.probe_bucket.c
    found: list[rows.Row] = []
    for some in some_of(sorted(ids)):
        span = (bucket.length == length, bucket.probe_id.in_(some), bucket.start >= start, bucket.start < end)
        found += db.execute(select(t.probe_bucket).where(*span).order_by(bucket.probe_id, bucket.start)).mappings()
    return found


def roll_buckets(db: Connection, length: int, start: int, end: int, ids: Collection[int]) -> None:
    groups: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for row in stored(db, FINER[length], start, end, ids):
        groups[row["probe_id"], floor(row["start"], length)].append(dict(row))
    values = [
        {"length": length, "probe_id": id, "start": at} | uptime_rows.added(many) for (id, at), many in groups.items()
    ]
    if values:
        _put_buckets(db, values, (*_RECKONED, "missing", "pardoned"))


def _saw(db: Connection, windows: dict[tuple[str, int], dict[int, Told]], ids: dict[str, int]) -> None:
    """From here on the journal does not say any more when a probe was seen last."""
    last: dict[int, int] = {}
    for (name, _), many in windows.items():
        last[ids[name]] = max(last.get(ids[name], 0), *many)
    mine = (t.probe_standing.c.probe_id == bindparam("mine"), t.probe_standing.c.seen < bindparam("at"))
    later = update(t.probe_standing).where(*mine).values(seen=bindparam("at"))
    db.execute(later, [{"mine": id, "at": at} for id, at in sorted(last.items())])
