"""What the outbox itself has to say: of a message that was given up, a channel that takes nothing, a backlog that is late."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from typing import Any

from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message, Outage
from opsbot.model.status import Status, worst
from opsbot.ports import Channel
from opsbot.render import event, short

NOTICES = "opsbot/undelivered/"
LATE = "opsbot/late/"
_LISTED = 40


def of_dead_letter(message: Message, error: DeliveryError, name: str, channel: Channel, now: datetime) -> Message:
    """Tells by the channel `name` what did not get through; once for a message, and once for an outage's many."""
    subject = f"Not delivered to {message.channel}: {message.subject}"[:150]
    lines = [f"opsbot could not deliver “{message.subject}” to {message.channel} ({message.to}).", error.message]
    lines += [f"What to do: {error.hint}"] if error.hint else []
    lines += [f"This message: opsbot outbox show {message.id}", "All that waits: opsbot outbox list"]
    key = f"{NOTICES}{message.channel}/{'outage' if error.peer else message.id}"
    told = _message(f"{message.id}.notice-{message.attempts}", key, name, channel, subject, "\n".join(lines), now)
    return replace(told, run_id=message.run_id, status=message.status)


def of_stranded(message: Message, name: str, channel: Channel, now: datetime) -> Message:
    """Tells by the channel `name` of a page that its own has not taken yet; that one is tried all the same."""
    subject = f"Not yet delivered to {message.channel}: {message.subject}"[:150]
    lines = [f"opsbot cannot reach {message.channel} ({message.to}) for {span(now - message.created_at)} with this:"]
    lines += [message.subject, *([f"Why: {message.error}"] if message.error else [])]
    lines += ["What fires: opsbot alerts", f"This message: opsbot outbox show {message.id}"]
    key = f"{NOTICES}{message.channel}/{message.key}"
    return _message(f"{message.id}.elsewhere", key, name, channel, subject, "\n".join(lines), now)


def of_outage(outage: Outage, to: str, error: DeliveryError, name: str, channel: Channel, now: datetime) -> Message:
    """Tells by the channel `name` that another takes nothing; withdrawn if that one is well before it was sent."""
    subject = f"opsbot cannot deliver to {outage.channel}"
    lines = [f"opsbot cannot deliver to {outage.channel} ({to}) since {_moment(outage.since)}.", error.message]
    lines += [f"What to do: {error.hint}"] if error.hint else []
    lines += [
        f"What waits is kept for 72 h and tried again by itself; at once: opsbot outbox retry --channel {outage.channel}"
    ]
    id = f"{outage.channel}.outage-{outage.since:%Y%m%dT%H%M%S%f}"
    return _message(id, f"{NOTICES}{outage.channel}", name, channel, subject, "\n".join(lines), now)


def cover(late: Sequence[Message], name: str, channel: Channel, now: datetime) -> Message:
    """What a backlog follows, as its thread: how late it is and what is in it. `late` are its first messages, oldest first."""
    id = f"{name}.late-{now:%Y%m%dT%H%M%S%f}"
    subject, text = _cover(late, now)
    told = _message(id, f"{LATE}{id}", name, channel, subject, text, now)
    return replace(told, status=worst(message.status for message in late))


def with_fresh_cover(message: Message, members: Sequence[Message], channel: Channel, now: datetime) -> Message:
    """A cover that had to wait itself says how late everything is by now."""
    subject, text = _cover(members or (message,), now)
    return replace(message, subject=subject, body=_body(channel.format, subject, text, message.key))


def of_words(id: str, key: str, name: str, channel: Channel, subject: str, text: str, now: datetime) -> Message:
    """A few urgent lines for the channel `name`, in whatever form it takes."""
    told = replace(_message(id, key, name, channel, subject, text, now), status=Status.CRITICAL)
    urgent = channel.format is Format.EVENT
    return replace(told, body=_json(event.of_words(subject, text, key, "critical"))) if urgent else told


def span(length: timedelta) -> str:
    """`6 h`, `45 min`, `3 d`: a delay as people say it."""
    minutes = max(round(length.total_seconds() / 60), 1)
    if minutes < 60:
        return f"{minutes} min"
    return f"{round(minutes / 60)} h" if minutes < 48 * 60 else f"{round(minutes / 1440)} d"


def _cover(members: Sequence[Message], now: datetime) -> tuple[str, str]:
    # The parts of one report share its subject, and are one message to whoever reads it.
    late = list({(message.run_id or message.id, message.subject): message for message in reversed(members)}.values())
    oldest = min(message.created_at for message in late)
    many = f"{len(late)} messages" if len(late) > 1 else "1 message"
    subject = f"Delayed {span(now - oldest)}: {many}"
    worst_first = sorted(late, key=lambda message: (-message.status.rank, message.created_at))
    lines = [f"Nothing got through since {_moment(oldest)}; {many} waited and follow here, oldest first."]
    lines += [
        f"{_mark(message.status)}{_moment(message.created_at)}  {message.subject}" for message in worst_first[:_LISTED]
    ]
    lines += [f"and {len(late) - _LISTED} more"] if len(late) > _LISTED else []
    return subject, "\n".join([subject, *lines])


def _mark(status: Status) -> str:
    return "! " if status is Status.CRITICAL else ""


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%a %d %b %H:%M UTC")


def _message(id: str, key: str, name: str, channel: Channel, subject: str, text: str, now: datetime) -> Message:
    return Message(
        id=id, key=key, channel=name, to=channel.to, subject=subject, body=_body(channel.format, subject, text, key),
        created_at=now, status=Status.UNKNOWN,
    )  # fmt: skip


def _body(format_: Format, subject: str, text: str, key: str) -> bytes:
    match format_:
        case Format.SLACK:
            return _slack(text)
        case Format.EMAIL:
            return _email(subject, text)
        case Format.EVENT:
            return _json(event.of_words(subject, text, key))
        case Format.TEXT:
            return _json({"default": text, "sms": short.sms(subject)})
        case Format.JSON:
            return _json({"schema": "opsbot.words/1", "key": key, "subject": subject, "text": text})


def _json(value: Mapping[str, Any]) -> bytes:
    # Half a surrogate pair may come in a name from outside; it must not cost the message.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _slack(text: str) -> bytes:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _json({"text": escaped, "unfurl_links": False, "unfurl_media": False})


def _email(subject: str, text: str) -> bytes:
    """Without From, To, Date and Message-ID: the channel knows them."""
    letter = EmailMessage(policy=policy.SMTP)
    letter["Subject"] = " ".join(subject.split())
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    return letter.as_bytes()
