"""A database connection with the promises the outbox needs, and its errors in words a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from opsbot.errors import StoreError

BUSY_SECONDS = 5.0

_ADVICE = {
    "SQLITE_FULL": ("the disk is full", "free some space; nothing that was stored is lost"),
    "SQLITE_IOERR": ("the disk refused a read or a write", "look for a full, failing or unmounted disk"),
    "SQLITE_READONLY": (
        "it cannot be written",
        "give the user that runs opsbot write access to the file and its folder",
    ),
    "SQLITE_CANTOPEN": ("it cannot be opened", "check that the folder exists and can be written by opsbot's user"),
    "SQLITE_PERM": ("it cannot be opened", "check that the folder exists and can be written by opsbot's user"),
    "SQLITE_NOTADB": (
        "it is not an opsbot database",
        "set store.url to another file, or restore a backup over this one",
    ),
    "SQLITE_CORRUPT": ("it is damaged", "keep the file as evidence, restore a backup, or move it away to begin anew"),
    "SQLITE_BUSY": ("another process keeps it locked", "try again; look for a stuck opsbot process"),
    "SQLITE_LOCKED": (
        f"another process held it for {BUSY_SECONDS:.0f} s",
        "try again; look for a stuck opsbot process",
    ),
}


def connect(url: str) -> Engine:
    """An engine for `url`; the folder of a SQLite file is made. Raises StoreError; nothing is read yet."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed)
        _make_folder(parsed.database)
        return _sqlite(parsed)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"store.url: expected one such as sqlite:///var/opsbot.db, no driver takes this ({type(error).__name__})",
            hint="correct store.url in config.toml",
        ) from error


def _sqlite(url: URL) -> Engine:
    arguments: dict[str, Any] = {"timeout": float(str(url.query.get("timeout", BUSY_SECONDS)))}
    if url.database in (None, "", ":memory:"):
        engine = create_engine(url, poolclass=StaticPool, connect_args=arguments | {"check_same_thread": False})
    else:
        engine = create_engine(url, connect_args=arguments)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(database: str | None) -> None:
    if not database or database == ":memory:" or database.startswith("file:"):
        return
    folder = Path(database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: the folder of the database cannot be made: {error.strerror}",
            hint="make it, or set store.url to a place opsbot's user can write",
        ) from error


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own BEGIN comes too late for a read-then-write; `_begin` says it instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a writer that first reads would otherwise fail with "locked" when two of them meet.
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: all of it or nothing. Raises StoreError."""
    with translated(engine), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view that never waits for a writer. Raises StoreError."""
    with translated(engine), engine.execution_options(reads=True).begin() as connection:
        yield connection


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Foreign database errors leave as StoreError, in one place."""
    try:
        yield
    except IntegrityError as error:
        raise StoreError(f"{place(engine)}: it already holds this: {error.orig}") from error
    except DBAPIError as error:
        raise _explained(place(engine), error) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{place(engine)}: {error}") from error


def _explained(where: str, error: DBAPIError) -> StoreError:
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    family = "_".join(name.split("_")[:2])
    if family in _ADVICE:
        what, hint = _ADVICE[family]
        return StoreError(f"{where}: {what} ({name})", hint=hint)
    return StoreError(f"{where}: {error.orig}", hint="opsbot's own log has the details; the stored state is unchanged")


def place(engine: Engine) -> str:
    """What to call this database in a sentence: its file, or its URL without the password."""
    return engine.url.database or engine.url.render_as_string(hide_password=True)
