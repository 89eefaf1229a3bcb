"""A copy of the log for CloudWatch Logs: written to a child that may be slow or die, and never waited for."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from opsbot.errors import OpsbotError

LOOK = 15.0
# What a pipe takes whole or not at all.
_ATOMIC = 4096
_LAST_SECONDS = 5.0
_USUAL = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))


class Shipping(logging.Handler):
    """`look` keeps the child going; lines of a time without one are counted and left out."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__()
        self._command, self._environ = list(command), dict(environ)
        self._child: subprocess.Popen[bytes] | None = None
        self._lost = 0

    def look(self) -> None:
        """Start the child if it is not there. Raises OpsbotError if it died."""
        child = self._child
        if child is not None and child.poll() is None:
            return
        self._child = None
        if child is not None:
            _bury(child, 0.0)
        self._child = self._start()
        if child is not None:
            raise OpsbotError(
                f"the log's copy: its process ended with exit code {child.returncode}; it was started again"
            )

    def emit(self, record: logging.LogRecord) -> None:
        line = _line(record, self._lost)
        whole = line if len(line) <= _ATOMIC else _shortened(record)
        try:
            if self._child is None or self._child.stdin is None:
                raise BrokenPipeError
            os.write(self._child.stdin.fileno(), whole)
            self._lost = 0
        except OSError:
            self._lost += 1

    def close(self) -> None:
        """Let the child ship what it has, for a few seconds; it ends by itself at the end of its input."""
        child, self._child = self._child, None
        if child is not None:
            _bury(child, _LAST_SECONDS)
        super().close()

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            child = subprocess.Popen(
                self._command,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise OpsbotError(f"the log's copy: its process cannot be started: {error.strerror or error}") from error
        if child.stdin is not None:
            os.set_blocking(child.stdin.fileno(), False)
        return child


def _bury(child: subprocess.Popen[bytes], seconds: float) -> None:
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _line(record: logging.LogRecord, lost: int) -> bytes:
    told = {key: value for key, value in vars(record).items() if key not in _USUAL}
    return _json(record, told | ({"lines_lost_before": lost} if lost else {}))


def _shortened(record: logging.LogRecord) -> bytes:
    return _json(record, {"run": getattr(record, "run", ""), "shortened": "the log on stderr has the rest"})


def _json(record: logging.LogRecord, told: Mapping[str, object]) -> bytes:
    at = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
    said = {"timestamp": at, "level": record.levelname.lower(), "event": record.getMessage()[:1000], **told}
    if record.exc_info and record.exc_info[1]:
        said["exception"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
    return json.dumps(said, default=str).encode() + b"\n"
