"""A page must not wait for its channel: whoever can be reached by another one is told after a minute."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from opsbot.model.message import Format, Message
from opsbot.model.status import Priority
from opsbot.outbox import telling
from opsbot.ports import Channel, Store

log = logging.getLogger(__name__)

WAITS: Mapping[Priority, timedelta] = {Priority.P0: timedelta(minutes=1), Priority.P1: timedelta(minutes=5)}
"""For how long a page of each priority may go undelivered before others hear that it does."""

# Somebody is to be got out of bed: what rings before what is read, and people before machines.
_RINGS = (Format.EVENT, Format.TEXT, Format.SLACK, Format.EMAIL, Format.JSON)


def tell_elsewhere(store: Store, channels: Mapping[str, Channel], now: datetime) -> bool:
    """Queue what is stranded for another channel each, once; whether there was any. Raises StoreError."""
    found = False
    for message in store.stranded(WAITS, now):
        name = _other(store, channels, message)
        if name and store.detour(message, _notice(message, name, channels[name], now)):
            log.warning(
                "page does not get through", extra={"message_id": message.id, "channel": message.channel, "by": name}
            )
            found = True
    return found


def _other(store: Store, channels: Mapping[str, Channel], message: Message) -> str:
    """The likeliest to reach somebody who does not know yet; "" where there is no other."""
    down = {outage.channel for outage in store.outages()}
    kind = channels[message.channel].format if message.channel in channels else None

    def unlikely(name: str) -> tuple[bool, bool, int, bool]:
        knows = bool(store.messages(channel=name, key=message.key, limit=1))
        format_ = channels[name].format
        return name in down, knows, _RINGS.index(format_), format_ is kind

    return min((name for name in channels if name != message.channel), key=unlikely, default="")


def _notice(message: Message, name: str, channel: Channel, now: datetime) -> Message:
    told = telling.of_stranded(message, name, channel, now)
    # It calls whom the page itself would have called.
    return replace(told, run_id=message.run_id, status=message.status, action=message.action, priority=message.priority)
