"""Opening a store: migrations, and every way in which the file can be wrong told in a line."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from opsbot.errors import StoreError
from opsbot.store import open_store, schema
from opsbot.store.engine import connect, reading, writing
from opsbot.store.sql import SqlStore
from opsbot.store.tables import metadata
from tests import postgres
from tests.outbox.world import START, fresh, message, queue, run


def test_the_migrations_make_what_the_queries_expect(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/opsbot.db")
    with reading(store.engine) as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []
        assert schema.current(db) == schema.HEAD
    store.close()


def test_the_known_revisions_are_the_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    files = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(files)) == schema.REVISIONS


def test_the_file_promises_durability(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    with reading(store.engine) as db:
        pragmas = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    store.close()


def test_a_second_opening_keeps_everything_and_imports_no_migrations(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/er/opsbot.db"
    store = open_store(url)
    queue(store, message("m1", "slack"))
    store.close()
    code = (
        f"import sys\nfrom opsbot.store import open_store\nstore = open_store({url!r})\n"
        "print(len(store.messages()), 'alembic' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout == "1 False\n", told.stderr


def test_a_migration_that_is_killed_half_way_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    code = (
        "import os\nfrom sqlalchemy import event\n"
        "from opsbot.store import schema\nfrom opsbot.store.engine import connect\n"
        f"engine = connect('sqlite:///{path}')\n"
        "@event.listens_for(engine, 'before_cursor_execute')\n"
        "def stop(conn, cursor, statement, *rest):\n"
        "    if 'TABLE delivery_attempt' in statement: os._exit(9)\n"
        "schema.migrate(engine)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert _tables(path) == set()
    open_store(f"sqlite:///{path}").close()
    assert "delivery_attempt" in _tables(path)


def _tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as db:
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    db.close()
    return found


def _garbage(path: Path) -> None:
    path.write_bytes(b"this was never a database, " * 100)


def _damaged(path: Path) -> None:
    store = fresh(path)
    queue(store, *(message(f"m{n}", "slack") for n in range(50)))
    store.close()
    good = path.read_bytes()
    path.write_bytes(good[:100] + b"\xff" * (len(good) - 100))


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "what", "hint"),
    [
        pytest.param(_garbage, "it is not an opsbot database", "set store.url to another file", id="no database"),
        pytest.param(_damaged, "it is damaged", "restore a backup", id="damaged"),
        pytest.param(_folder, "it cannot be opened", "can be written by opsbot's user", id="a folder"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(tmp_path: Path, spoil: object, what: str, hint: str) -> None:
    path = tmp_path / "opsbot.db"
    assert callable(spoil)
    spoil(path)
    with pytest.raises(StoreError) as told:
        open_store(f"sqlite:///{path}")
    assert told.value.message.startswith(f"{path}: {what}")
    assert hint in told.value.hint
    assert path.exists()


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="the folder of the database cannot be made"):
        open_store(f"sqlite:///{tmp_path}/file/opsbot.db")


def test_a_url_that_means_nothing_says_so() -> None:
    for url in ("opsbot.db", "oracel://x", ""):
        with pytest.raises(StoreError, match=r"store\.url"):
            open_store(url)


def test_f05_a_database_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    fresh(tmp_path / "opsbot.db").close()
    store = SqlStore(connect(f"sqlite:///file:{tmp_path}/opsbot.db?mode=ro&uri=true"))
    with pytest.raises(StoreError, match="it cannot be written") as told:
        store.begin(run())
    assert "write access" in told.value.hint
    assert store.runs() == ()
    store.close()


def test_f05_a_full_disk_loses_nothing_and_recovers_alone(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    queue(store, message("m1", "slack"))
    big = message("big", "slack", subject="x" * 1_000_000)
    with writing(store.engine) as db:
        pages = int(db.exec_driver_sql("PRAGMA page_count").scalar_one())
        db.exec_driver_sql(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(StoreError, match="the disk is full") as told:
        queue(store, big, run_id="run-2")
    assert "free some space" in told.value.hint
    assert [kept.id for kept in store.messages()] == ["m1"]
    with writing(store.engine) as db:
        db.exec_driver_sql("PRAGMA max_page_count = 1073741823")
    queue(store, big, run_id="run-2")
    assert {kept.id for kept in store.messages()} == {"m1", "big"}
    store.close()


def test_f05_a_write_that_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/opsbot.db"
    fresh(tmp_path / "opsbot.db").close()
    code = (
        "from opsbot.errors import StoreError\nfrom opsbot.store import open_store\nfrom tests.outbox.world import *\n"
        f"store = open_store({url!r})\n"
        "try: queue(store, message('m1', 'slack', subject='x' * 3_000_000))\n"
        "except StoreError as error: print(error.message, '|', error.hint)\n"
    )

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=small_files, cwd=root, capture_output=True, text=True
    )
    assert "opsbot.db: the disk" in told.stdout, told.stderr
    store = open_store(url)
    assert store.messages() == ()
    store.close()


def test_f06_a_lock_held_by_another_is_waited_for_and_then_told(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    fresh(path).close()
    store = SqlStore(connect(f"sqlite:///{path}?timeout=0.2"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process keeps it locked"):
        store.begin(run())
    # Who only looks waits for nobody.
    assert (store.runs(), store.ledger().due(START), store.ledger().expired(START)) == ((), None, ())
    other.execute("ROLLBACK")
    store.begin(run())
    other.close()
    store.close()


def test_f06_a_wait_for_a_lock_is_bounded(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    with reading(store.engine) as db:
        assert db.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000
    store.close()
    with reading(postgres.emptied().engine) as db:
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        assert [db.execute(text(f"SHOW {name}")).scalar() for name in names] == ["5s", "1min", "15s"]


def test_a_commit_of_many_findings_stays_small(tmp_path: Path) -> None:
    from opsbot.model.status import Status
    from tests.contracts.test_store_contract import finding

    store = fresh(tmp_path / "opsbot.db")
    many = [finding(Status.OK, f"r{n}") for n in range(20_000)] + [
        finding(Status.CRITICAL, f"c{n}") for n in range(500)
    ]
    store.commit(run(), many, (), ())
    assert (store.ok_findings("run-1"), len(store.findings("run-1"))) == (20_000, 500)
    assert (tmp_path / "opsbot.db").stat().st_size < 2_000_000
    store.close()
