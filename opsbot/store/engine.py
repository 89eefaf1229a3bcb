"""A database connection with the promises the outbox needs, and its errors in words a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.pool import StaticPool

from opsbot.errors import StoreError
from opsbot.store.faults import BUSY_SECONDS, damaged, explained


def connect(url: str, password: str = "") -> Engine:
    """An engine for `url`; the folder of a SQLite file is made. Raises StoreError; nothing is read yet."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            return _postgresql(parsed.set(password=password) if password else parsed)
        if parsed.get_backend_name() == "sqlite":
            _make_folder(parsed.database)
            return _sqlite(parsed)
        raise NoSuchModuleError(parsed.get_backend_name())
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(
            "store.url: expected one such as sqlite:///var/opsbot.db or postgresql+psycopg://opsbot@host/opsbot, "
            f"no driver takes this ({type(error).__name__})",
            hint="correct store.url in config.toml; PostgreSQL needs: pip install opsbot[postgresql]",
        ) from error


def _sqlite(url: URL) -> Engine:
    arguments: dict[str, Any] = {"timeout": float(str(url.query.get("timeout", BUSY_SECONDS)))}
    if url.database in (None, "", ":memory:"):
        engine = create_engine(url, poolclass=StaticPool, connect_args=arguments | {"check_same_thread": False})
    else:
        engine = create_engine(url, connect_args=arguments)
        if url.database and not url.database.startswith("file:"):
            _keep_to(engine, Path(url.database))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _keep_to(engine: Engine, path: Path) -> None:
    """Refuse to go on with a file that was moved, deleted or replaced: what is written to it nobody would find again."""
    opened: list[tuple[int, int]] = []

    def check(*_: object) -> None:
        if opened and opened[0] != _identity(path):
            raise StoreError(
                f"{path}: it was moved, deleted or replaced while this process had it open",
                hint="put it back, together with its -wal file; or restart the daemon, which begins with the newest backup",
            )

    def check_and_note(*_: object) -> None:
        check()
        opened[:] = opened or [_identity(path)]

    # Before connecting too: SQLite would make an empty file of that name.
    event.listen(engine, "do_connect", check)
    event.listen(engine, "checkout", check_and_note)


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


# No wait is for ever: a peer that stands still in a transaction loses it, and a dead network is noticed.
_SESSION = (
    f"SET lock_timeout = '{BUSY_SECONDS:.0f}s'; SET statement_timeout = '60s'; "
    "SET idle_in_transaction_session_timeout = '15s'"
)
_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def _postgresql(url: URL) -> Engine:
    arguments = {name: value for name, value in _NETWORK.items() if name not in url.query}
    arguments |= {"tcp_user_timeout": 20_000, "application_name": "opsbot"}
    # A server that was restarted costs a reconnect, not an error.
    engine = create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_size=3, max_overflow=7)
    event.listen(engine, "connect", _begin_session)
    return engine


def _begin_session(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
    connection.commit()


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


def in_turn(db: Connection, name: str) -> None:
    """Until this transaction ends no other that asks for the same name goes on: SQLite has one writer anyway."""
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"opsbot/{name}"})


def at_once(db: Connection, name: str) -> bool:
    """The same for those who would rather come back than wait: False if another has it. Who gets it and then stands still
    loses it after two seconds, with all it did in this transaction."""
    if db.dialect.name != "postgresql":
        return True
    ask = (
        "SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)), "
        "set_config('idle_in_transaction_session_timeout', '2s', true)"
    )
    return bool(db.scalar(text(ask), {"name": f"opsbot/{name}"}))


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Foreign database errors leave as StoreError, in one place."""
    try:
        yield
    except IntegrityError as error:
        said = " ".join(str(error.orig).split())[:300]
        raise StoreError(f"{place(engine)}: it already holds this: {said}") from error
    except DBAPIError as error:
        raise explained(place(engine), error.orig or error) from error
    except UnicodeDecodeError as error:
        # SQLite's driver cannot even say what is wrong where a broken text is part of it.
        raise damaged(place(engine)) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{place(engine)}: {error}") from error


def place(engine: Engine) -> str:
    """What to call this database in a sentence: its file, or where the server is."""
    if engine.dialect.name == "sqlite":
        return engine.url.database or str(engine.url)
    host = engine.url.host or engine.url.query.get("host") or "localhost"
    return f"PostgreSQL {engine.url.database} at {host}"
