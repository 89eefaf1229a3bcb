"""Bringing a database to the schema this program was written for."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from opsbot.errors import StoreError
from opsbot.store.engine import place, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
# Oldest first; the last one is what tables.py describes. A test holds this against the files.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]


def migrate(engine: Engine) -> None:
    """Migrate in one transaction; a killed migration leaves the old schema. Raises StoreError for a newer one."""
    with reading(engine) as connection:
        found = current(connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        raise StoreError(
            f"{place(engine)}: its schema {found} is newer than this opsbot knows ({HEAD})",
            hint="start the newer opsbot again, or restore the backup made before the upgrade",
        )
    with writing(engine) as connection:
        _upgrade(connection)


def current(connection: Connection) -> str | None:
    """The schema revision of the database, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _upgrade(connection: Connection) -> None:
    # Imported only when there is something to migrate: a tenth of a second that few starts need.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
