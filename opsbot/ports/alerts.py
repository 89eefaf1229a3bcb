"""What is known of alerts, and the one way to change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from opsbot.alerting import Book, Turned
from opsbot.model.actor import Actor
from opsbot.model.alert import Alert, Silence, Told
from opsbot.model.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a turn came to, with its notices as messages."""

    turned: Turned
    messages: tuple[Message, ...] = ()


Turn = Callable[[Book], Step]
"""From what is known to what is to be kept and told. Called inside the transaction: it asks nothing of anybody."""


class Alerts(Protocol):
    """Alerts, silences, and what was told. Two turns never overlap, whichever processes they are in. Raises StoreError."""

    def turn(self, step: Turn) -> Step:
        """Read everything, let it move on, keep everything and queue the messages: one transaction."""

    def due(self) -> datetime | None:
        """When time alone brings the next turn; None: only a run does."""

    def all(self) -> Sequence[Alert]:
        """By key; those that are over are kept for a week."""

    def told(self) -> Sequence[Told]:
        """What is open at each channel."""

    def silences(self) -> Sequence[Silence]:
        """The newest first; those that have ended too."""

    def acknowledge(
        self, keys: Sequence[str], who: str, reason: str, at: datetime, actor: Actor | None = None
    ) -> Sequence[str]:
        """Somebody has these in hand, and with them the incidents they belong to; the keys of those that fire. The next
        turn tells it: it is due at once. Like all that people do it is a row of the audit log, with `actor`."""

    def silence(self, silence: Silence, actor: Actor | None = None) -> None:
        """From now on, and from the next turn."""

    def end_silence(self, id: str, at: datetime, actor: Actor | None = None) -> Silence | None:
        """End it before its time; None if none is called so or it has ended."""
