"""The Uptime port on SQLAlchemy Core: what probes said, a row a second while it is fresh, then by windows that merge.

A batch of samples is one row of the journal. When a window of five minutes is over its samples become a chunk and a
bucket a probe; buckets become hours and days. Each step is reckoned anew from what is finer, so it may be done twice.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, text, update

from opsbot.errors import StoreError
from opsbot.evaluate import slo
from opsbot.model.period import Period
from opsbot.model.uptime import Bucket, Certified, Flip, Sample, Standing
from opsbot.ports import Uptime
from opsbot.store import rows, uptime_rows
from opsbot.store import tables as t
from opsbot.store.engine import in_turn, reading, translated, writing
from opsbot.store.ledger import upsert
from opsbot.store.uptime_rolling import (
    DAY,
    FINER,
    HOUR,
    SECOND,
    WINDOW,
    first,
    floor,
    journal,
    lower,
    note,
    numbers,
    roll_buckets,
    roll_journal,
    rolled_until,
    some_of,
    stored,
)
from opsbot.store.uptime_rows import COUNTED, Told

RAW, FINE, HOURLY = timedelta(days=14), timedelta(days=30), timedelta(days=730)
FLIPS = timedelta(days=400)
_TIDY = timedelta(hours=1)
# Who is gone without a word, machine and all, is taken for gone by the server after 10 s and three questions.
LEASE = timedelta(seconds=25)
_LEASE = (
    "SELECT set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '3', false)"
)
_TRY = "SELECT pg_try_advisory_lock(hashtextextended('opsbot/prober', 0))"
# Of a long gap so much is rolled up in one transaction: nobody waits longer for the database.
_SLICE = {HOUR: 6 * HOUR, DAY: 7 * DAY}


class SqlUptime:
    """Every method raises StoreError. `record` and `account` are one transaction; `roll_up` is several small ones."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watch: Connection | None = None
        self._watches = False
        self._forgot: datetime | None = None
        self._ids: dict[str, int] = {}

    def record(self, samples: Sequence[Sample], standings: Sequence[Standing], flips: Sequence[Flip]) -> None:
        """As in the port. The same batch given twice is kept once."""
        named = {one.probe for many in (samples, standings, flips) for one in many}
        ids = self._known(named)
        with writing(self._engine) as db:
            if samples:
                body = uptime_rows.journal(samples)
                new = upsert(db, t.probe_journal).on_conflict_do_nothing()
                lower(db, rows.micros(min(sample.at for sample in samples)), (WINDOW,))
                db.execute(new, {"id": hashlib.blake2b(body, digest_size=16).hexdigest(), "body": body})
            _put_standings(db, [uptime_rows.standing(one, ids[one.probe]) for one in standings])
            if flips:
                new = upsert(db, t.probe_flip).on_conflict_do_nothing()
                db.execute(new, [uptime_rows.flip(one, ids[one.probe]) for one in flips])

    def account(self, buckets: Sequence[Bucket]) -> None:
        ids = self._known({bucket.probe for bucket in buckets})
        with writing(self._engine) as db:
            in_turn(db, "uptime")
            for one in sorted(buckets, key=lambda bucket: (ids[bucket.probe], bucket.start)):
                _account(db, ids[one.probe], one)
            if buckets:
                lower(db, min(rows.micros(one.start) for one in buckets))

    def roll_up(self, now: datetime) -> None:
        with writing(self._engine) as db:
            in_turn(db, "uptime")
            roll_journal(db, rows.micros(now), numbers(db))
        for length in (HOUR, DAY):
            while self._roll_slice(length, rows.micros(now)):
                pass
        if self._forgot is None or abs(now - self._forgot) >= _TIDY:
            self._forget(now)
            self._forgot = now

    def samples(self, probe: str, period: Period) -> tuple[Sample, ...]:
        start, end = rows.micros(period.start), rows.micros(period.end)
        with reading(self._engine) as db:
            found = [told for told in journal(db) if told[0] == probe]
            mine = select(t.probe.c.id).where(t.probe.c.name == probe).scalar_subquery()
            near = t.probe_chunk.c.start.between(floor(start, WINDOW), end)
            for at, body in db.execute(
                select(t.probe_chunk.c.start, t.probe_chunk.c.body).where(t.probe_chunk.c.probe_id == mine, near)
            ):
                found += uptime_rows.read_chunk(probe, body, at)
        ordered = sorted({told[1]: told for told in found if start <= told[1] < end}.items())
        return tuple(uptime_rows.sample(told) for _, told in ordered)

    def buckets(
        self, period: Period, length: timedelta, probes: Collection[str] | None = None
    ) -> Mapping[str, tuple[Bucket, ...]]:
        seconds = int(length.total_seconds())
        if seconds not in (WINDOW, HOUR, DAY):
            raise ValueError(f"expected buckets of 5 minutes, an hour or a day, got {length}")
        # Whole buckets only: whoever asks from noon on for days gets that day.
        start, end = floor(rows.micros(period.start), seconds), rows.micros(period.end)
        with reading(self._engine) as db:
            names = {row.id: row.name for row in db.execute(select(t.probe.c.id, t.probe.c.name))}
            wanted = names if probes is None else {id: name for id, name in names.items() if name in probes}
            found = _read(db, seconds, start, end, wanted)
        return {name: found[name] for name in sorted(found)}

    def standings(self) -> Mapping[str, Standing]:
        """As in the port. `seen` of one that does not change is written now and then; its last sample knows better."""
        query = select(t.probe.c.name, t.probe_standing).join(t.probe_standing)
        with reading(self._engine) as db:
            found = db.execute(query.order_by(t.probe.c.name)).mappings().all()
            seen = {told[0]: told[1] for told in sorted(journal(db), key=lambda told: told[1])}
        return {
            row["name"]: uptime_rows.read_standing(
                row["name"], {**row, "seen": max(row["seen"], seen.get(row["name"], 0))}
            )
            for row in found
        }

    def keep(self, probes: Collection[str]) -> None:
        """Forget where all others stand: they are not probed any more. What they said is kept for its time."""
        gone = [name for name in self.standings() if name not in probes]
        ids = self._known(gone) if gone else {}
        with writing(self._engine) as db:
            for id in ids.values():
                db.execute(delete(t.probe_standing).where(t.probe_standing.c.probe_id == id))
                db.execute(update(t.probe_flip).where(t.probe_flip.c.probe_id == id).values(told=True))

    def untold(self) -> tuple[Flip, ...]:
        query = select(t.probe.c.name, t.probe_flip).join(t.probe_flip).where(t.probe_flip.c.told.is_(False))
        with reading(self._engine) as db:
            found = db.execute(query.order_by(t.probe_flip.c.at, t.probe.c.name)).mappings().all()
        return tuple(map(uptime_rows.read_flip, found))

    def told(self, flips: Sequence[Flip]) -> None:
        ids = self._known({flip.probe for flip in flips})
        with writing(self._engine) as db:
            for flip in flips:
                mine = (t.probe_flip.c.probe_id == ids[flip.probe], t.probe_flip.c.at == rows.micros(flip.at))
                db.execute(update(t.probe_flip).where(*mine).values(told=True))

    def certify(self, shown: Sequence[Certified]) -> None:
        ids = self._known({one.probe for one in shown})
        if not shown:
            return
        with writing(self._engine) as db:
            new = upsert(db, t.probe_certificate)
            kept = {name: new.excluded[name] for name in ("at", "not_after", "shown")}
            newer = t.probe_certificate.c.at <= new.excluded.at
            new = new.on_conflict_do_update(index_elements=["probe_id"], set_=kept, where=newer)
            db.execute(new, [uptime_rows.certified(one, ids[one.probe]) for one in shown])

    def certificates(self) -> Mapping[str, Certified]:
        query = select(t.probe.c.name, t.probe_certificate).join(t.probe_certificate).order_by(t.probe.c.name)
        with reading(self._engine) as db:
            found = db.execute(query).mappings().all()
        return {row["name"]: uptime_rows.read_certified(row) for row in found}

    def watching(self) -> bool:
        """Whether this process is the one that probes for this database: on a file always, else the first to ask. Ask
        again every few seconds; another takes over once this process, or its connection, is gone: at once, or within
        `LEASE` where the whole machine is. Raises StoreError."""
        if self._engine.dialect.name != "postgresql":
            return True
        try:
            with translated(self._engine):
                if self._watch is None:
                    self._watch = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                    self._watch.execute(text(_LEASE))
                ask = "SELECT true" if self._watches else _TRY
                self._watches = bool(self._watch.scalar(text(ask)))
                return self._watches
        except StoreError:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Another may probe now."""
        watch, self._watch, self._watches = self._watch, None, False
        if watch is not None:
            # Not back into the pool: the lock goes with the session.
            watch.invalidate()
            watch.close()

    def _known(self, names: Collection[str]) -> dict[str, int]:
        """The number of each name; new ones get one."""
        if any(name not in self._ids for name in names):
            with writing(self._engine) as db:
                found = numbers(db)
                new = sorted({rows.text(name) for name in names} - found.keys())
                if new:
                    in_turn(db, "probes")
                    db.execute(
                        upsert(db, t.probe).on_conflict_do_nothing(index_elements=["name"]),
                        [{"name": name} for name in new],
                    )
                    found = numbers(db)
            self._ids = found
        return {name: self._ids[rows.text(name)] for name in names}

    def _roll_slice(self, length: int, now: int) -> bool:
        """One stretch of buckets of this length; whether there is more to do."""
        with writing(self._engine) as db:
            in_turn(db, "uptime")
            until = floor(min(rolled_until(db, FINER[length]), now), length)
            ids = numbers(db).values()
            begin = first(db, FINER[length], floor(rolled_until(db, length), length), until, ids)
            end = until if begin is None else min(until, floor(begin, length) + _SLICE[length] * SECOND)
            if begin is not None:
                roll_buckets(db, length, floor(begin, length), end, ids)
            if end > rolled_until(db, length):
                note(db, length, end)
            return end < until

    def _forget(self, now: datetime) -> None:
        chunk, bucket = t.probe_chunk.c, t.probe_bucket.c
        with reading(self._engine) as db:
            ids = sorted(numbers(db).values())
        for some in some_of(ids):
            with writing(self._engine) as db:
                # By number and moment, which is the key: nothing else is looked at.
                db.execute(delete(t.probe_chunk).where(chunk.probe_id.in_(some), chunk.start < rows.micros(now - RAW)))
                for length, kept in ((WINDOW, FINE), (HOUR, HOURLY)):
                    old = (bucket.length == length, bucket.probe_id.in_(some), bucket.start < rows.micros(now - kept))
                    db.execute(delete(t.probe_bucket).where(*old))
        with writing(self._engine) as db:
            db.execute(delete(t.probe_flip).where(t.probe_flip.c.told, t.probe_flip.c.at < rows.micros(now - FLIPS)))


def _put_standings(db: Connection, values: list[dict[str, Any]]) -> None:
    if values:
        new = upsert(db, t.probe_standing)
        kept = {name: new.excluded[name] for name in ("state", "since", "seen", "rest")}
        db.execute(new.on_conflict_do_update(index_elements=["probe_id"], set_=kept), values)


def _account(db: Connection, id: int, one: Bucket) -> None:
    start = floor(rows.micros(one.start), WINDOW)
    added = {"missing": one.missing, "pardoned": one.excused}
    empty = dict.fromkeys(COUNTED, 0) | {"seconds_sum": 0.0, "seconds_max": 0.0, "counts": b""}
    new = upsert(db, t.probe_bucket).values({"length": WINDOW, "probe_id": id, "start": start} | empty | added)
    more = {name: t.probe_bucket.c[name] + new.excluded[name] for name in added}
    db.execute(new.on_conflict_do_update(index_elements=["length", "probe_id", "start"], set_=more))


def _read(db: Connection, length: int, start: int, end: int, names: Mapping[int, str]) -> dict[str, tuple[Bucket, ...]]:
    """Complete buckets as they are stored, later ones from what is finer."""
    if length == WINDOW:
        return _finest(db, start, end, names)
    until = floor(rolled_until(db, length), length)
    found: dict[str, list[Bucket]] = defaultdict(list)
    for row in stored(db, length, start, min(end, until), names):
        found[names[row["probe_id"]]].append(uptime_rows.bucket(names[row["probe_id"]], row))
    later = _read(db, FINER[length], max(start, until), end, names) if end > until else {}
    for name, buckets in later.items():
        found[name] += slo.merged(buckets, timedelta(seconds=length))
    return {name: tuple(buckets) for name, buckets in found.items()}


def _finest(db: Connection, start: int, end: int, names: Mapping[int, str]) -> dict[str, tuple[Bucket, ...]]:
    found: dict[str, list[Bucket]] = defaultdict(list)
    for row in stored(db, WINDOW, start, end, names):
        found[names[row["probe_id"]]].append(uptime_rows.bucket(names[row["probe_id"]], row))
    known = set(names.values())
    fresh: dict[tuple[str, int], dict[int, Told]] = defaultdict(dict)
    for told in journal(db):
        if start <= told[1] < end and told[0] in known:
            fresh[told[0], floor(told[1], WINDOW)][told[1]] = told
    for (name, at), many in fresh.items():
        row = uptime_rows.counted(many.values()) | {"start": at, "length": WINDOW}
        found[name].append(uptime_rows.bucket(name, row))
    return {name: slo.merged(buckets, timedelta(seconds=WINDOW)) for name, buckets in found.items()}


def _conforms(uptime: SqlUptime) -> Uptime:
    return uptime
