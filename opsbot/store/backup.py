"""Copies of a SQLite database that are known to be sound, and which of them is the newest.

PostgreSQL has its own means; what is asked of it here does nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from opsbot.errors import StoreError
from opsbot.store.faults import BUSY_SECONDS, explained

KEPT = 3
_STAMP = "%Y%m%dT%H%M%SZ"


def database_file(engine: Engine) -> Path | None:
    """The file of a SQLite engine; None for one in memory and for other databases."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name)


def backup_folder(database: Path) -> Path:
    """Where backups are looked for when the database is damaged: a folder beside it."""
    return database.parent / "backups"


def back_up(database: Path, folder: Path, now: datetime) -> Path:
    """Copy a database others may be writing to, prove the copy sound, and drop all but the newest copies.

    Takes a few seconds a gigabyte; writers go on. Raises StoreError, and then leaves no half copy behind."""
    made = _copied(database, folder / f"{database.stem}-{now.astimezone(UTC):{_STAMP}}.db")
    for old in list(backups(database, folder))[KEPT:]:
        old.unlink(missing_ok=True)
    return made


def keep_before_upgrade(engine: Engine, schema: str) -> None:
    """A copy for whoever must go back to the opsbot before this one."""
    database = database_file(engine)
    if database is not None:
        _copied(database, backup_folder(database) / f"{database.stem}-schema-{schema}.db")


def backups(database: Path, folder: Path) -> Iterator[Path]:
    """The dated copies, newest first."""
    found = {taken_at(database, path): path for path in folder.glob(f"{database.stem}-*.db")}
    dated = sorted(((when, path) for when, path in found.items() if when is not None), reverse=True)
    return (path for _, path in dated)


def taken_at(database: Path, path: Path) -> datetime | None:
    """When a copy was made, as its name says."""
    try:
        return datetime.strptime(path.stem.removeprefix(f"{database.stem}-"), _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def fault_of(path: Path, *, thorough: bool = False) -> str:
    """What SQLite finds wrong with a file, or "". The quick look does not compare indexes with their tables.

    Raises sqlite3.Error where it cannot even look: no right, locked, no disk."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
            db.text_factory = _readable
            found = db.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check(1)").fetchone()[0]
            return "" if found == "ok" else " ".join(found.split())[:200]
    except UnicodeDecodeError:
        # The driver chokes on its own error where a broken schema's text is part of it.
        return "its schema cannot be read"
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return str(error)
        raise


def _readable(text: bytes) -> str:
    return "".join(char if char.isprintable() else " " for char in text.decode("utf-8", "replace"))


def _copied(database: Path, target: Path) -> Path:
    part = target.with_suffix(".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(database, part)
        if fault := fault_of(part, thorough=True):
            raise StoreError(
                f"{database}: its copy is not sound ({fault})", hint="look for a failing disk; older backups are kept"
            )
        settle(part, target)
    except (sqlite3.Error, OSError) as error:
        raise explained(f"{target}: no backup", error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _copy(database: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as live, closing(sqlite3.connect(part)) as copy:
        live.backup(copy)
        # One file that needs no companions.
        copy.execute("PRAGMA journal_mode=DELETE").close()


def settle(part: Path, target: Path) -> None:
    """Give a finished file its name in a way that survives a power cut. Raises OSError."""
    for path in (part, part.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    part.replace(target)
