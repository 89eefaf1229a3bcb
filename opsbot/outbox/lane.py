"""One channel's thread of the daemon's sender, and the leases of what all of them have in hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from opsbot.errors import StoreError
from opsbot.model.message import Delivery, Message
from opsbot.outbox.attempt import Attempts
from opsbot.ports import Channel, Store

log = logging.getLogger(__name__)

# Claimed and settled together where a channel is fast: a commit to disk costs milliseconds.
BATCH = 25
# What has arrived is noted at least this often, in seconds.
SETTLE = 0.2
# A message that comes due this soon is waited for without asking the main thread.
NAP = 2.0
# The store may be busy, or its disk full: a moment later it may not be.
STORE_PAUSE = 1.0


Moment = tuple[float, datetime]
"""By both clocks: one stands still while the machine sleeps, the other may be set."""


class Leases:
    """Who holds what since when. A message is ours only as long as its lease was renewed in time."""

    def __init__(self, store: Store, now: Callable[[], datetime], lease: timedelta) -> None:
        self._store, self._now = store, now
        self._lock = threading.Lock()
        self._held: dict[str, tuple[int, Moment]] = {}
        self._lost: set[str] = set()
        self.seconds = lease.total_seconds()

    def moment(self) -> Moment:
        """Now. Taken before a claim: whoever is stopped in the middle of one must not think that it is fresh."""
        return time.monotonic(), self._now()

    def take(self, messages: Sequence[Message], since: Moment) -> None:
        with self._lock:
            self._held |= {message.id: (message.attempts, since) for message in messages}

    def drop(self, messages: Iterable[Message]) -> None:
        with self._lock:
            for message in messages:
                self._held.pop(message.id, None)
                self._lost.discard(message.id)

    def renew(self, older_than: float | None = None) -> None:
        """Those that were last renewed so many seconds ago; a third of the lease, if not said. Raises StoreError."""
        age, moment = self.seconds / 3 if older_than is None else older_than, self.moment()
        with self._lock:
            due = {id: attempts for id, (attempts, since) in self._held.items() if _seconds(since, moment) >= age}
        lost = self._store.renew(due, moment[1], self.seconds) if due else frozenset()
        with self._lock:
            self._lost |= lost & self._held.keys()
            self._held |= {id: (attempts, moment) for id, attempts in due.items() if id in self._held}

    def is_mine(self, message: Message) -> bool:
        """Whether it can still be sent by us. Raises StoreError when that must be asked and cannot be."""
        self.renew(self.seconds / 2)
        with self._lock:
            return message.id not in self._lost


def _seconds(since: Moment, until: Moment) -> float:
    return max(until[0] - since[0], (until[1] - since[1]).total_seconds())


class Lane:
    """Sends what is due for one channel whenever it is woken."""

    def __init__(
        self, name: str, store: Store, channels: Mapping[str, Channel], leases: Leases, now: Callable[[], datetime]
    ) -> None:
        self.name = name
        self._store, self._channel, self._leases, self._now = store, channels.get(name), leases, now
        self._attempts = Attempts(store=store, channels=channels, now=now, sent=self._sent, is_mine=leases.is_mine)
        self._arrived: list[tuple[Message, str]] = []
        self._first_arrived = self._began = 0.0
        self._in_hand: Message | None = None
        self._lock = threading.Lock()
        self._woken, self._stopping = threading.Event(), threading.Event()
        self._draining = False
        # A thread that hangs in a peer must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"lane {name}", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        return self._draining or self._woken.is_set()

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    def alive(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return self._thread.is_alive()

    def seconds_at_it(self) -> float:
        """How long the attempt in hand has taken so far; 0 without one."""
        return time.monotonic() - self._began if self._in_hand is not None else 0.0

    def hand_back(self) -> None:
        """What the thread hangs in is queued again; whoever takes it looks whether it arrived."""
        try:
            self._note_arrived()
            message = self._in_hand
            if message is not None:
                again = self._now() + timedelta(seconds=self._channel.patience if self._channel else 0)
                self._store.settle(message, Delivery.QUEUED, now=self._now(), error="interrupted", not_before=again)
        except StoreError as error:
            # Its lease runs out: then it is taken up again as well.
            log.warning("message not handed back", extra={"channel": self.name, "why": error.message})

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait()
            self._draining = True
            self._woken.clear()
            try:
                self._drain()
            except StoreError as error:
                log.warning("outbox cannot be written", extra={"channel": self.name, "why": error.message})
                self._stopping.wait(STORE_PAUSE)
                self._woken.set()
            self._draining = False
        self._last_words()

    def _last_words(self) -> None:
        try:
            self._note_arrived()
        except StoreError as error:
            log.warning("outbox cannot be written", extra={"channel": self.name, "why": error.message})

    def _drain(self) -> None:
        self._note_arrived()
        self._attempts.gather(self.name)
        pace = self._channel.pace if self._channel else 0.0
        while not self._stopping.is_set():
            asked = self._leases.moment()
            claimed = self._store.claim_of(self.name, self._now(), self._leases.seconds, pace=pace, limit=BATCH)
            if not claimed and not self._wait_for_more():
                return
            self._leases.take(claimed, asked)
            self._send(claimed)
            # The store counts from the claim, for all senders; the peer counts from when it was done.
            self._stopping.wait(pace)

    def _send(self, claimed: Sequence[Message]) -> None:
        try:
            for place, message in enumerate(claimed):
                if self._stopping.is_set():
                    self._store.release(claimed[place:])
                    break
                self._make(message)
            self._note_arrived()
        finally:
            # What could not be noted for the store's sake is kept; the rest is anybody's once its lease ran out.
            kept = {message.id for message, _ in self._arrived}
            self._leases.drop(message for message in claimed if message.id not in kept)

    def _make(self, message: Message) -> None:
        self._began, self._in_hand = time.monotonic(), message
        try:
            self._attempts.make(message)
        finally:
            self._in_hand = None

    def _wait_for_more(self) -> bool:
        """Whether something comes due in a moment: a channel's pace. It has, when this returns."""
        now = self._now()
        due = self._store.messages_due(now).get(self.name)
        seconds = (due - now).total_seconds() if due is not None else NAP + 1
        if seconds > NAP:
            return False
        self._stopping.wait(max(seconds, 0.01))
        return True

    def _sent(self, message: Message, provider_id: str) -> None:
        with self._lock:
            if not self._arrived:
                self._first_arrived = time.monotonic()
            self._arrived.append((message, provider_id))
        # Nobody can look into a mailbox: what is not noted when we die arrives again.
        sure = self._channel is not None and self._channel.readable
        if not sure or time.monotonic() - self._first_arrived > SETTLE:
            self._note_arrived()

    def _note_arrived(self) -> None:
        """Kept until it could be noted. Raises StoreError."""
        with self._lock:
            arrived = list(self._arrived)
            if not arrived:
                return
            self._store.settle_sent(arrived, now=self._now())
            self._arrived.clear()
        self._leases.drop(message for message, _ in arrived)
