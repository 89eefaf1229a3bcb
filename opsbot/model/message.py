"""What will be told to whom: rendered already, so that a retry sends the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Format(StrEnum):
    """How a channel wants its messages."""

    SLACK = "slack"
    EMAIL = "email"


class Delivery(StrEnum):
    """Where a message stands. UNKNOWN: it may have arrived and nobody can be asked; a human decides."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    DEAD = "dead"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`key` names what it is about: messages of one channel and key go out in order, and a newer one supersedes older
    unsent ones. `body` is the bytes for the wire (a Slack JSON object, or a whole MIME message). `reply_to` is the id
    of the message whose thread this one belongs in. `provider_id` is what the peer called it (Slack: channel/ts)."""

    id: str
    key: str
    channel: str
    to: str
    subject: str
    body: bytes
    created_at: datetime
    run_id: str = ""
    reply_to: str | None = None
    state: Delivery = Delivery.QUEUED
    attempts: int = 0
    not_before: datetime | None = None
    provider_id: str = ""
    error: str = ""
