"""Telling by hand: `opsbot run --deliver` and `opsbot outbox send` work off what is due, one message after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsbot.model.message import Delivery, Message
from opsbot.outbox.attempt import Attempts
from opsbot.outbox.elsewhere import tell_elsewhere
from opsbot.ports import Channel, Store

# Longer than any attempt can take: two Slack calls, or an SMTP conversation with a slow server.
LEASE = timedelta(seconds=120)
UNSENT = (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD)


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

    Without `until` it waits for nothing but a channel's pace. A channel that was down is asked again at once: a person
    wants to know. `only_run` leaves other runs' messages alone. Any number of these may run at once, beside the daemon's
    sender too. Raises StoreError; what a channel does wrong ends in the message.
    """
    drain = _Drain(store=store, channels=channels, now=now)
    store.reopen(channels)
    if only_run is None:
        drain.gather()
    tried: dict[str, None] = {}
    while True:
        message = store.claim(now(), LEASE.total_seconds(), run_id=only_run, without=drain.closed())
        if message is not None:
            drain.attempt(message)
            tried[message.id] = None
            continue
        if only_run is None and tell_elsewhere(store, channels, now()):
            continue
        seconds = drain.pause(store.messages(run_id=only_run, states=UNSENT), until)
        if seconds is None:
            break
        wait(seconds)
    return tuple(told for id in tried if (told := store.message(id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drain:
    """One drain. `opens` says when a channel may be asked again by its pace."""

    store: Store
    channels: Mapping[str, Channel]
    now: Callable[[], datetime]
    opens: dict[str, datetime] = field(default_factory=dict)

    def closed(self) -> frozenset[str]:
        """Channels that must not be asked now; the others go on meanwhile."""
        now = self.now()
        return frozenset(name for name, opens in self.opens.items() if opens > now)

    def gather(self) -> None:
        attempts, now = self._attempts(), self.now()
        for name, due in self.store.messages_due(now).items():
            if due <= now:
                attempts.gather(name)

    def attempt(self, message: Message) -> None:
        self._attempts().make(message)
        channel = self.channels.get(message.channel)
        if channel is not None and channel.pace:
            self.opens[message.channel] = self.now() + timedelta(seconds=channel.pace)

    def pause(self, pending: Sequence[Message], until: datetime | None) -> float | None:
        """Seconds until the next message comes due, or None if that is too late to wait for."""
        now = self.now()
        shut = {outage.channel: outage.opens_at for outage in self.store.outages() if outage.opens_at is not None}
        paces = [channel.pace for channel in self.channels.values()]
        horizon = until if until is not None else now + timedelta(seconds=max(paces, default=0.0))
        coming = (
            max(message.not_before or now, self.opens.get(message.channel, now), shut.get(message.channel, now))
            for message in pending
        )
        following = min((due for due in coming if due > now), default=None)
        return None if following is None or following > horizon else (following - now).total_seconds()

    def _attempts(self) -> Attempts:
        return Attempts(store=self.store, channels=self.channels, now=self.now, sent=self._sent)

    def _sent(self, message: Message, provider_id: str) -> None:
        self.store.settle(message, Delivery.SENT, now=self.now(), provider_id=provider_id)
