"""Where opsbot keeps what it knows: runs, findings, what must be told and what was rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsbot.store.sql import SqlStore


def open_store(url: str) -> SqlStore:
    """The store at a SQLAlchemy URL such as `sqlite:///var/opsbot.db`, made and migrated if need be.

    `sqlite://` alone lives in memory. Raises StoreError with one line that says what to do: the folder cannot be
    written, the disk is full, the file is no database, or a newer opsbot wrote it.
    """
    # The database library is imported only by those who open a store: `opsbot --help` must not pay for it.
    from opsbot.store import schema, sql
    from opsbot.store.engine import connect

    engine = connect(url)
    try:
        schema.migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return sql.SqlStore(engine)
