"""Telling: works off what was committed to the outbox, one attempt a claim, so that a crash loses nothing.

Before a second attempt the channel is asked whether the first arrived. Where it can tell (Slack, files) a message
arrives once; where nobody can (e-mail) a crash in mid-send may repeat it, with the same Message-ID.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage

import orjson

from opsbot.errors import DeliveryError
from opsbot.model.message import Delivery, Format, Message
from opsbot.ports import Channel, Store

log = logging.getLogger(__name__)

# Longer than any attempt can take: two Slack calls, or an SMTP conversation with a slow server.
LEASE = timedelta(seconds=120)
BACKOFF, BACKOFF_CAP = timedelta(seconds=5), timedelta(minutes=5)
# A message that could not be sent for three days would mislead whoever reads it.
GIVE_UP = timedelta(hours=72)
# Slack takes one message a second and channel; asking for more only earns a 429.
PACE = {Format.SLACK: timedelta(seconds=1.05)}
NOTICES = "opsbot/undelivered/"


def deliver(
    store: Store,
    channels: Mapping[str, Channel],
    *,
    now: Callable[[], datetime],
    wait: Callable[[float], None],
    until: datetime | None = None,
    only_run: str | None = None,
) -> tuple[Message, ...]:
    """Drain what is due, and with `until` wait for what comes due before then; the messages tried, as they stand now.

    Without `until` it waits for nothing but a channel's pace of a second. `only_run` leaves other runs' messages
    alone. Any number of these may run at once. Raises StoreError; what a channel does wrong ends in the message.
    """
    drain = _Drain(store=store, channels=channels, now=now)
    tried: dict[str, None] = {}
    while True:
        message = store.claim(now(), LEASE.total_seconds(), run_id=only_run, without=drain.closed())
        if message is not None:
            drain.attempt(message)
            tried[message.id] = None
            continue
        seconds = drain.pause(store.messages(run_id=only_run, states=_UNSENT), until)
        if seconds is None:
            break
        wait(seconds)
    return tuple(told for id in tried if (told := store.message(id)))


_UNSENT = (Delivery.QUEUED, Delivery.SENDING)


def _fields(message: Message) -> dict[str, str]:
    return {"run": message.run_id, "message_id": message.id, "channel": message.channel}


def backoff(message: Message) -> timedelta:
    """5 s, doubled with each attempt, 5 min at most; halved at most by a jitter that is the same every time."""
    seed = hashlib.sha256(f"{message.id}/{message.attempts}".encode("utf-8", "replace")).digest()
    jitter = 0.5 + int.from_bytes(seed[:4]) / 2**33
    doublings = min(max(message.attempts, 1) - 1, 16)
    return min(BACKOFF * (1 << doublings), BACKOFF_CAP) * jitter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drain:
    """One drain. `opens` says when a channel that asked us to wait may be asked again."""

    store: Store
    channels: Mapping[str, Channel]
    now: Callable[[], datetime]
    opens: dict[str, datetime] = field(default_factory=dict)

    def closed(self) -> frozenset[str]:
        """Channels that must not be asked now; the others go on meanwhile."""
        now = self.now()
        return frozenset(name for name, opens in self.opens.items() if opens > now)

    def pause(self, pending: Sequence[Message], until: datetime | None) -> float | None:
        """Seconds until the next message comes due, or None if that is too late to wait for."""
        now = self.now()
        horizon = until if until is not None else now + max(PACE.values())
        coming = (max(message.not_before or now, self.opens.get(message.channel, now)) for message in pending)
        following = min((due for due in coming if due > now), default=None)
        return None if following is None or following > horizon else (following - now).total_seconds()

    def attempt(self, message: Message) -> None:
        """One attempt, and its end noted whatever happens."""
        channel = self.channels.get(message.channel)
        if channel is None:
            self._fail(message, _unknown(message))
        else:
            self._tell(message, channel)

    def _tell(self, message: Message, channel: Channel) -> None:
        thread = self._thread(message)
        try:
            # An earlier claim may have ended without a word: look before telling people twice.
            found = channel.find(message) if message.attempts > 1 else ""
            provider_id = found or channel.send(message, thread)
        except DeliveryError as error:
            self._fail(message, error)
        except Exception as error:  # noqa: BLE001  one broken channel must not keep the others from telling
            self._fail(message, _surprise(message, error))
        else:
            self.store.settle(message, Delivery.SENT, now=self.now(), provider_id=provider_id)
            log.info("message sent", extra=_fields(message))
        self._keep_pace(message.channel, channel)

    def _thread(self, message: Message) -> str:
        parent = self.store.message(message.reply_to) if message.reply_to else None
        return parent.provider_id if parent and parent.state is Delivery.SENT else ""

    def _keep_pace(self, name: str, channel: Channel) -> None:
        pace = PACE.get(channel.format)
        if pace:
            self.opens[name] = max(self.opens.get(name, self.now()), self.now() + pace)

    def _fail(self, message: Message, error: DeliveryError) -> None:
        now = self.now()
        log.info("message not sent", extra=_fields(message) | {"why": error.message})
        if error.remaining is not None:
            also = self._rest(message, error.remaining) + (self._notice(message, error) if error.permanent else ())
            self.store.settle(message, Delivery.SENT, now=now, error=error.message, also=also)
        elif error.permanent or now - message.created_at > GIVE_UP:
            doubtful = error.ambiguous and not error.permanent
            state = Delivery.UNKNOWN if doubtful else Delivery.DEAD
            self.store.settle(message, state, now=now, error=_why(error), also=self._notice(message, error))
        else:
            self._later(message, error, now)

    def _later(self, message: Message, error: DeliveryError, now: datetime) -> None:
        again = now + backoff(message)
        held = error.retry_after is not None
        if error.retry_after is not None:
            again = now + timedelta(seconds=error.retry_after)
            self.opens[message.channel] = again
        self.store.settle(message, Delivery.QUEUED, now=now, error=_why(error), not_before=again, hold_channel=held)

    def _rest(self, message: Message, remaining: str) -> tuple[Message, ...]:
        """The same bytes for those who were refused for now. A line of its own: it must not hold up, nor supersede,
        what comes after for everybody else."""
        if not remaining:
            return ()
        again = self.now() + backoff(message)
        key = f"{message.key} to {remaining}"
        return (replace(message, id=f"{message.id}.rest", key=key, to=remaining, not_before=again),)

    def _notice(self, message: Message, error: DeliveryError) -> tuple[Message, ...]:
        """Tells of a dead letter by another way, once for a thread; a notice that dies is not told of again."""
        others = [name for name in self.channels if name != message.channel]
        if not others or message.reply_to or message.key.startswith(NOTICES):
            return ()
        # Whatever broke one kind of channel may well have broken its siblings.
        kind = self.channels[message.channel].format if message.channel in self.channels else None
        others.sort(key=lambda name: self.channels[name].format == kind)
        return (_notice(message, error, others[0], self.channels[others[0]], self.now()),)


def _notice(message: Message, error: DeliveryError, name: str, channel: Channel, now: datetime) -> Message:
    subject = f"Not delivered to {message.channel}: {message.subject}"[:150]
    lines = [f"opsbot could not deliver “{message.subject}” to {message.channel} ({message.to}).", error.message]
    lines += [f"What to do: {error.hint}"] if error.hint else []
    text = "\n".join([*lines, "All that waits: opsbot outbox list"])
    return Message(
        id=f"{message.id}.notice-{message.attempts}",
        key=f"{NOTICES}{message.channel}",
        channel=name,
        to=channel.to,
        subject=subject,
        body=_slack(text) if channel.format is Format.SLACK else _email(subject, text),
        created_at=now,
        run_id=message.run_id,
    )


def _slack(text: str) -> bytes:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return orjson.dumps({"text": escaped, "unfurl_links": False, "unfurl_media": False})


def _email(subject: str, text: str) -> bytes:
    """Without From, To, Date and Message-ID: the channel knows them."""
    letter = EmailMessage(policy=policy.SMTP)
    letter["Subject"] = " ".join(subject.split())
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    return letter.as_bytes()


def _why(error: DeliveryError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _unknown(message: Message) -> DeliveryError:
    return DeliveryError(
        f"no channel {message.channel!r} is configured",
        permanent=False,
        hint=f"add [channels.{message.channel}] to config.toml, or drop the message",
    )


def _surprise(message: Message, error: Exception) -> DeliveryError:
    return DeliveryError(f"channel {message.channel!r} failed: {type(error).__name__}", permanent=False, ambiguous=True)
