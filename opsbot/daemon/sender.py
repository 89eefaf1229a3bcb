"""The outbox's child: started when something is due and nobody sends, ended with the daemon; it works by itself."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from opsbot.errors import OpsbotError

log = logging.getLogger(__name__)

LOOK = 1.0
# One that dies at once, over and over, is started again ever more slowly.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_WELL = 30.0


class Sender:
    """At most one child. `command` and `environ` say how it is started at that moment; `due` whether there is work for one."""

    def __init__(
        self,
        command: Callable[[], list[str]],
        environ: Callable[[], Mapping[str, str]],
        due: Callable[[], bool],
        what: str = "the outbox",
    ) -> None:
        """`what` it is for, in what is said of its failures."""
        self._what = what
        self._command, self._environ, self._due = command, environ, due
        self._child: subprocess.Popen[bytes] | None = None
        self._begun = self._not_before = 0.0
        self._pause = _FIRST_PAUSE

    def look(self) -> None:
        """Start the child if it is needed. Raises OpsbotError if the last one failed, or none can be started."""
        if self._child is not None:
            if self._child.poll() is None:
                return
            self._bury(self._child)
        if time.monotonic() >= self._not_before and self._due():
            self._start()

    def stop(self, grace: timedelta) -> None:
        """Let it finish what it has in hand; what it has not sent stays queued."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(grace.total_seconds())
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _start(self) -> None:
        self._begun = time.monotonic()
        try:
            self._child = subprocess.Popen(
                self._command(), env=dict(self._environ()), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._hold_back()
            raise OpsbotError(f"{self._what}: its process cannot be started: {error.strerror or error}") from error

    def _bury(self, child: subprocess.Popen[bytes]) -> None:
        self._child = None
        if child.returncode == 0:
            self._pause = _FIRST_PAUSE
            return
        self._hold_back()
        raise OpsbotError(
            f"{self._what}: its process ended with exit code {child.returncode}; it is started again, nothing is lost",
            hint="its own lines in this log say why",
        )

    def _hold_back(self) -> None:
        if time.monotonic() - self._begun > _WELL:
            self._pause = _FIRST_PAUSE
        self._not_before = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
