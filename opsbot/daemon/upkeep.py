"""What keeps a daemon of years small and its state safe: once a day old rows and logs go, and the database is backed up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

log = logging.getLogger(__name__)

LOOK = 300.0
_EVERY = timedelta(hours=24)
_TRY_AGAIN = timedelta(hours=1)
MARK = Path("var") / "upkeep"


class Upkeep:
    """`chores` by what the log calls them; each may raise, and none keeps the next from its turn.

    When it was last done is a file's time: a daemon that is restarted every few hours must still do it once a day, and
    one that is restarted every minute must not do it every minute.
    """

    def __init__(self, state: Path, now: Callable[[], datetime], chores: dict[str, Callable[[], object]]) -> None:
        self._mark, self._now, self._chores = state / MARK, now, chores
        self._not_before: datetime | None = None

    def look(self) -> None:
        """Do what is to be done, if a day has passed. Raises the first error, after everything else was done."""
        now = self._now()
        if (self._not_before and now < self._not_before) or not self._due(now):
            return
        self._not_before = now + _TRY_AGAIN
        failed = [error for name, chore in self._chores.items() if (error := self._do(name, chore))]
        if failed:
            raise failed[0]
        self._mark.parent.mkdir(parents=True, exist_ok=True)
        self._mark.write_text(now.isoformat(), encoding="utf-8")

    def _due(self, now: datetime) -> bool:
        try:
            last = datetime.fromisoformat(self._mark.read_text(encoding="utf-8"))
            return not last <= now < last + _EVERY
        except (OSError, ValueError, TypeError):
            return True

    def _do(self, name: str, chore: Callable[[], object]) -> Exception | None:
        try:
            done = chore()
        except Exception as error:  # noqa: BLE001  raised by `look` once the other chores had their turn
            return error
        log.info("upkeep done", extra={"chore": name, "result": str(done)})
        return None
