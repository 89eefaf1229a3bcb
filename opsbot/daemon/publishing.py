"""The child that publishes probes and runs to CloudWatch: kept going while one wants it, started anew with new orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from opsbot.daemon.duty import Duty
from opsbot.daemon.sender import Sender

LOOK = 5.0
# It has nothing in hand that the next minute does not bring again.
_GRACE = timedelta(seconds=2)


class Publisher:
    """At most one child; none where neither a probe nor a job says `publish = true`."""

    def __init__(self, duty: Duty, command: Callable[[], list[str]], environ: Callable[[], Mapping[str, str]]) -> None:
        self._duty = duty
        self._child = Sender(command, environ, self._wanted, "publishing metrics")
        self._copy: Path | None = None

    def look(self) -> None:
        """Keep it going. Raises OpsbotError if it failed or cannot be started."""
        if self._copy not in (None, self._duty.copy):
            self.stop()
        self._copy = self._duty.copy
        self._child.look()

    def stop(self) -> None:
        self._child.stop(_GRACE)

    def _wanted(self) -> bool:
        orders = self._duty.orders
        return bool(orders.published) or any(probe.publish for probe in orders.probes)
