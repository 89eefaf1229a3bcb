"""The log of one run: secrets masked, capped with head and tail kept, and gone after a month."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from opsbot.secrets import redact

KEEP = timedelta(days=30)
_LONGEST_LINE = 64 * 1024
_LONGEST_SECRET = 1024
_SHORTEST_SECRET = 4
# While a run lasts, what comes after the head stands in two pieces that take turns.
_OLDER, _NEWER = ".older", ".newer"


class Masked:
    """Bytes as they come, secrets taken out: those that look like one, and the values that were told with `hide`."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._rest = ""

    def hide(self, value: str) -> None:
        """From now on. A value of several lines is hidden line by line; three characters are no secret, but a word."""
        self._values |= {line for line in (value, *value.splitlines()) if len(line) >= _SHORTEST_SECRET}

    def feed(self, data: bytes) -> bytes:
        """What may be written now: whole lines, because a secret may arrive in two pieces."""
        lines, newline, rest = (self._rest + data.decode("utf-8", "surrogateescape")).rpartition("\n")
        if len(rest) > _LONGEST_LINE:
            rest = redact(rest, self._values)
            lines, newline, rest = lines + newline, rest[:-_LONGEST_SECRET], rest[-_LONGEST_SECRET:]
        self._rest = rest
        return _bytes(redact(lines, self._values) + newline)

    def end(self) -> bytes:
        rest, self._rest = self._rest, ""
        return _bytes(redact(rest, self._values))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class RunLog:
    """A file of at most `cap` bytes: the first half as it came, the last quarter at least; between them how much was cut.

    A disk that takes nothing costs the log, never the run: `error` says so.
    """

    def __init__(self, path: Path, cap: int) -> None:
        self.path, self.error = path, ""
        self._head, self._piece = max(cap // 2, 1), max(cap // 4, 1)
        self._written = self._in_piece = self._cut = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.error = f"{path.parent}: {error.strerror or error}"
        self._write(path, b"", "wb")

    def write(self, data: bytes) -> None:
        head, tail = data[: max(self._head - self._written, 0)], data[max(self._head - self._written, 0) :]
        self._written += len(head)
        if head:
            self._write(self.path, head)
        while tail:
            tail = self._to_piece(tail)

    def close(self) -> None:
        """Put the pieces behind the head."""
        older, newer = self._beside(_OLDER), self._beside(_NEWER)
        if self._cut:
            self._write(self.path, f"\n[... {self._cut:,} bytes cut here ...]\n".encode())
        for piece in (older, newer):
            if piece.exists():
                self._write(self.path, piece.read_bytes())
                piece.unlink()

    def _to_piece(self, data: bytes) -> bytes:
        older, newer = self._beside(_OLDER), self._beside(_NEWER)
        if self._in_piece >= self._piece:
            self._cut += older.stat().st_size if older.exists() else 0
            newer.replace(older)
            self._in_piece = 0
        now, later = data[: self._piece - self._in_piece], data[self._piece - self._in_piece :]
        self._in_piece += len(now)
        self._write(newer, now)
        return later

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _write(self, path: Path, data: bytes, mode: str = "ab") -> None:
        if self.error:
            return
        try:
            with path.open(mode) as file:
                file.write(data)
        except OSError as error:
            self.error = f"{path}: {error.strerror or error}"


def name(job: str, run_id: str, attempt: int) -> str:
    """Where the log of an attempt stands, below the folder of logs."""
    return f"{job}/{run_id}.{attempt}.log"


def lines(path: Path, last: int | None = None) -> Iterator[str]:
    """A log as far as it is written, or its last lines; nothing if there is none (any more)."""
    yield from deque(_lines(path), maxlen=last)


def _lines(path: Path) -> Iterator[str]:
    rest = ""
    for piece in (path, path.with_name(path.name + _OLDER), path.with_name(path.name + _NEWER)):
        try:
            with piece.open(encoding="utf-8", errors="replace", newline="\n") as file:
                for line in file:
                    # A line may begin in one piece and end in the next.
                    rest += line
                    if rest.endswith("\n"):
                        yield rest[:-1]
                        rest = ""
        except OSError:
            continue
    if rest:
        yield rest


def prune(logs: Path, now: datetime, keep: timedelta = KEEP) -> int:
    """Remove what was last written to before `now - keep`, and folders that are empty then; how many files."""
    oldest, gone = (now - keep).timestamp(), 0
    for path in sorted(logs.glob("*/*.log*")):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
                gone += 1
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()
        except OSError:
            # Another daemon on the same folder was quicker, or the next day will do.
            continue
    return gone
