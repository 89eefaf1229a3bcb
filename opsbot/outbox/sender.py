"""The daemon's sender: a thread a channel, so that one that is slow keeps nobody else waiting.

The main thread looks twice a second and more for what has come due, wakes the lanes and renews the leases of what
they have in hand. A sender that stood still (stopped, suspended) finds its leases lost and keeps quiet.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from opsbot.errors import StoreError
from opsbot.outbox.elsewhere import tell_elsewhere
from opsbot.outbox.lane import Lane, Leases
from opsbot.ports import Channel, Store

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
IDLE = timedelta(seconds=60)
GRACE = timedelta(seconds=20)
POLL = timedelta(seconds=0.4)
# How often it is looked whether a page does not get through, in seconds.
STRANDED = 5.0
# No attempt takes this long: the peer answers a byte at a time, or the thread hangs in the system.
STUCK = 300.0


class Sender:
    """Works until it was idle for `idle`, or told to stop. `lease` is how long a message stays with a sender that died,
    `poll` how often it looks for what is new."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        *,
        now: Callable[[], datetime],
        lease: timedelta = LEASE,
        idle: timedelta = IDLE,
        poll: timedelta = POLL,
    ) -> None:
        self._store, self._channels, self._now = store, channels, now
        self._idle, self._poll = idle.total_seconds(), poll.total_seconds()
        # A sender that died may have a request under way for as long as its channel is patient.
        patience = max((channel.patience for channel in channels.values()), default=0.0)
        self._leases = Leases(store, now, max(lease, timedelta(seconds=patience + 1)))
        self._lanes: dict[str, Lane] = {}
        self._stopped, self._stop = os.pipe()
        self._grace = GRACE
        self._looked_elsewhere = -STRANDED

    def stop(self, grace: timedelta = GRACE) -> None:
        """Finish what is in hand, at most for `grace`, and hand the rest back. May be called from a signal handler."""
        self._grace = grace
        # A pipe and no lock: the signal may have come in the middle of anything.
        os.write(self._stop, b".")

    def run(self) -> None:
        """Send, until idle or stopped. Raises StoreError when the store has not answered for as long as `idle`."""
        busy = answered = time.monotonic()
        while not select.select([self._stopped], [], [], 0)[0]:
            try:
                at_work = self._look()
                answered = time.monotonic()
            except StoreError as error:
                log.warning("outbox cannot be read", extra={"why": error.message})
                at_work = True
                if time.monotonic() - answered > self._idle:
                    self._wind_up()
                    raise
            if at_work:
                busy = time.monotonic()
            elif time.monotonic() - busy >= self._idle:
                break
            select.select([self._stopped], [], [], self._poll)
        self._wind_up()

    def _look(self) -> bool:
        """Wake the lanes that have something to do; whether there is, or soon will be, anything to do at all."""
        now = self._now()
        self._look_elsewhere(now)
        due = self._store.messages_due(now)
        for name, moment in due.items():
            if moment <= now:
                self._lane(name).wake()
        self._leases.renew()
        self._give_up_on_the_stuck()
        soon = any((moment - now).total_seconds() <= self._idle for moment in due.values())
        return soon or any(lane.busy for lane in self._lanes.values())

    def _look_elsewhere(self, now: datetime) -> None:
        if time.monotonic() - self._looked_elsewhere >= STRANDED:
            self._looked_elsewhere = time.monotonic()
            tell_elsewhere(self._store, self._channels, now)

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes:
            self._lanes[name] = Lane(name, self._store, self._channels, self._leases, self._now)
        return self._lanes[name]

    def _give_up_on_the_stuck(self) -> None:
        for lane in self._lanes.values():
            if lane.seconds_at_it() > STUCK:
                log.error("channel hangs", extra={"channel": lane.name, "seconds": round(lane.seconds_at_it())})
                self.stop()

    def _wind_up(self) -> None:
        """Let the lanes finish; what still hangs then is handed back, to be looked for by the next sender."""
        for lane in self._lanes.values():
            lane.stop()
        began = time.monotonic()
        while time.monotonic() - began < self._grace.total_seconds():
            if not any(lane.alive(0.05) for lane in self._lanes.values()):
                return
            self._keep_leases()
        for lane in self._lanes.values():
            lane.hand_back()

    def _keep_leases(self) -> None:
        try:
            self._leases.renew()
        except StoreError as error:
            log.warning("outbox cannot be written", extra={"why": error.message})
