"""When to try again: doubled waits with a cap, spread by a jitter that is the same every time."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from opsbot.errors import DeliveryError
from opsbot.model.message import Message

BACKOFF, BACKOFF_CAP = timedelta(seconds=5), timedelta(minutes=5)
# Greylisting lets nobody in before some minutes have passed, and most servers forget whom they saw after a day or two.
PATIENT, PATIENT_CAP = timedelta(minutes=5), timedelta(minutes=30)
# A channel that is down is asked this often at least, so that what waits is out a minute after it is back.
OUTAGE_CAP = timedelta(minutes=1)
# Where a person must act first, asking more often only fills their logs; they can ask at once with `outbox retry`.
HELD, HELD_CAP = timedelta(minutes=1), timedelta(minutes=15)
LEAST = timedelta(seconds=1)

# A message that could not be sent for three days would mislead whoever reads it.
GIVE_UP = timedelta(hours=72)
GIVE_UP_PATIENT = timedelta(hours=48)


def backoff(message: Message, error: DeliveryError | None = None) -> timedelta:
    """How long this message waits after its latest attempt. Anything up to a full wait that doubles from 5 s to 5 min;
    5 to 30 min where the peer wants us to come back later."""
    if error is not None and error.patient:
        full = _doubled(PATIENT * 2, message.attempts, PATIENT_CAP)
        return PATIENT + (full - PATIENT) * _chance(f"{message.id}/{message.attempts}")
    return _spread(_doubled(BACKOFF, message.attempts, BACKOFF_CAP), f"{message.id}/{message.attempts}")


def channel_backoff(channel: str, failures: int, *, held: bool) -> timedelta:
    """How long a whole channel is left alone after so many failures in a row."""
    first, cap = (HELD, HELD_CAP) if held else (BACKOFF, OUTAGE_CAP)
    return _spread(_doubled(first, failures, cap), f"{channel}/{failures}")


def is_given_up(message: Message, error: DeliveryError, now: datetime) -> bool:
    """Whether it has been tried for long enough, counted from when a person last asked for it."""
    kept = message.kept_since or message.created_at
    return now - kept > (GIVE_UP_PATIENT if error.patient else GIVE_UP)


def _doubled(first: timedelta, times: int, cap: timedelta) -> timedelta:
    return min(first * (1 << min(max(times, 1) - 1, 16)), cap)


def _spread(full: timedelta, seed: str) -> timedelta:
    return max(full * _chance(seed), LEAST)


def _chance(seed: str) -> float:
    """Above 0, at most 1, and the same for the same seed: what was tried can be told afterwards."""
    digest = hashlib.sha256(seed.encode("utf-8", "replace")).digest()
    return (int.from_bytes(digest[:4]) + 1) / 2**32
