"""Where opsbot keeps what it knows: runs, findings, what must be told and what was rendered."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from opsbot.errors import StoreError

if TYPE_CHECKING:
    from opsbot.store.sql import SqlStore

_SQLITE = "sqlite:///"


def open_store(url: str, password: str = "", *, now: datetime | None = None) -> SqlStore:
    """The store at a SQLAlchemy URL such as `sqlite:///var/opsbot.db`, made and migrated if need be.

    `sqlite://` alone lives in memory; `password` is PostgreSQL's. A SQLite file that is damaged or gone is an error,
    unless `now` is given, as by a daemon that holds `only_daemon`: then it is set aside, the newest sound backup takes
    its place, and `recovered` says what that cost. Raises StoreError with one line that says what to do: the folder
    cannot be written, the disk is full, the file is no database, or a newer opsbot wrote it.
    """
    # The database library is imported only by those who open a store: `opsbot --help` must not pay for it.
    from opsbot.store import schema, sql
    from opsbot.store.backup import database_file
    from opsbot.store.engine import connect
    from opsbot.store.recovery import recover

    engine = connect(url, password)
    try:
        file = database_file(engine)
        recovered = recover(file, now) if file and now else None
        schema.migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return sql.SqlStore(engine, recovered)


@contextmanager
def only_daemon(url: str, pid: int) -> Iterator[None]:
    """Held while a daemon serves this database. A SQLite file has one, and whoever comes second gets a StoreError that
    names the first; PostgreSQL has any number. The system lets go of it when the process ends, however it ends."""
    if not url.startswith(_SQLITE):
        yield
        return
    database = Path(url.removeprefix(_SQLITE).partition("?")[0])
    with _lock_file(database) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _served(database, os.pread(lock, 200, 0).decode(errors="replace").strip()) from None
        os.truncate(lock, 0)
        os.pwrite(lock, f"process {pid} on {socket.gethostname()}".encode(), 0)
        yield


@contextmanager
def _lock_file(database: Path) -> Iterator[int]:
    path = database.with_name(f"{database.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be made: {(error.strerror or str(error)).lower()}",
            hint="give the user that runs opsbot write access to the folder of the database",
        ) from error
    try:
        yield lock
    finally:
        os.close(lock)


def _served(database: Path, by: str) -> StoreError:
    return StoreError(
        f"{database}: another daemon serves it: {by or 'it has not said which process it is'}",
        hint="stop that one first; for more than one daemon set store.url to PostgreSQL",
    )
