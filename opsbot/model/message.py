"""What will be told to whom: rendered already, so that a retry sends the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from opsbot.model.status import Priority, Status


class Format(StrEnum):
    """How a channel wants its messages. EVENT: for a system that keeps incidents of its own (PagerDuty). TEXT: words alone,
    long and short (SNS). JSON: facts for a machine (a webhook)."""

    SLACK = "slack"
    EMAIL = "email"
    EVENT = "event"
    TEXT = "text"
    JSON = "json"


class Delivery(StrEnum):
    """Where a message stands. UNKNOWN: it may have arrived and nobody can be asked; a human decides.

    HELD: nothing will be taken until a person changes something; kept, and tried from time to time. DEAD: given up on.
    SUPERSEDED: a newer one says more. DROPPED: a person said that it need not be told.
    """

    QUEUED = "queued"
    SENDING = "sending"
    HELD = "held"
    SENT = "sent"
    UNKNOWN = "unknown"
    DEAD = "dead"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"


class Action(StrEnum):
    """What a message asks of a system that keeps incidents of its own, under the message's key: open or renew one, take
    note that somebody has it in hand, close it. NONE: it is no such thing, such as a report."""

    NONE = ""
    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`key` names what it is about: messages of one channel and key go out in order, and a newer one supersedes older
    unsent ones. `body` is the bytes for the wire (a Slack JSON object, or a whole MIME message). `reply_to` is the id
    of the message whose thread this one belongs in. `edits` is the id of the message in whose place this one comes, where
    the channel can edit; it is sent as a new one if that never arrived. `provider_id` is what the peer called it (Slack:
    channel/ts).
    `status`: what is worse leaves its channel first. `kept_since` is when a person last asked for it to be tried again:
    it is given up on so much later. `action` and `priority` are those of a notice; a report has none."""

    id: str
    key: str
    channel: str
    to: str
    subject: str
    body: bytes
    created_at: datetime
    run_id: str = ""
    reply_to: str | None = None
    edits: str | None = None
    state: Delivery = Delivery.QUEUED
    attempts: int = 0
    not_before: datetime | None = None
    provider_id: str = ""
    error: str = ""
    status: Status = Status.INFO
    kept_since: datetime | None = None
    action: Action = Action.NONE
    priority: Priority | None = None


CARDS = "opsbot/card/"
"""How the keys of cards begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One trouble as one channel is to see it from now on: `message` comes in the place of the last one of its channel and
    key, with `change` in its thread, and is RESOLVE at the end.

    Where no card stands that is open and of a run at or after `begun`, the message is a new one if it `opens`, and not sent
    otherwise. What the card says already, by its subject, is not said again.
    """

    message: Message
    change: Message
    begun: datetime
    opens: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One claim of a message. `outcome` is a Delivery, or "" while it lasts, and for ever if its sender died."""

    n: int
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """What a person did to a message: `what` is "retry" or "drop"."""

    at: datetime
    who: str
    what: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A channel that takes nothing at the moment, since when, and what it last said.

    `failures` in a row. `held`: a person must change something first. `opens_at`: it is not asked before. `told`: people
    know by another channel.
    """

    channel: str
    since: datetime
    error: str
    failures: int = 1
    held: bool = False
    opens_at: datetime | None = None
    told: bool = False
