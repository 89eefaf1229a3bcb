"""A damaged SQLite file is kept as evidence and the newest sound backup takes its place; what was lost is said."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from opsbot.store.backup import backup_folder, backups, fault_of, settle, taken_at
from opsbot.store.faults import BUSY_SECONDS, explained
from opsbot.store.schema import HEAD
from opsbot.store.tables import metadata

_MAGIC = b"SQLite format 3\x00"
_COMPANIONS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was found when a store was opened, and what was made of it.

    `aside` is where the damaged file is kept, None if it was gone. `backup` took its place; None: the store begins
    empty. What was stored between `lost_from` (None: ever) and `lost_until` is lost.
    """

    database: Path
    why: str
    aside: Path | None
    backup: Path | None
    lost_from: datetime | None
    lost_until: datetime

    def __str__(self) -> str:
        kept = f"it is kept as {self.aside}; " if self.aside else ""
        until = f"{self.lost_until:%Y-%m-%d %H:%M} UTC"
        if self.lost_from is None:
            return f"{self.database}: {self.why}; {kept}there was no sound backup: all that was stored until {until} is lost"
        since = f"{self.lost_from:%Y-%m-%d %H:%M} UTC"
        return (
            f"{self.database}: {self.why}; {kept}the backup of {since} took its place: what was stored from then until "
            f"{until} is lost, and what was told in that time may be told again"
        )


def recover(database: Path, now: datetime) -> Recovered | None:
    """Put right what is wrong with a database nobody has open; None if nothing is. Raises StoreError.

    A file that never was a database and has no backups is left alone: the address may be wrong."""
    folder = backup_folder(database)
    try:
        why = _wrong_with(database, any(backups(database, folder)))
        if not why:
            return None
        until = _last_written(database) or now
        aside = _set_aside(database, now)
        backup = next((path for path in backups(database, folder) if _sound(path)), None)
        if backup is not None:
            _restore(backup, database)
    except (sqlite3.Error, OSError) as error:
        raise explained(f"{database}: cannot be put right", error) from error
    since = taken_at(database, backup) if backup else None
    return Recovered(database=database, why=why, aside=aside, backup=backup, lost_from=since, lost_until=until)


def _wrong_with(database: Path, has_backups: bool) -> str:
    size = database.stat().st_size if database.is_file() else 0
    if not size:
        if not has_backups or database.is_dir():
            return ""
        return "it is empty" if database.exists() else "it is gone"
    fault = fault_of(database) or _wrong_schema(database)
    if fault and not has_backups and _begins(database) != _MAGIC:
        return ""
    return f"it is damaged ({fault})" if fault else ""


def _wrong_schema(database: Path) -> str:
    """Names that rotted are no fault to SQLite, but nothing can be asked for by them any more."""
    with closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return ""
        db.text_factory = bytes
        try:
            found = [version for (version,) in db.execute("SELECT version_num FROM alembic_version")]
            if found == [HEAD.encode()]:
                for table in metadata.sorted_tables:
                    db.execute(f"{select(table)} LIMIT 0")
        except sqlite3.OperationalError as error:
            return f"its schema is not whole: {error}"
    return "" if len(found) == 1 and re.fullmatch(rb"\d{4}", found[0]) else "its schema version cannot be read"


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_MAGIC))


def _last_written(database: Path) -> datetime | None:
    found = [path.stat().st_mtime for path in (database, Path(f"{database}-wal")) if path.exists()]
    return datetime.fromtimestamp(max(found), UTC) if found else None


def _set_aside(database: Path, now: datetime) -> Path | None:
    """Its companions go with it: a log of changes that belongs to another file would spoil the backup."""
    name = f"{database}.damaged-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    found = [ending for ending in _COMPANIONS if Path(database.as_posix() + ending).exists()]
    for ending in found:
        Path(database.as_posix() + ending).replace(name + ending)
    return Path(name) if "" in found else None


def _sound(backup: Path) -> bool:
    try:
        return not (fault_of(backup, thorough=True) or _wrong_schema(backup))
    except sqlite3.Error:
        return False


def _restore(backup: Path, database: Path) -> None:
    part = database.with_name(f"{database.name}.part")
    shutil.copyfile(backup, part)
    _look_before_sending(part)
    settle(part, database)


def _look_before_sending(part: Path) -> None:
    """What waits in the backup may have been sent since: as after a crash, its sender is to look first."""
    with closing(sqlite3.connect(part)) as db, db:
        db.execute("UPDATE message SET attempts = attempts + 1 WHERE state IN ('queued', 'sending', 'held')")
        db.execute("UPDATE message SET state = 'queued', lease_until = NULL WHERE state = 'sending'")
