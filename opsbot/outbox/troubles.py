"""What is wrong with the outbox, in sentences for the status page: channels that take nothing, messages given up on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from opsbot.model.message import Delivery, Message, Outage
from opsbot.outbox.telling import span
from opsbot.ports import Store

_WAITING = (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD)
# Given up on, and nobody has said yet that it need not be told.
_GIVEN_UP = (Delivery.DEAD, Delivery.UNKNOWN)


def troubles(store: Store, now: datetime) -> tuple[str, ...]:
    """Worst first, and () while everything gets through. Raises StoreError."""
    outages = store.outages()
    waiting = Counter(message.channel for message in store.messages(states=_WAITING)) if outages else Counter()
    # One that keeps nobody waiting any more is only known to be well when the next message comes.
    felt = sorted((outage for outage in outages if waiting[outage.channel]), key=lambda one: (not one.held, one.since))
    told = [_of_outage(outage, waiting[outage.channel], now) for outage in felt]
    return (*told, *_of_the_dead(store.messages(states=_GIVEN_UP)))


def _of_outage(outage: Outage, waiting: int, now: datetime) -> str:
    many = "1 message waits" if waiting == 1 else f"{waiting} messages wait"
    return f"{outage.channel} takes nothing for {span(now - outage.since)}, {many}: {outage.error}"


def _of_the_dead(messages: tuple[Message, ...]) -> Iterator[str]:
    for channel, many in sorted(Counter(message.channel for message in messages).items()):
        what = "1 message was" if many == 1 else f"{many} messages were"
        yield f"{what} not delivered to {channel}: opsbot outbox list --channel {channel}"
