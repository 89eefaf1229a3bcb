"""What keeping costs, on SQLite and on PostgreSQL: commits, claims, what an idle daemon asks, retention, backup.

    nice -n 19 python benchmarks/store.py

Wall-clock milliseconds; of what can be repeated the fastest, so that a busy machine matters less. SQLite waits for the
disk at each commit, this PostgreSQL does not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import text

from opsbot.model.finding import Finding
from opsbot.model.run import Attempt, Cause, Run, RunState
from opsbot.model.status import Status
from opsbot.model.timetable import Clockwork, Overlap, Worker
from opsbot.model.units import Unit
from opsbot.ports import Artifact
from opsbot.store import open_store
from opsbot.store.backup import fault_of
from opsbot.store.engine import writing
from opsbot.store.sql import SqlStore
from tests import postgres

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
OVERLAPS = {"daily_health": Overlap.QUEUE}
Row = tuple[str, float, float]


def finding(n: int, status: Status) -> Finding:
    told = {"check": "ecs-cpu", "environment": "dhbw-prod", "title": "ECS CPU", "area": "ecs", "summary": "CPU 93 %"}
    return Finding(resource=f"service-{n}", status=status, at=NOW, unit=Unit.PERCENT, value=93.1, **told)


def run(id: str, at: datetime = NOW, **changes: object) -> Run:
    told: dict[str, object] = {"job": "daily_health", "queued_at": at, "at": at, "state": RunState.QUEUED, "attempt": 0}
    return Run(id=id, **told | changes)  # type: ignore[arg-type]


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def best(work: Callable[[], object], times: int) -> float:
    return min(milliseconds(work) for _ in range(times))


def commits(store: SqlStore) -> Iterator[Row]:
    bad = [finding(n, Status.CRITICAL) for n in range(20_500)]
    well = [finding(n, Status.OK) for n in range(20_000)] + bad[:500]
    ids = count()

    def commit(findings: Sequence[Finding]) -> Callable[[], None]:
        ended = {"state": RunState.SUCCEEDED, "attempt": 1}
        return lambda: store.commit(run(f"b{next(ids)}", **ended), findings, (), ())

    yield "20,500 findings, 500 not ok", best(commit(well), 3), 500
    yield "20,500 findings, none ok", best(commit(bad), 3), 1500
    yield "all but 500 of them ok again", milliseconds(commit(well)), 1500


def turns(store: SqlStore) -> Iterator[Row]:
    """A run from its fire to its end: planned, claimed, committed, its usage noted."""
    ledger, number = store.ledger(), 100
    fires = [NOW + timedelta(minutes=n) for n in range(number)]
    rows = [run(f"f{n}", at, scheduled_for=at, cause=Cause.SCHEDULE) for n, at in enumerate(fires)]
    cursor = Clockwork(job="daily_health", cursor=fires[-1], cron="* * * * *")
    yield "plan 100 fires", milliseconds(lambda: ledger.plan(cursor, rows)), 100

    def turn() -> None:
        taken = ledger.claim("bench", fires[-1], 30, OVERLAPS)
        assert taken is not None
        ended = replace(taken, state=RunState.SUCCEEDED, finished_at=NOW)
        store.commit(ended, (finding(1, Status.CRITICAL),), (), ())
        ledger.end(ended, Attempt(n=1, owner="bench", started_at=NOW, ended_at=NOW, exit_code=0))

    yield "claim, commit and end one run", best(turn, number), 50


def idle(store: SqlStore) -> Iterator[Row]:
    """What a daemon asks many times a second, with 400 days of hourly runs in the store."""
    ledger = store.ledger()
    fires = [NOW - timedelta(hours=n) for n in range(9600)]
    done = {"state": RunState.SUCCEEDED, "finished_at": NOW}
    ledger.plan(
        Clockwork(job="hourly", cursor=NOW, cron="0 * * * *"),
        [run(f"old-{n}", at, job="hourly", scheduled_for=at, started_at=at, **done) for n, at in enumerate(fires)],
    )
    with writing(store.engine) as db:
        # As any server does by itself within a minute.
        db.execute(text("ANALYZE"))
    worker = Worker(id="bench", host="box", pid=1, version="1", started_at=NOW, beat=NOW)
    yield "when is a run due?", best(lambda: ledger.due(NOW), 300), 1
    yield "claim, with nothing due", best(lambda: ledger.claim("bench", NOW, 30, OVERLAPS), 300), 2
    yield "when is a message due?", best(lambda: store.messages_due(datetime.now(UTC)), 300), 2
    yield "expired leases", best(lambda: ledger.expired(NOW), 300), 2
    yield "the job's last ten runs", best(lambda: ledger.last("hourly", 10), 100), 5
    yield "beat", best(lambda: ledger.beat(worker, {}, 30), 50), 20


def ageing(store: SqlStore) -> Iterator[Row]:
    """A year on: 400 runs of 50 findings and a 30 kB report each go at once; the longest wait they cause a writer."""
    report, old = Artifact(run_id="", format="html", body=b"<p>" * 10_000), NOW - timedelta(days=500)
    for n in range(400):
        at = old + timedelta(minutes=n)
        made = run(f"aged-{n}", at, job="aged", state=RunState.SUCCEEDED, started_at=at, attempt=1)
        store.commit(made, [finding(k, Status.CRITICAL) for k in range(50)], (), (replace(report, run_id=made.id),))
    yield "drop 400 old runs", milliseconds(lambda: store.prune(NOW)), 2000
    if store.backups is not None:
        file = Path(str(store.engine.url.database))
        size = f"{file.stat().st_size / 1e6:.0f} MB"
        yield f"backup of {size}, proven sound", milliseconds(lambda: store.back_up(file.parent / "backups", NOW)), 3000
        yield f"look at {size} on start", milliseconds(lambda: fault_of(file)), 500


def table(name: str, store: SqlStore) -> bool:
    print(f"{name:<34}{'ms':>10}{'budget':>10}")
    kept = True
    for work in (commits, turns, idle, ageing):
        for what, took, budget in work(store):
            kept &= took <= budget
            print(f"  {what:<32}{took:>10.2f}{budget:>10.0f}  {'ok' if took <= budget else 'MISSED'}", flush=True)
    store.close()
    return kept


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        kept = table("SQLite", open_store(f"sqlite:///{folder}/opsbot.db"))
    kept &= table("PostgreSQL", open_store(postgres.server().database()))
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
