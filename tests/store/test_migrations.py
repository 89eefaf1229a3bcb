"""Every released schema comes up to this program's with its data, on both databases, whatever happens in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import column, insert, table, text

from opsbot.errors import StoreError
from opsbot.model.message import Delivery
from opsbot.model.run import Cause, RunState
from opsbot.model.status import Status
from opsbot.store import open_store, rows, schema
from opsbot.store.engine import connect, reading, writing
from opsbot.store.sql import SqlStore
from opsbot.store.tables import metadata
from tests import postgres
from tests.contracts.test_store_contract import finding
from tests.outbox.world import START

AT = rows.micros(START)
# What the first release left behind: a run with all it has, one that was at work, and a message still to be told.
FIRST: dict[str, tuple[dict[str, object], ...]] = {
    "run": (
        {
            "id": "r1",
            "state": "succeeded",
            "scheduled_for": AT,
            "started_at": AT,
            "finished_at": AT,
            "verdict": "action",
        },
        {
            "id": "r2",
            "state": "running",
            "scheduled_for": None,
            "started_at": AT + 1,
            "finished_at": None,
            "verdict": "",
        },
    ),
    "finding": ({"run_id": "r1", "position": 0, "key": "k", "status": "critical"},),
    "latest": ({"job": "health", "key": "k", "status": "critical", "at": AT},),
    "artifact": ({"run_id": "r1", "position": 0, "format": "html", "body": zlib.compress(b"<p>")},),
    "message": (
        {"id": "m1", "channel": "slack", "key": "k", "seq": 1, "created_at": AT, "run_id": "r1", "attempts": 1},
    ),
    "delivery_attempt": ({"message_id": "m1", "n": 1, "started_at": AT, "outcome": "", "error": ""},),
}
USAGE = '{"calls": [["s3:List", 3]], "metrics": 5, "datapoints": 0, "usd": 0.5, "throttled": 0}'
ALL_OF: dict[str, dict[str, object]] = {
    "run": {
        "job": "health",
        "at": AT,
        "attempt": 1,
        "headline": "2 of 8",
        "error": "",
        "usage": USAGE,
        "ok_findings": 7,
    },
    "finding": {"payload": rows.dump_finding(finding(Status.CRITICAL))},
    "message": {"to": "", "subject": "s", "body": b"{}", "state": "queued", "provider_id": "", "error": "reset"},
}


@pytest.fixture(params=["file", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it."""
    return f"sqlite:///{tmp_path}/opsbot.db" if request.param == "file" else postgres.server().database(migrated=False)


def released(url: str, revision: str) -> None:
    """The database as the release with this schema left it."""
    engine = connect(url)
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with writing(engine) as db:
        config.attributes["connection"] = db
        command.upgrade(config, "0001")
        for name, filled in FIRST.items():
            for row in filled:
                values = ALL_OF.get(name, {}) | row
                there = table(name, *(column(key) for key in values))
                db.execute(insert(there).values(values))
        command.upgrade(config, revision)
    engine.dispose()


def version(url: str) -> str | None:
    engine = connect(url)
    with reading(engine) as db:
        found = schema.current(db)
    engine.dispose()
    return found


def everything_is_there(store: SqlStore) -> None:
    ended, lost = store.run("r1"), store.run("r2")
    assert ended is not None
    assert lost is not None
    assert (ended.queued_at, ended.started_at, ended.scheduled_for, ended.finished_at) == (START,) * 4
    assert (ended.cause, ended.headline, ended.usage.usd, store.ok_findings("r1")) == (Cause.MANUAL, "2 of 8", 0.5, 7)
    assert (lost.state, lost.lease_until, store.ledger().expired(START)) == (RunState.LOST, None, ())
    assert (store.findings("r1"), store.artifacts("r1")[0].body) == ((finding(Status.CRITICAL),), b"<p>")
    assert store.history().statuses("health") == {"k": Status.CRITICAL}
    assert [(told.id, told.state, told.attempts) for told in store.messages()] == [("m1", Delivery.QUEUED, 1)]
    claimed = store.claim(START, 60)
    assert claimed is not None
    assert claimed.attempts == 2


@pytest.mark.parametrize("revision", schema.REVISIONS)
def test_f32_every_released_schema_comes_up_with_its_data(empty: str, revision: str) -> None:
    released(empty, revision)
    store = open_store(empty)
    with reading(store.engine) as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []
        assert schema.current(db) == schema.HEAD
    everything_is_there(store)
    store.close()


def test_f32_a_migration_that_is_killed_leaves_the_old_schema(empty: str) -> None:
    released(empty, "0001")
    code = (
        "import os\nfrom sqlalchemy import event\n"
        "from opsbot.store import schema\nfrom opsbot.store.engine import connect\n"
        f"engine = connect({empty!r})\n"
        "@event.listens_for(engine, 'before_cursor_execute')\n"
        "def stop(conn, cursor, statement, *rest):\n"
        "    if 'CREATE TABLE worker' in statement: os._exit(9)\n"
        "schema.migrate(engine)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert version(empty) == "0001"
    store = open_store(empty)
    everything_is_there(store)
    store.close()


def test_f32_the_way_back_is_a_copy_made_before_the_upgrade(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/opsbot.db"
    released(url, "0001")
    open_store(url).close()
    copy = tmp_path / "backups" / "opsbot-schema-0001.db"
    assert version(f"sqlite:///{copy}") == "0001"
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT count(*) FROM message").fetchone() == (1,)


def test_f32_a_newer_schema_is_refused_and_left_as_it_is(empty: str) -> None:
    open_store(empty).close()
    _becomes_newer(empty)
    with pytest.raises(
        StoreError, match=f"its schema 0999 is newer than this opsbot knows \\({schema.HEAD}\\)"
    ) as told:
        open_store(empty, now=START)
    assert "newer opsbot" in told.value.hint
    assert version(empty) == "0999"


def _becomes_newer(url: str) -> None:
    engine = connect(url)
    with writing(engine) as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    engine.dispose()


def test_a_daemon_takes_no_more_work_once_a_newer_one_has_migrated(empty: str) -> None:
    store = open_store(empty)
    assert store.ledger().claim("a", START, 30, {}) is None
    _becomes_newer(empty)
    with pytest.raises(StoreError, match=r"its schema became 0999; this opsbot knows \d+ and takes no more work"):
        store.ledger().claim("a", START, 30, {})
    store.close()


def test_replicas_that_start_together_migrate_once(empty: str) -> None:
    failed: list[BaseException] = []

    def begin() -> None:
        try:
            open_store(empty).close()
        except StoreError as error:
            failed.append(error)

    replicas = [threading.Thread(target=begin) for _ in range(4)]
    for replica in replicas:
        replica.start()
    for replica in replicas:
        replica.join()
    assert (failed, version(empty)) == ([], schema.HEAD)
