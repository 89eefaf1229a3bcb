"""Bringing a database to the schema this program was written for."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from opsbot.errors import StoreError
from opsbot.store.backup import keep_before_upgrade
from opsbot.store.engine import in_turn, place, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
# Oldest first; the last one is what tables.py describes. A test holds this against the files.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012")
HEAD = REVISIONS[-1]


def migrate(engine: Engine) -> None:
    """Migrate in one transaction; a killed migration leaves the old schema. Raises StoreError for a newer one.

    A SQLite file with data in it is copied first: an older opsbot cannot read what this one will write."""
    with reading(engine) as connection:
        found = current(connection)
        if found is None and inspect(connection).get_table_names():
            raise _not_ours(engine)
    if found == HEAD:
        return
    if found is not None:
        if found not in REVISIONS:
            raise _newer(engine, found)
        keep_before_upgrade(engine, found)
    with writing(engine) as connection:
        # Of several replicas one migrates; the others then find it done.
        in_turn(connection, "migration")
        _upgrade(connection)


def _not_ours(engine: Engine) -> StoreError:
    return StoreError(
        f"{place(engine)}: it holds the tables of another program",
        hint="give opsbot a database of its own: correct store.url in config.toml",
    )


def _newer(engine: Engine, found: str) -> StoreError:
    return StoreError(
        f"{place(engine)}: its schema {found} is newer than this opsbot knows ({HEAD})",
        hint="start the newer opsbot again, or restore the backup made before the upgrade",
    )


def current(connection: Connection) -> str | None:
    """The schema revision of the database, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def require_head(connection: Connection) -> None:
    """Raises StoreError once another opsbot has migrated the database: this one must not take work from it any more."""
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != HEAD:
        raise StoreError(
            f"{place(connection.engine)}: its schema became {found}; this opsbot knows {HEAD} and takes no more work",
            hint="a newer opsbot has taken over this store: stop this one, or upgrade it",
        )


def _upgrade(connection: Connection) -> None:
    # Imported only when there is something to migrate: a tenth of a second that few starts need.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    command.upgrade(config, "head")
