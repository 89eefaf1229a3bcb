"""A database that is damaged, cut short or gone costs at most what came after its last backup, and says so."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.errors import StoreError
from opsbot.model.status import Status
from opsbot.ports import Artifact
from opsbot.store import open_store
from opsbot.store.backup import backups, fault_of
from opsbot.store.sql import SqlStore
from tests.contracts.test_store_contract import finding
from tests.outbox.world import START, fresh, message, queue, run

DAY = timedelta(days=1)
NOW = START + DAY
# In `make soak` every spot is tried.
SPOTS = 1000 if int(os.environ.get("OPSBOT_EXAMPLES", "0")) > 1000 else 24


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def backed_up(path: Path) -> Path:
    """A database of which `m1` is in a backup and `m2` came later."""
    store = fresh(path)
    queue(store, message("m1", "slack"))
    copy = store.back_up(path.parent / "backups", START)
    assert copy is not None
    queue(store, message("m2", "slack"), run_id="run-2")
    store.close()
    return copy


def told(store: SqlStore) -> list[str]:
    return [kept.id for kept in store.messages()]


def overwritten(start: float, with_: bytes, length: int = 4096) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        good = path.read_bytes()
        at = int(len(good) * start)
        path.write_bytes(good[:at] + (with_ * length)[:length] + good[at + length :])

    return spoil


def cut(share: float) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        os.truncate(path, int(path.stat().st_size * share))

    return spoil


def version_rotten(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(_version(path).encode(), b"0\xff03"))


def _version(path: Path) -> str:
    with closing(sqlite3.connect(path)) as db:
        found: str = db.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    return found


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(overwritten(0, b"\0"), "it is damaged (file is not a database)", id="its header"),
        pytest.param(overwritten(0.02, b"\xff", 100_000), "it is damaged (", id="its pages"),
        pytest.param(cut(0.5), "it is damaged (", id="cut short"),
        pytest.param(cut(0), "it is empty", id="cut to nothing"),
        pytest.param(Path.unlink, "it is gone", id="gone"),
        pytest.param(version_rotten, "it is damaged (its schema version cannot be read)", id="its version"),
    ],
)
def test_f07_a_corrupt_database_is_set_aside(tmp_path: Path, spoil: Callable[[Path], None], why: str) -> None:
    path = tmp_path / "opsbot.db"
    copy = backed_up(path)
    spoil(path)
    evidence = path.read_bytes() if path.exists() else None
    store = open_store(url(path), now=NOW)
    assert told(store) == ["m1"]
    found = store.recovered
    assert found is not None
    assert found.why.startswith(why)
    assert (found.backup, found.lost_from) == (copy, START)
    aside = tmp_path / "opsbot.db.damaged-20261121T070000Z"
    assert found.aside == (aside if evidence is not None else None)
    assert (aside.read_bytes() if aside.exists() else None) == evidence
    assert "the backup of 2026-11-20 07:00 UTC took its place" in str(found)
    queue(store, message("m3", "slack"), run_id="run-3")
    store.close()
    again = open_store(url(path), now=NOW)
    assert (again.recovered, told(again)) == (None, ["m1", "m3"])
    again.close()


def test_f07_what_waited_in_the_backup_is_looked_for_before_it_is_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    backed_up(path)
    path.unlink()
    store = open_store(url(path), now=NOW)
    claimed = store.claim(NOW, 60)
    assert claimed is not None
    assert (claimed.id, claimed.attempts) == ("m1", 2)
    store.close()


def test_f07_a_damaged_backup_is_passed_over_and_none_at_all_is_said(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    copy = backed_up(path)
    store = open_store(url(path))
    newer = store.back_up(tmp_path / "backups", START + DAY / 2)
    store.close()
    assert newer is not None
    overwritten(0.02, b"\xff", 100_000)(newer)
    cut(0.5)(path)
    store = open_store(url(path), now=NOW)
    assert store.recovered is not None
    assert store.recovered.backup == copy
    store.close()
    shutil.rmtree(tmp_path / "backups")
    cut(0.5)(path)
    store = open_store(url(path), now=NOW + DAY)
    assert "there was no sound backup: all that was stored until" in str(store.recovered)
    assert told(store) == []
    store.close()


def test_f07_a_lost_log_of_changes_costs_what_was_in_it(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    store = fresh(path)
    queue(store, message("m1", "slack"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    queue(store, message("m2", "slack"), run_id="run-2")
    without = tmp_path / "other" / "opsbot.db"
    without.parent.mkdir()
    shutil.copy(path, without)
    shutil.copy(f"{path}-shm", f"{without}-shm")
    store.close()
    store = open_store(url(without), now=NOW)
    assert (store.recovered, told(store), fault_of(without, thorough=True)) == (None, ["m1"], "")
    store.close()


def test_f07_wherever_it_is_damaged_the_store_opens_and_works(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    store = fresh(path)
    pages = tuple(Artifact(run_id="run-1", format=kind, body=os.urandom(20_000)) for kind in ("html", "text"))
    store.commit(run(), [finding(Status.CRITICAL, f"r{n}") for n in range(50)], (message("m1", "slack"),), pages)
    store.back_up(tmp_path / "backups", START)
    store.close()
    good = path.read_bytes()
    for n in range(SPOTS):
        at = len(good) * n // SPOTS
        path.write_bytes(good[:at] if n % 2 else good[:at] + b"\xa5" * 64 + good[at + 64 :])
        store = open_store(url(path), now=NOW)
        queue(store, message(f"new-{n}", "slack"), run_id=f"run-new-{n}")
        assert f"new-{n}" in told(store)
        store.close()
        assert fault_of(path) == ""
        for old in tmp_path.glob("opsbot.db?*"):
            old.unlink()


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_f07_a_file_that_goes_while_it_is_open_is_noticed_at_once(tmp_path: Path, replaced: bool) -> None:
    path = tmp_path / "opsbot.db"
    backed_up(path)
    store = open_store(url(path))
    assert told(store) == ["m1", "m2"]
    for file in tmp_path.glob("opsbot.db*"):
        file.rename(tmp_path / f"moved-{file.name}")
    if replaced:
        path.write_bytes(b"")
    for ask in (lambda: told(store), lambda: store.begin(run("r9")), lambda: store.ledger().due(NOW)):
        with pytest.raises(StoreError, match="it was moved, deleted or replaced while") as failed:
            ask()
        assert "put it back" in failed.value.hint
    assert path.exists() is replaced
    path.unlink(missing_ok=True)
    for file in tmp_path.glob("moved-*"):
        file.rename(tmp_path / file.name.removeprefix("moved-"))
    assert told(store) == ["m1", "m2"]
    store.close()


def test_f07_without_a_daemon_nothing_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    backed_up(path)
    cut(0.5)(path)
    with pytest.raises(StoreError, match="it is damaged"):
        open_store(url(path))
    assert sorted(tmp_path.iterdir()) == sorted({tmp_path / "backups", path, *tmp_path.glob("opsbot.db-*")})


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"root:x:0:0:root:/root:/bin/sh\n" * 200, "it is not an opsbot database", id="no database"),
        pytest.param(None, "it holds the tables of another program", id="another program's"),
    ],
)
def test_f07_a_file_that_never_was_ours_is_left_alone(tmp_path: Path, content: bytes | None, what: str) -> None:
    path = tmp_path / "passwd"
    if content is None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE bookmarks (id INTEGER)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=what):
        open_store(url(path), now=NOW)
    assert content is None or path.read_bytes() == before
    assert list(tmp_path.glob("*damaged*")) == []


def test_backups_are_sound_dated_and_three(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    store = fresh(path)
    folder = store.backups
    assert folder == tmp_path / "backups"
    for day in range(5):
        queue(store, message(f"m{day}", "slack"), run_id=f"run-{day}")
        made = store.back_up(folder, datetime(2026, 11, 20 + day, 3, tzinfo=UTC))
        assert made == folder / f"opsbot-202611{20 + day}T030000Z.db"
    kept = list(backups(path, folder))
    assert [copy.stem[-7:] for copy in kept] == ["030000Z"] * 3
    assert [len(told_in(copy)) for copy in kept] == [5, 4, 3]
    assert sorted(folder.iterdir()) == sorted(kept)
    store.close()


def told_in(copy: Path) -> list[str]:
    store = open_store(url(copy))
    found = told(store)
    store.close()
    for left in copy.parent.glob("*-wal"), copy.parent.glob("*-shm"):
        assert list(left) == []
    return found


def test_a_backup_is_whole_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "opsbot.db"
    store = fresh(path)
    done = threading.Event()

    def write() -> None:
        mine = open_store(url(path))
        for n in range(200):
            queue(mine, message(f"m{n}", "slack"), message(f"also-{n}", "email"), run_id=f"run-{n}")
            if done.is_set():
                break
        mine.close()

    writer = threading.Thread(target=write)
    writer.start()
    copies = [store.back_up(tmp_path / "backups", START + n * DAY) for n in range(3)]
    done.set()
    writer.join()
    for copy in copies:
        assert copy is not None
        found = told_in(copy)
        assert len(found) == 2 * len([id for id in found if id.startswith("m")])
    store.close()


def test_a_backup_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    (tmp_path / "taken").write_text("in the way")
    with pytest.raises(StoreError, match="no backup: ") as failed:
        store.back_up(tmp_path / "taken", NOW)
    assert "disk has room" in failed.value.hint
    assert list(tmp_path.glob("**/*.part")) == []
    store.close()


def test_other_databases_have_their_own_means(store: SqlStore, tmp_path: Path) -> None:
    if store.engine.dialect.name == "postgresql" or not store.engine.url.database:
        assert (store.backups, store.back_up(tmp_path, NOW), list(tmp_path.iterdir())) == (None, None, [])
    else:
        assert store.back_up(tmp_path / "kept", NOW) is not None
