"""Messages of the outbox as lines for people and as plain data for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from opsbot.model.message import Delivery, Message
from opsbot.ports import Store
from opsbot.render.format import brief, clean, moment

_WORDS = {
    Delivery.QUEUED: "waits",
    Delivery.SENDING: "is being sent",
    Delivery.HELD: "is held until somebody acts",
    Delivery.SENT: "arrived",
    Delivery.UNKNOWN: "may have arrived; nobody could be asked",
    Delivery.DEAD: "was given up on",
    Delivery.SUPERSEDED: "was replaced by a newer one before it left",
    Delivery.DROPPED: "was dropped",
}


def line(message: Message, zone: str, now: datetime) -> str:
    """One message in a list; why it waits stands at the end."""
    when = brief(message.created_at, zone, now)
    tried = f"{message.attempts} tries" if message.attempts != 1 else "1 try"
    why = f"  {clean(message.error)}" if message.error else ""
    whom = f"{message.channel} ({clean(message.to)})" if message.to else message.channel
    return f"{message.id}  {message.state:<10} {when:<12} {whom}  {tried}  {clean(message.subject)}{why}"


def told(message: Message, store: Store, zone: str, now: datetime) -> Iterator[str]:
    """Everything that is known of one message."""
    yield clean(message.subject)
    rows = [
        ("message", message.id),
        ("state", f"{message.state}: {_WORDS[message.state]}"),
        ("to", f"{clean(message.to)}, by {message.channel}" if message.to else message.channel),
        ("written", moment(message.created_at, zone)),
        ("next try", moment(message.not_before, zone) if message.not_before and message.not_before > now else ""),
        ("run", f"{message.run_id}  (opsbot runs show {message.run_id})" if message.run_id else ""),
        ("thread of", message.reply_to or ""),
        ("in place of", message.edits or ""),
        ("there it is", clean(message.provider_id)),
        ("why", clean(message.error)),
    ]
    yield from (f"  {name:<12} {value}" for name, value in rows if value)
    yield from _history(message, store, zone)


def _history(message: Message, store: Store, zone: str) -> Iterator[str]:
    rows = [
        (one.started_at, f"try {one.n}: {one.outcome or 'no word of how it ended'}", one.error)
        for one in store.tries(message.id)
    ]
    rows += [(one.at, f"{one.what} by {clean(one.who)}", one.reason) for one in store.interventions(message.id)]
    for at, what, why in sorted(rows):
        yield f"  {moment(at, zone)}  {what}{': ' + clean(why) if why else ''}"


def plain(message: Message) -> dict[str, Any]:
    """For `outbox list --format json`; times are UTC."""
    texts = ("id", "channel", "to", "key", "subject", "run_id", "reply_to", "edits", "attempts", "provider_id", "error")
    return {name: getattr(message, name) for name in texts} | {
        "state": message.state.value,
        "status": message.status.value,
        "created_at": _utc(message.created_at),
        "next_try": _utc(message.not_before),
    }


def whole(message: Message, store: Store) -> dict[str, Any]:
    """For `outbox show --format json`."""
    tries = [
        {
            "n": one.n,
            "started_at": _utc(one.started_at),
            "ended_at": _utc(one.ended_at),
            "outcome": one.outcome,
            "error": one.error,
        }
        for one in store.tries(message.id)
    ]
    acts = [
        {"at": _utc(one.at), "who": one.who, "what": one.what, "reason": one.reason}
        for one in store.interventions(message.id)
    ]
    return {"schema": "opsbot.message/1", **plain(message), "tries": tries, "interventions": acts}


def _utc(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else None
