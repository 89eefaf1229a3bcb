"""A way to reach people."""

from __future__ import annotations

from typing import Protocol

from opsbot.model.message import Format, Message


class Channel(Protocol):
    """A way to reach people. Makes one attempt; retries are the outbox's business."""

    @property
    def format(self) -> Format: ...

    @property
    def to(self) -> str:
        """Whom it reaches, for people: `#ops`, `ops@example.org`."""

    @property
    def sender(self) -> str:
        """The address its letters come from; "" where there is none."""

    @property
    def pace(self) -> float:
        """Least seconds between two messages; 0 is as fast as it goes."""

    @property
    def patience(self) -> float:
        """Seconds for which one request may be under way: so long an answer may still come."""

    @property
    def readable(self) -> bool:
        """Whether `find` can tell what arrived, its rights permitting."""

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """Hand over the bytes; what the peer calls it (may be ""). `thread` is the provider id to reply under, or "".
        `card` is that of the message in whose place it comes, where the peer can edit: it keeps its place, and its id is
        the answer. Raises DeliveryError."""

    def check(self) -> None:
        """Ask the peer whether it would take a message, without sending one. Raises DeliveryError."""

    def find(self, message: Message, thread: str = "") -> str | None:
        """Look whether it arrived, after an attempt that may have: the provider id, "" if it did not, None if nobody can
        tell. `thread` is the provider id it was to go under, if that is known."""
