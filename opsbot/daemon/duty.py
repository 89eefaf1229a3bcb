"""What all loops of one daemon share: its orders as they stand now, who it is, and whether it is on its way out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from opsbot.daemon.orders import Orders
from opsbot.model.timetable import Worker


class Duty:
    """Orders are swapped whole, so that a loop that reads them once sees one state of them.

    `troubles` are sentences by the loop that has them; a loop that has none leaves no entry.
    """

    def __init__(self, *, worker: Worker, orders: Orders, copy: Path, now: Callable[[], datetime]) -> None:
        self.worker, self.now = worker, now
        self.orders, self.copy = orders, copy
        self.loaded_at = now()
        self.refused: tuple[str, ...] = ()
        self._troubles: dict[str, tuple[str, ...]] = {}
        self._draining = threading.Event()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    def drain(self) -> None:
        """No new run from here on."""
        self._draining.set()

    def take_over(self, orders: Orders, copy: Path) -> None:
        """These orders hold from now on."""
        self.orders, self.copy = orders, copy
        self.loaded_at, self.refused = self.now(), ()

    def trouble(self, whose: str, *sentences: str) -> None:
        """Show these on the health page until the same one says otherwise; none: there is no trouble any more."""
        self._troubles = {**self._troubles, whose: sentences}

    @property
    def troubles(self) -> tuple[str, ...]:
        told = tuple(sentence for sentences in self._troubles.values() for sentence in sentences)
        return (*self.refused, *told, *self.orders.troubles)
