"""What database drivers say, in words a person can act on. Their text is untrusted: one line, short, no secrets."""

from __future__ import annotations

from opsbot.errors import StoreError
from opsbot.secrets import redact

BUSY_SECONDS = 5.0

_FULL = ("the disk is full", "free some space; nothing that was stored is lost")
_ADVICE = {
    "SQLITE_FULL": _FULL,
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


# By SQLSTATE, or by its first two characters.
_PG_ADVICE = {
    "08": ("it cannot be reached", "check the host and port in store.url, and that PostgreSQL runs"),
    "28": ("the user or the password is refused", "check the user in store.url, store.password and pg_hba.conf"),
    "3D": ("there is no such database", "make it: CREATE DATABASE ...; or correct store.url"),
    "42501": ("the user may not do this", "make the user the owner of the database's tables"),
    "53100": _FULL,
    "53300": ("it takes no more connections", "raise max_connections, or run fewer opsbot processes"),
    "25006": ("it cannot be written", "it is a standby: name the primary in store.url"),
    "57P": ("it is starting or stopping", "try again; nothing that was stored is lost"),
    "55P03": (f"another process held it for {BUSY_SECONDS:.0f} s", "try again; look for a stuck opsbot process"),
    "40": ("two processes wanted the same rows", "try again; nothing that was stored is lost"),
    "57014": ("it took longer than a minute", "look for what slows the database down"),
    "25P03": ("this process stood still in a transaction, and lost it", "try again; nothing that was stored is lost"),
}


def explained(where: str, error: BaseException) -> StoreError:
    """The driver's `error` about the database called `where`: what happened, and what to do."""
    name = str(getattr(error, "sqlite_errorname", ""))
    family = "_".join(name.split("_")[:2])
    if family in _ADVICE:
        what, hint = _ADVICE[family]
        return StoreError(f"{where}: {what} ({name})", hint=hint)
    if isinstance(error, OSError):
        said = (error.strerror or str(error)).lower()
        return StoreError(f"{where}: {said}", hint="check that the folder can be written and that the disk has room")
    said = redact(" ".join(str(error).split()))[:300]
    if advice := _pg_advice(error, said):
        return StoreError(f"{where}: {advice[0]} ({said})", hint=advice[1])
    return StoreError(f"{where}: {said}", hint="opsbot's own log has the details; the stored state is unchanged")


def damaged(where: str) -> StoreError:
    """For damage that the driver has no word for."""
    what, hint = _ADVICE["SQLITE_CORRUPT"]
    return StoreError(f"{where}: {what} (a text in it cannot be read)", hint=hint)


def _pg_advice(error: BaseException, said: str) -> tuple[str, str] | None:
    state = getattr(error, "sqlstate", None) or _unstated(error, said)
    return next((_PG_ADVICE[state[:n]] for n in (5, 3, 2) if state[:n] in _PG_ADVICE), None)


def _unstated(error: BaseException, said: str) -> str:
    """The SQLSTATE of what libpq says in words alone: whatever goes wrong before there is a session."""
    if type(error).__name__ != "OperationalError" or hasattr(error, "sqlite_errorcode"):
        return ""
    for words, state in (("authentication failed", "28000"), ("no password supplied", "28000"), ("no pg_hba", "28000"),
                         ('role "', "28000"), ('database "', "3D000"), ("too many c", "53300"),
                         ("system is s", "57P03"), ("starting up", "57P03")):  # fmt: skip
        if words in said:
            return state
    return "08000"
