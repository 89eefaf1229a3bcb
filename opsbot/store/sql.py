"""The Store on SQLAlchemy Core: SQLite in WAL mode today, and nothing here that another database would not do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Connection,
    Engine,
    Select,
    Table,
    Text,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from opsbot.errors import Fenced, StoreError
from opsbot.model.finding import Finding
from opsbot.model.message import Message, Standing
from opsbot.model.run import Run, RunState
from opsbot.model.status import Status
from opsbot.ports import Artifact
from opsbot.ports.alerts import Turn
from opsbot.store import backup, cost_retention, incident_retention, lines, retention, rows, trends_retention
from opsbot.store import tables as t
from opsbot.store.alerts import SqlAlerts, take_turn
from opsbot.store.audit import SqlAudit
from opsbot.store.cards import placed
from opsbot.store.claiming import start_attempt
from opsbot.store.engine import in_turn, reading, writing
from opsbot.store.incidents import SqlIncidents
from opsbot.store.journal import SqlJournal
from opsbot.store.ledger import SqlLedger, upsert
from opsbot.store.outbox import SqlOutbox
from opsbot.store.recovery import Recovered
from opsbot.store.retention import Pruned
from opsbot.store.uptime import SqlUptime

if TYPE_CHECKING:
    from opsbot.store.costs import SqlCosts
    from opsbot.store.trends import SqlTrends

# Keys in one statement: every database takes so many.
_CHUNK = 500


class SqlStore(SqlOutbox):
    """Runs, findings, messages and reports; one transaction a run. Every method raises StoreError."""

    def __init__(self, engine: Engine, recovered: Recovered | None = None) -> None:
        """`recovered`: what became of a damaged file when this store was opened."""
        self.engine = engine
        self.recovered = recovered

    @property
    def backups(self) -> Path | None:
        """Where `open_store` looks for backups; None where the database has its own means."""
        file = backup.database_file(self.engine)
        return file and backup.backup_folder(file)

    def back_up(self, folder: Path, now: datetime) -> Path | None:
        """A copy proven sound, the newest three kept; None where the database has its own means. Others go on writing."""
        file = backup.database_file(self.engine)
        return file and backup.back_up(file, folder, now)

    def prune(self, now: datetime) -> Pruned:
        """Drop what nobody asks for any more, in small transactions; nothing that still has to be told."""
        cost_retention.forget(self.engine, now)
        trends_retention.forget(self.engine, now)
        incident_retention.forget(self.engine, now)
        return retention.prune(self.engine, now)

    def close(self) -> None:
        self.engine.dispose()

    def begin(self, run: Run) -> None:
        values = rows.run(run, 0)
        with writing(self.engine) as db:
            db.execute(insert(t.run).values(values))
            if run.state is RunState.RUNNING:
                start_attempt(db, values)

    def commit(
        self,
        run: Run,
        findings: Sequence[Finding],
        messages: Sequence[Message],
        artifacts: Sequence[Artifact],
        turn: Turn | None = None,
        cards: Sequence[Standing] = (),
    ) -> None:
        bad = [finding for finding in findings if finding.status is not Status.OK]
        with writing(self.engine) as db:
            in_turn(db, f"job/{run.job}")
            _end(db, run, len(findings) - len(bad))
            _add_many(db, t.finding, [rows.finding(value, run.id, n) for n, value in enumerate(bad)])
            _remember(db, run, findings)
            lines.queue(db, (*messages, *placed(db, cards)))
            _add(db, t.artifact, (rows.artifact(value, n) for n, value in enumerate(artifacts)))
            if turn is not None:
                take_turn(db, turn)

    def runs(self, *, job: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        query = select(t.run).order_by(t.run.c.queued_at.desc(), t.run.c.at.desc(), t.run.c.id.desc()).limit(limit)
        if job is not None:
            query = query.where(t.run.c.job == job)
        return tuple(map(rows.read_run, self._all(query)))

    def run(self, id: str) -> Run | None:
        """Raises StoreError when several runs begin so: it names some."""
        found = self._all(select(t.run).where(t.run.c.id == id))
        if not found and id:
            begins = func.substr(t.run.c.id, 1, len(id)) == id
            found = self._all(select(t.run).where(begins).order_by(t.run.c.id).limit(4))
        if len(found) > 1:
            names = ", ".join(row["id"] for row in found[:3])
            raise StoreError(f"several runs begin with {id!r}: {names}", hint="give more of the id")
        return rows.read_run(found[0]) if found else None

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]:
        query = select(t.artifact).where(t.artifact.c.run_id == run_id).order_by(t.artifact.c.position)
        return tuple(map(rows.read_artifact, self._all(query)))

    def findings(self, run_id: str) -> tuple[Finding, ...]:
        """What was not OK, in the order it was committed."""
        query = select(t.finding.c.payload).where(t.finding.c.run_id == run_id).order_by(t.finding.c.position)
        return tuple(rows.load_finding(row["payload"]) for row in self._all(query))

    def ok_findings(self, run_id: str) -> int:
        """How many findings of this run were OK: they are counted, not kept."""
        found = self._all(select(t.run.c.ok_findings).where(t.run.c.id == run_id))
        return int(found[0]["ok_findings"]) if found else 0

    def history(self) -> SqlHistory:
        return SqlHistory(self.engine)

    def ledger(self) -> SqlLedger:
        return SqlLedger(self.engine)

    def alerts(self) -> SqlAlerts:
        return SqlAlerts(self.engine)

    def uptime(self) -> SqlUptime:
        return SqlUptime(self.engine)

    def costs(self) -> SqlCosts:
        # numpy comes with it, which a daemon that only sends and schedules must not pay for.
        from opsbot.store.costs import SqlCosts

        return SqlCosts(self.engine)

    def trends(self) -> SqlTrends:
        from opsbot.store.trends import SqlTrends

        return SqlTrends(self.engine)

    def incidents(self) -> SqlIncidents:
        return SqlIncidents(self.engine)

    def journal(self) -> SqlJournal:
        return SqlJournal(self.engine)

    def audit(self) -> SqlAudit:
        return SqlAudit(self.engine)

    def _all(self, query: Select[Any]) -> Sequence[rows.Row]:
        with reading(self.engine) as db:
            return [dict(row) for row in db.execute(query).mappings()]


class SqlHistory:
    """What was found before."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def statuses(self, job: str) -> Mapping[str, Status]:
        with reading(self._engine) as db:
            found = db.execute(select(t.latest.c.key, t.latest.c.status).where(t.latest.c.job == job)).all()
        return {key: Status(status) for key, status in found}


def _add(db: Connection, table: Table, values: Iterable[dict[str, Any]]) -> None:
    if many := list(values):
        db.execute(insert(table), many)


def _add_many(db: Connection, table: Table, many: list[dict[str, Any]], replaced: Sequence[str] = ()) -> None:
    """Thousands of rows of texts and numbers; those there already get the `replaced` columns."""
    if not many:
        return
    new = upsert(db, table)
    in_one = db.dialect.name == "postgresql"
    if in_one:
        # As one JSON text: a row's price as parameters of its own is twenty times that.
        given = func.json_to_recordset(cast(literal(rows.dump(many), Text), JSON))
        columns = given.table_valued(*(table.c[name] for name in many[0])).render_derived(with_types=True)
        new = new.from_select(list(many[0]), select(columns))
    if replaced:
        kept = {name: new.excluded[name] for name in replaced}
        new = new.on_conflict_do_update(index_elements=list(table.primary_key), set_=kept)
    db.execute(new, None if in_one else many)


_END = ("state", "finished_at", "reason", "verdict", "headline", "error", "usage", "ok_findings", "lease_until")


def _end(db: Connection, run: Run, ok_findings: int) -> None:
    """Raises Fenced for a run that is somebody else's by now. One the ledger never had is kept all the same."""
    values = rows.run(replace(run, lease_until=None), ok_findings)
    held = (t.run.c.id == run.id, t.run.c.state == RunState.RUNNING.value, t.run.c.attempt == run.attempt)
    if db.execute(update(t.run).where(*held).values({name: values[name] for name in _END})).rowcount:
        _end_attempt(db, values)
        return
    found = db.execute(select(t.run.c.state, t.run.c.attempt).where(t.run.c.id == run.id)).first()
    if found is not None:
        raise Fenced(
            f"run {run.id}: expected to end attempt {run.attempt}, found it {found.state} at attempt {found.attempt}",
            hint="another worker has it, or it was given up; what this attempt found out is not kept",
        )
    db.execute(insert(t.run).values(values))


def _end_attempt(db: Connection, run: dict[str, Any]) -> None:
    mine = (t.run_attempt.c.run_id == run["id"], t.run_attempt.c.n == run["attempt"])
    db.execute(update(t.run_attempt).where(*mine).values(outcome=run["state"], ended_at=run["finished_at"]))
    # An attempt before this one may have failed and said so; what it found is replaced.
    for table in (t.finding, t.artifact):
        db.execute(delete(table).where(table.c.run_id == run["id"]))


def _remember(db: Connection, run: Run, findings: Sequence[Finding]) -> None:
    """Only what is not OK stays known; what this run did not look at stays as it was."""
    bad = {rows.text(finding.key): finding.status.value for finding in findings if finding.status is not Status.OK}
    known = set(db.scalars(select(t.latest.c.key).where(t.latest.c.job == run.job)))
    well = sorted(known & {rows.text(finding.key) for finding in findings} - bad.keys()) if known else []
    for start in range(0, len(well), _CHUNK):
        some = t.latest.c.key.in_(well[start : start + _CHUNK])
        db.execute(delete(t.latest).where(t.latest.c.job == run.job, some))
    at = rows.micros(run.at)
    seen = [{"job": run.job, "key": key, "status": status, "at": at} for key, status in bad.items()]
    _add_many(db, t.latest, seen, replaced=("status", "at"))
