"""What the web page and its metrics ask of the store: counts and slices, so that no page ever reads a table whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import CompoundSelect, Select, Subquery, case, exists, func, select, union_all

from opsbot.model.finding import Finding
from opsbot.model.message import Delivery
from opsbot.model.run import Run, RunState
from opsbot.model.status import Status
from opsbot.ports import Artifact
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.engine import reading
from opsbot.store.sql import SqlStore

ENDED = tuple(state.value for state in RunState if state.ended)
_BEGUN = tuple(state for state in ENDED if state != RunState.SKIPPED)
# SQLite takes 500 parts in one statement; PostgreSQL plans fewer faster.
_AT_ONCE = 50
# No run lasts longer than this from its row to its end: the tally need not look at older rows.
LONGEST_RUN = timedelta(days=3)


class Glance(NamedTuple):
    """A run as one bar of many. `at` is the moment it judged, `ended` when it ended."""

    id: str
    state: RunState
    verdict: str
    at: datetime
    ended: datetime | None = None


class Standing(NamedTuple):
    """The last known status of something that is not OK, as of `at`."""

    job: str
    key: str
    status: Status
    at: datetime


class Letter(NamedTuple):
    """A message without its body."""

    id: str
    channel: str
    to: str
    subject: str
    state: Delivery
    attempts: int
    created_at: datetime
    due: datetime | None
    error: str
    run_id: str


class Backlog(NamedTuple):
    """Messages of one channel in one state. `oldest` is when the first of them was made."""

    channel: str
    state: Delivery
    number: int
    oldest: datetime


class Ended(NamedTuple):
    """What the metrics add up of a run that ended."""

    id: str
    attempt: int
    job: str
    state: RunState
    seconds: float | None
    cpu_seconds: float
    calls: tuple[tuple[str, int], ...]
    metrics: int
    throttled: int
    usd: float


class Overview:
    """Read only, one short transaction a question. Every method raises StoreError."""

    def __init__(self, store: SqlStore) -> None:
        self._engine = store.engine

    def recent(self, jobs: Sequence[str], limit: int) -> Mapping[str, tuple[Glance, ...]]:
        """The newest runs of each job that ended and were not skipped, newest first."""
        found: dict[str, list[Glance]] = {job: [] for job in jobs}
        for start in range(0, len(jobs), _AT_ONCE):
            # One statement for many jobs: asking one by one costs more in asking than in looking.
            each = [select(_newest(job, limit)) for job in jobs[start : start + _AT_ONCE]]
            for id, job, state, verdict, at, over in self._tuples(union_all(*each)):
                found[job].append(Glance(id, RunState(state), verdict, _at(at), rows.moment(over)))
        return {job: tuple(glances) for job, glances in found.items()}

    def runs(
        self, *, job: str = "", states: Collection[RunState] = (), limit: int = 50, offset: int = 0
    ) -> tuple[Run, ...]:
        """The newest first."""
        query = _of_job(select(t.run), job)
        if states:
            query = query.where(t.run.c.state.in_([state.value for state in states]))
        query = query.order_by(t.run.c.queued_at.desc(), t.run.c.id.desc()).limit(limit).offset(offset)
        return tuple(map(rows.read_run, self._all(query)))

    def reported(self, *, job: str = "", limit: int = 50, offset: int = 0) -> tuple[Run, ...]:
        """Runs that left a report, the newest first."""
        left = exists().where(t.artifact.c.run_id == t.run.c.id, t.artifact.c.format == "html")
        query = _of_job(select(t.run).where(left), job)
        query = query.order_by(t.run.c.queued_at.desc(), t.run.c.id.desc()).limit(limit).offset(offset)
        return tuple(map(rows.read_run, self._all(query)))

    def those(self, ids: Collection[str]) -> Mapping[str, Run]:
        """By their whole ids; those there are."""
        found = self._all(select(t.run).where(t.run.c.id.in_(ids))) if ids else ()
        return {row["id"]: rows.read_run(row) for row in found}

    def formats(self, run_id: str) -> tuple[str, ...]:
        """In which formats a run left its report."""
        query = select(t.artifact.c.format).where(t.artifact.c.run_id == run_id).order_by(t.artifact.c.position)
        return tuple(row["format"] for row in self._all(query))

    def report(self, run_id: str, format: str) -> Artifact | None:
        """A stored report as it was shown."""
        query = select(t.artifact).where(t.artifact.c.run_id == run_id, t.artifact.c.format == format).limit(1)
        found = self._all(query)
        return rows.read_artifact(found[0]) if found else None

    def standing(self) -> tuple[Standing, ...]:
        """Everything that is not OK as far as is known."""
        latest, status = t.latest.c, {each.value: each for each in Status}
        found = self._tuples(select(latest.job, latest.key, latest.status, latest.at))
        # Thousands of rows of a bad morning, and hardly a handful of moments.
        moments = {at: _at(at) for at in {row[3] for row in found}}
        return tuple(Standing(job, key, status[said], moments[at]) for job, key, said, at in found)

    def standing_counts(self) -> Mapping[tuple[str, Status], int]:
        """How many things that are not OK, by job and status."""
        latest = t.latest.c
        query = select(latest.job, latest.status, func.count()).group_by(latest.job, latest.status)
        return {(job, Status(status)): int(number) for job, status, number in self._tuples(query)}

    def said(self, run_ids: Collection[str], keys: Collection[str]) -> Mapping[str, Finding]:
        """What these runs said of these things, by key."""
        found = t.finding.c
        query = select(found.key, found.payload).where(found.key.in_(keys), found.run_id.in_(run_ids))
        return {row["key"]: rows.load_finding(row["payload"]) for row in self._all(query)} if keys and run_ids else {}

    def statuses(self, run_id: str) -> Mapping[Status, int]:
        """How many findings of a run had which status."""
        found = t.finding.c
        query = select(found.status, func.count().label("n")).where(found.run_id == run_id).group_by(found.status)
        bad = {Status(row["status"]): int(row["n"]) for row in self._all(query)}
        fine = self._all(select(t.run.c.ok_findings).where(t.run.c.id == run_id))
        return bad | ({Status.OK: int(fine[0]["ok_findings"])} if fine else {})

    def backlog(self) -> tuple[Backlog, ...]:
        """What the outbox keeps, by channel and state."""
        message = t.message.c
        oldest, n = func.min(message.created_at).label("oldest"), func.count().label("n")
        query = select(message.channel, message.state, n, oldest).group_by(message.channel, message.state)
        found = self._all(query.order_by(message.channel, message.state))
        return tuple(
            Backlog(row["channel"], Delivery(row["state"]), int(row["n"]), _at(row["oldest"])) for row in found
        )

    def letters(
        self, *, states: Collection[Delivery] = (), run_id: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[Letter, ...]:
        """Messages without their bodies: those that wait, then the newest first."""
        message = t.message.c
        names = ("id", "channel", "to", "subject", "state", "attempts", "created_at", "not_before", "error", "run_id")
        query = select(*(message[name] for name in names))
        if states:
            query = query.where(message.state.in_([state.value for state in states]))
        if run_id:
            query = query.where(message.run_id == run_id)
        settled = case((message.state.in_(("sent", "superseded")), 1), else_=0)
        found = self._all(query.order_by(settled, message.created_at.desc(), message.id).limit(limit).offset(offset))
        return tuple(map(_letter, found))

    def in_state(self) -> Mapping[tuple[str, RunState], int]:
        """How many runs of each job wait or are at work."""
        run = t.run.c
        query = select(run.job, run.state, func.count().label("n")).where(run.state.in_(("queued", "running")))
        found = self._all(query.group_by(run.job, run.state))
        return {(row["job"], RunState(row["state"])): int(row["n"]) for row in found}

    def ended(self, since: datetime) -> tuple[Ended, ...]:
        """Runs that ended at or after a moment."""
        run = t.run.c
        names = ("id", "attempt", "job", "state", "started_at", "finished_at", "cpu_seconds", "usage")
        query = select(*(run[name] for name in names)).where(
            run.queued_at >= rows.micros(since - LONGEST_RUN),
            run.finished_at >= rows.micros(since),
            run.state.in_(ENDED),
        )
        return tuple(map(_ended, self._all(query)))

    def _tuples(self, query: Select[Any] | CompoundSelect[Any]) -> Sequence[Any]:
        with reading(self._engine) as db:
            return db.execute(query).all()

    def _all(self, query: Select[Any]) -> Sequence[rows.Row]:
        with reading(self._engine) as db:
            return [dict(row) for row in db.execute(query).mappings()]


def _newest(job: str, limit: int) -> Subquery:
    run = t.run.c
    names = (run.id, run.job, run.state, run.verdict, run.at, run.finished_at)
    query = select(*names).where(run.job == job, run.state.in_(_BEGUN))
    return query.order_by(run.queued_at.desc(), run.id.desc()).limit(limit).subquery()


def _of_job(query: Select[Any], job: str) -> Select[Any]:
    return query.where(t.run.c.job == job) if job else query


def _at(value: int) -> datetime:
    moment = rows.moment(value)
    assert moment is not None  # noqa: S101  the column is NOT NULL
    return moment


def _letter(row: rows.Row) -> Letter:
    told = {name: row[name] for name in ("id", "channel", "to", "subject", "attempts", "error", "run_id")}
    return Letter(
        **told, state=Delivery(row["state"]), created_at=_at(row["created_at"]), due=rows.moment(row["not_before"])
    )


def _ended(row: rows.Row) -> Ended:
    usage = orjson.loads(row["usage"])
    begun, over = row["started_at"], row["finished_at"]
    return Ended(
        id=row["id"],
        attempt=row["attempt"],
        job=row["job"],
        state=RunState(row["state"]),
        seconds=None if begun is None or over is None else max(0.0, (over - begun) / 1e6),
        cpu_seconds=row["cpu_seconds"],
        calls=tuple((name, int(count)) for name, count in usage["calls"]),
        metrics=int(usage["metrics"]),
        throttled=int(usage["throttled"]),
        usd=float(usage["usd"]),
    )
