"""One attempt at one message, and its end noted whatever happens; everything that sends goes through here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.errors import DeliveryError
from opsbot.model.message import Delivery, Format, Message, Outage
from opsbot.outbox import retrying, telling
from opsbot.ports import Channel, Store

log = logging.getLogger(__name__)

# A message this old says when it was written, and a backlog of them comes as one thread.
LATE = timedelta(minutes=30)
# An outage that mends itself within this time is no news.
WORTH_TELLING = timedelta(minutes=15)

# A backlog as a thread is for people who read; a pager and a machine want each in its place.
_READ = (Format.SLACK, Format.EMAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """`is_mine` is asked at the last moment before something is sent: whoever lost the message meanwhile keeps quiet.
    `sent` notes that a message arrived, at once or soon."""

    store: Store
    channels: Mapping[str, Channel]
    now: Callable[[], datetime]
    sent: Callable[[Message, str], None]
    is_mine: Callable[[Message], bool] = lambda _message: True

    def make(self, message: Message) -> None:
        """Raises StoreError; what a channel does wrong ends in the message."""
        channel = self.channels.get(message.channel)
        if channel is None:
            self._fail(message, _unknown(message), self.now())
            return
        began = self.now()
        try:
            provider_id = self._tell(message, channel)
        except DeliveryError as error:
            self._fail(message, error, began)
        except Exception as error:  # noqa: BLE001  one broken channel must not keep the others from telling
            self._fail(message, _surprise(message, error), began)
        else:
            if provider_id is not None:
                log.info("message sent", extra=fields(message))
                self.sent(message, provider_id)

    def gather(self, name: str) -> None:
        """Put what waits since long into one thread, if the channel takes something again."""
        channel, now = self.channels.get(name), self.now()
        if (
            channel is not None
            and channel.format in _READ
            and self.store.is_late(name, now - LATE)
            and _answers(channel)
        ):
            self.store.bundle(name, now - LATE, lambda late: telling.cover(late, name, channel, now))

    def _tell(self, message: Message, channel: Channel) -> str | None:
        thread, card = self._thread(message), self._card(message, channel)
        # An earlier claim may have ended without a word: look before telling people twice.
        found = channel.find(message, thread) if message.attempts > 1 else ""
        if found:
            return found
        if message.key.startswith(telling.LATE) and not message.reply_to:
            members = self.store.messages(channel=message.channel, key=message.key)
            message = telling.with_fresh_cover(message, [m for m in members if m.id != message.id], channel, self.now())
        if not self.is_mine(message):
            log.info("message left to another sender", extra=fields(message))
            return None
        return channel.send(message, thread, card)

    def _thread(self, message: Message) -> str:
        parent = self.store.message(message.reply_to) if message.reply_to else None
        return parent.provider_id if parent and parent.state is Delivery.SENT else ""

    def _card(self, message: Message, channel: Channel) -> str:
        """What the peer calls the message that this one comes in place of; "" if none of them ever arrived."""
        earlier = self._before(message)
        passed = {message.id}
        while earlier is not None and earlier.id not in passed:
            passed.add(earlier.id)
            if earlier.state is Delivery.SENT:
                return earlier.provider_id
            # It was superseded after an attempt that may have reached people.
            if earlier.attempts and (found := channel.find(earlier)):
                return found
            earlier = self._before(earlier)
        return ""

    def _before(self, message: Message) -> Message | None:
        return self.store.message(message.edits) if message.edits else None

    def _fail(self, message: Message, error: DeliveryError, began: datetime) -> None:
        log.info("message not sent", extra=fields(message) | {"why": error.message})
        now = self.now()
        if error.instead:
            self.store.settle(message, Delivery.QUEUED, now=now, error=error.message, body=error.instead[0],
                              also=_parts(message, error.instead[1:]))  # fmt: skip
        elif error.remaining is not None:
            also = self._rest(message, error, now) + (self._notice(message, error, now) if error.permanent else ())
            self.store.settle(message, Delivery.SENT, now=now, error=error.message, also=also)
        elif (error.permanent and not error.peer) or retrying.is_given_up(message, error, now):
            self._give_up(message, error, now)
        else:
            self._later(message, error, began, now)

    def _give_up(self, message: Message, error: DeliveryError, now: datetime) -> None:
        doubtful = error.ambiguous and not error.permanent
        state = Delivery.UNKNOWN if doubtful else Delivery.DEAD
        self.store.settle(message, state, now=now, error=why(error), also=self._notice(message, error, now))

    def _later(self, message: Message, error: DeliveryError, began: datetime, now: datetime) -> None:
        outage = self._outage(message.channel, error, now) if error.peer else None
        asked = error.retry_after is not None
        again = (
            now + timedelta(seconds=error.retry_after)
            if error.retry_after is not None
            else _again(message, error, outage, now)
        )
        if error.ambiguous and (channel := self.channels.get(message.channel)) is not None:
            # The peer may still be at work on the first request: looking earlier would find nothing.
            again = max(again, began + timedelta(seconds=channel.patience + 1))
        state = Delivery.HELD if error.permanent else Delivery.QUEUED
        self.store.settle(
            message, state, now=now, error=why(error), not_before=again, hold_channel=asked, outage=outage
        )
        if outage is not None and (outage.held or now - outage.since >= WORTH_TELLING) and not outage.told:
            self._tell_outage(outage, message, error, now)

    def _outage(self, name: str, error: DeliveryError, now: datetime) -> Outage:
        """The channel's outage as it is with this failure; it begins here if there was none."""
        known = next((outage for outage in self.store.outages() if outage.channel == name), None)
        failures = known.failures + 1 if known else 1
        wait = retrying.channel_backoff(name, failures, held=error.permanent)
        return Outage(
            channel=name, since=known.since if known else now, error=why(error), failures=failures, held=error.permanent,
            opens_at=None if error.retry_after is not None else now + wait, told=known.told if known else False,
        )  # fmt: skip

    def _tell_outage(self, outage: Outage, message: Message, error: DeliveryError, now: datetime) -> None:
        for name, channel in self._others(outage.channel):
            notice = telling.of_outage(outage, message.to or outage.channel, error, name, channel, now)
            self.store.tell_outage(outage.channel, (replace(notice, run_id=message.run_id),), now)

    def _rest(self, message: Message, error: DeliveryError, now: datetime) -> tuple[Message, ...]:
        """The same bytes for those who were refused for now. A line of its own: it must not hold up, nor supersede,
        what comes after for everybody else."""
        if not error.remaining:
            return ()
        key = f"{message.key} to {error.remaining}"
        again = now + retrying.backoff(message, error)
        return (replace(message, id=f"{message.id}.rest", key=key, to=error.remaining, not_before=again),)

    def _notice(self, message: Message, error: DeliveryError, now: datetime) -> tuple[Message, ...]:
        """Tells of a dead letter by another way, once for a thread; a notice that dies is not told of again."""
        if message.reply_to or message.key.startswith(telling.NOTICES):
            return ()
        return tuple(
            telling.of_dead_letter(message, error, name, channel, now)
            for name, channel in self._others(message.channel)
        )

    def _others(self, name: str) -> Sequence[tuple[str, Channel]]:
        """The one other channel that is likeliest to get through, if there is one."""
        down = {outage.channel for outage in self.store.outages()}
        # Whatever broke one kind of channel may well have broken its siblings.
        kind = self.channels[name].format if name in self.channels else None
        others = [pair for pair in self.channels.items() if pair[0] != name]
        # Nobody is to be got out of bed for a channel while another can say so.
        others.sort(key=lambda pair: (pair[0] in down, pair[1].format not in _READ, pair[1].format == kind))
        return others[:1]


def fields(message: Message) -> dict[str, str]:
    """What a log line says of a message."""
    return {"run": message.run_id, "message_id": message.id, "channel": message.channel}


def why(error: DeliveryError) -> str:
    """An error as it stands beside its message."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _again(message: Message, error: DeliveryError, outage: Outage | None, now: datetime) -> datetime:
    """Behind its channel's opening: then another message goes first, and one that breaks its peer holds up nobody."""
    if outage is not None and outage.opens_at is not None:
        return outage.opens_at + timedelta(seconds=min(message.attempts, 30))
    return now + retrying.backoff(message, error)


def _answers(channel: Channel) -> bool:
    try:
        channel.check()
    except DeliveryError:
        return False
    except Exception:  # noqa: BLE001  a broken channel is told of by the attempt that follows
        return False
    return True


def _parts(message: Message, bodies: Sequence[bytes]) -> tuple[Message, ...]:
    """What does not fit the first message follows in its thread, in order."""
    return tuple(
        replace(message, id=f"{message.id}.part-{place}", key=f"{message.key} parts", body=body, reply_to=message.reply_to or message.id,
                created_at=message.created_at + timedelta(microseconds=place))
        for place, body in enumerate(bodies, 2)
    )  # fmt: skip


def _unknown(message: Message) -> DeliveryError:
    return DeliveryError(
        f"no channel {message.channel!r} is configured",
        permanent=True,
        peer=True,
        hint=f"add [channels.{message.channel}] to config.toml, or drop the message",
    )


def _surprise(message: Message, error: Exception) -> DeliveryError:
    what = f"channel {message.channel!r} failed: {type(error).__name__}"
    return DeliveryError(what, permanent=False, ambiguous=True)
