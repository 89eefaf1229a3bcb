"""The daemon: its loops, what they share, and how it starts, takes new orders and ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from opsbot.daemon import alive, changes, learn
from opsbot.daemon.alarm import Alarm
from opsbot.daemon.duty import Duty
from opsbot.daemon.herald import Herald
from opsbot.daemon.learn import Lesson
from opsbot.daemon.orders import differences
from opsbot.daemon.planner import SWEEP, Planner
from opsbot.daemon.prober import DIGEST, PROBING, Prober
from opsbot.daemon.publishing import LOOK as PUBLISHING
from opsbot.daemon.publishing import Publisher
from opsbot.daemon.pulse import PROMISE, Loop, Pulse
from opsbot.daemon.running import BEAT, POLL, Running
from opsbot.daemon.sender import LOOK, Sender
from opsbot.daemon.shipping import LOOK as SHIPPING
from opsbot.daemon.shipping import Shipping
from opsbot.daemon.upkeep import LOOK as LOOK_AFTER
from opsbot.daemon.upkeep import Upkeep
from opsbot.errors import OpsbotError
from opsbot.executors import runlog
from opsbot.executors.local import GRACE, Supervisor
from opsbot.home import Home
from opsbot.model.vitals import Vitals
from opsbot.outbox.elsewhere import WAITS
from opsbot.outbox.troubles import troubles as undelivered
from opsbot.store.sql import SqlStore

log = logging.getLogger(__name__)

WATCH = 2.0
_COLLECT = 1.0
_BACKLOG = 30.0
_REMIND = 5.0
# One transaction: it is through, or has changed nothing.
_GRACE = timedelta(seconds=5)
# After a store that did not answer: leases run on, and somebody waits to hear that it is well again.
_SOON = 2.0
# A home that could not be read at all, such as for want of space, is not read again every other second.
_TRY_AGAIN = 60.0
# What cannot change under a daemon's feet.
_FIXED = ("store_url", "store_password", "page", "executor", "broker", "logs_group")


class Daemon:
    """One replica. `start` returns when everything goes; `drain` and `stop` end it; everything else happens in loops."""

    def __init__(self, home: Home, duty: Duty, store: SqlStore, log_format: str = "text") -> None:
        """`log_format` is that of the sender, whose lines stand among the daemon's own."""
        self.home, self.duty, self.store = home, duty, store
        self.pulse, self._ledger = Pulse(), store.ledger()
        self._stamp, self._seen, self._told_to_learn = learn.stamp(home), learn.stamp(home), threading.Event()
        self._learn_after = 0.0
        self._ready = threading.Event()
        self._page: Callable[[], bool] = lambda: True
        environ = learn.surroundings(home)
        self.children = Supervisor(
            learn.command(duty.copy, "_exec"), home.state / "logs", environ=environ, memory=duty.orders.memory
        )
        self.running = Running(duty, self._ledger, self.children)
        self.planner = Planner(duty, self._ledger, lambda: self._loops["dispatch"].wake())
        self.alarm = Alarm(lambda: self._loops["sweep"].wake(), lambda: self.pulse.tick("clock", PROMISE, ""))
        self.sender = Sender(
            lambda: learn.command(duty.copy, "_send", log_format=log_format),
            lambda: learn.surroundings(home),
            self._something_to_send,
        )
        self.reminder = Sender(
            lambda: learn.command(duty.copy, "_remind", log_format=log_format),
            lambda: learn.surroundings(home),
            self._something_to_remind_of,
            "alerts",
        )
        self.diagnoser = Sender(
            lambda: learn.command(duty.copy, "_diagnose", log_format=log_format),
            lambda: learn.surroundings(home),
            lambda: bool(store.incidents().to_look_at(duty.now())),
            "runbooks",
        )
        self.finisher = Sender(
            lambda: learn.command(duty.copy, "_finish", log_format=log_format),
            lambda: learn.surroundings(home),
            lambda: changes.something_to_finish(store, duty.now()),
            "changes",
        )
        self.prober = Prober(
            duty,
            store,
            Herald(duty, store, lambda: self._loops["dispatch"].wake()),
            lambda: learn.command(duty.copy, "_probe", log_format=log_format),
            lambda: learn.surroundings(home),
            lambda: self._loops["prober"].wake(),
            lambda: self._loops["uptime"].wake(),
        )
        self.publisher = Publisher(
            duty,
            lambda: learn.command(duty.copy, "_publish", log_format=log_format),
            lambda: learn.surroundings(home),
        )
        self.upkeep = Upkeep(home.state, duty.now, self._chores())
        self._shipping = self._ship()
        self._loops = {loop.name: loop for loop in self._make_loops()}

    def start(self) -> None:
        """Raises OpsbotError if the store cannot take this daemon: then nothing has begun."""
        self.running.beat()
        self.planner.sweep()
        for loop in self._loops.values():
            loop.start()
        self.alarm.start(self.duty.orders.timetables)
        self._ready.set()

    def watch_page(self, running: Callable[[], bool]) -> None:
        """Tell as a trouble when the web page does not answer any more."""
        self._page = running

    def learn_now(self) -> None:
        """Read the home again (SIGHUP), whether its files look changed or not."""
        self._told_to_learn.set()
        self._loops["orders"].wake()

    def clock_was_set(self, seconds: float) -> None:
        """The wall clock jumped, or the machine slept: look at once what is due now."""
        log.warning("the clock jumped", extra={"seconds": round(seconds)})
        self.alarm.reset()
        self._loops["beat"].wake()
        self._loops["sweep"].wake()

    def drain(self) -> None:
        """Take no new run; those at work go on."""
        self._ready.clear()
        self.duty.drain()
        self._loops["beat"].wake()

    @property
    def at_work(self) -> bool:
        """Whether a run, or the telling of one, has not ended yet."""
        return bool(self.children.running())

    def stop(self, grace: timedelta, sending: timedelta) -> None:
        """End it: what still runs is ended within `grace` and handed back; a message in hand gets `sending` to arrive."""
        self.drain()
        self.alarm.stop()
        for loop in self._loops.values():
            loop.stop()
        for loop in self._loops.values():
            loop.join(5.0)
        for last in (
            self.planner.settle,
            lambda: self.running.stop(grace),
            self._goodbye,
            self.prober.stop,
            self.publisher.stop,
        ):
            _attempt(last)
        self.reminder.stop(_GRACE)
        self.diagnoser.stop(_GRACE)
        self.finisher.stop(_GRACE)
        self.sender.stop(sending)
        if self._shipping:
            logging.getLogger("opsbot").removeHandler(self._shipping)
            self._shipping.close()

    def vitals(self) -> Vitals:
        """What the daemon is to be shown as."""
        duty, beats = self.duty, self.pulse.beats()
        failing = tuple(f"{beat.loop}: {beat.error}" for beat in beats if beat.error)
        reached = all(not beat.error for beat in beats if beat.loop in ("beat", "sweep", "dispatch"))
        return Vitals(
            worker=duty.worker.id,
            started_at=duty.worker.started_at,
            beats=beats,
            ready=self._ready.is_set() and reached,
            draining=duty.draining,
            config_hash=duty.orders.hash,
            config_ok=not duty.refused,
            config_loaded_at=duty.loaded_at,
            troubles=tuple(dict.fromkeys((*duty.troubles, *failing))),
        )

    def _make_loops(self) -> Iterable[Loop]:
        def loop(name: str, period: float, work: Callable[[], object], **more: Any) -> Loop:
            return Loop(name, period, work, self.pulse, _tell, **more)

        yield loop("sweep", SWEEP, self.planner.sweep, again=_SOON)
        yield loop("dispatch", POLL, self._dispatcher())
        yield loop("supervise", _COLLECT, self._collect, waits=False)
        yield loop("beat", BEAT, self.running.beat, again=_SOON)
        yield loop("backlog", _BACKLOG, self._look_at_backlog)
        yield loop("outbox", LOOK, self._send)
        yield loop("alerts", _REMIND, self._remind)
        yield loop("runbooks", _REMIND, self._diagnose)
        yield loop("changes", _REMIND, self._finish)
        yield loop("orders", WATCH, self._watch_home, longest=learn.PATIENCE)
        yield loop("prober", PROBING, self.prober.look)
        yield loop("uptime", DIGEST, self.prober.digest, again=_SOON)
        yield loop("publish", PUBLISHING, self.publisher.look)
        yield loop("upkeep", LOOK_AFTER, self.upkeep.look)
        yield loop("alive", alive.EVERY, self._say_alive)
        yield loop("web", SWEEP, self._look_at_page)
        if self._shipping:
            yield loop("logs", SHIPPING, self._shipping.look)

    def _dispatcher(self) -> Callable[[], object]:
        """What is done with runs that are due: taken here, or offered to the workers of a task queue."""
        orders = self.duty.orders
        if orders.executor == "local":
            return self.running.dispatch
        from opsbot.executors.celery import Offers, application

        longest = max((table.timeout for table in orders.timetables), default=timedelta(0))
        offers = Offers(application(orders.broker, longest + GRACE), self.store, self.duty.now)
        return lambda: None if self.duty.draining else offers.dispatch(self.duty.orders.overlaps)

    def _ship(self) -> Shipping | None:
        """The log's copy, if one is wanted; from here on every line goes there too."""
        group = self.duty.orders.logs_group
        if not group:
            return None
        words = learn.command(self.duty.copy, "_ship", group, self.duty.worker.id)
        shipping = Shipping(words, learn.surroundings(self.home))
        logging.getLogger("opsbot").addHandler(shipping)
        return shipping

    def _collect(self) -> None:
        if self.running.collect(_COLLECT):
            self._loops["dispatch"].wake()
            self._loops["outbox"].wake()

    def _something_to_send(self) -> bool:
        now = self.duty.now()
        # What waits for a channel that is shut may have to be told by another.
        return any(due <= now for due in self.store.messages_due(now).values()) or bool(self.store.stranded(WAITS, now))

    def _something_to_remind_of(self) -> bool:
        due = self.store.alerts().due()
        return due is not None and due <= self.duty.now()

    def _look_at_backlog(self) -> None:
        """What does not get through stands on the health page, in a sentence each."""
        self.duty.trouble("outbox", *undelivered(self.store, self.duty.now()))
        self.duty.trouble("changes", *changes.overdue(self.store, self.duty.now()))

    def _send(self) -> None:
        if self.duty.orders.channels and not self.duty.draining:
            self.sender.look()

    def _remind(self) -> None:
        """Repeats, ends of silences and what else time alone brings; the child queues it, and the sender's tells it."""
        if not self.duty.draining:
            self.reminder.look()

    def _diagnose(self) -> None:
        """The runbooks of incidents that routes opened look by themselves, each in the child's own time."""
        if not self.duty.draining:
            self.diagnoser.look()

    def _finish(self) -> None:
        """Runs that ended in the middle are looked at, and what was for a time is taken back."""
        if not self.duty.draining:
            self.finisher.look()

    def _look_at_page(self) -> None:
        if not self._page():
            raise OpsbotError("the web page has ended", hint="its own lines in this log say why; restart opsbot")

    def _say_alive(self) -> None:
        vitals = self.vitals()
        if vitals.ready and vitals.alive:
            put = lambda name: learn.command(self.duty.copy, "_alive", name)  # noqa: E731
            alive.tell(self.duty.orders, put, learn.surroundings(self.home))

    def _chores(self) -> dict[str, Callable[[], object]]:
        state, now = self.home.state, self.duty.now
        return {
            "back-up": self._back_up,
            "rows": lambda: self.store.prune(now()),
            "run logs": lambda: runlog.prune(state / "logs", now()),
            "copies of the home": lambda: learn.forget(self.home, self.duty.copy),
        }

    def _back_up(self) -> object:
        return self.store.back_up(folder, self.duty.now()) if (folder := self.store.backups) else "its own means"

    def _watch_home(self) -> None:
        """Learn anew when told so, or when files have changed and stand still again: nobody saves two files at once."""
        found, before = learn.stamp(self.home), self._seen
        self._seen = found
        settled = found == before and found != self._stamp
        if self._told_to_learn.is_set() or (settled and time.monotonic() >= self._learn_after):
            self._told_to_learn.clear()
            self._learn_after = time.monotonic() + _TRY_AGAIN
            self._learn()
            self._stamp, self._learn_after = found, 0.0

    def _learn(self) -> None:
        """Raises OpsbotError if the home could not be read at all: then it is tried again in a while."""
        lesson = learn.learn(self.home)
        if lesson.orders.problems:
            return self._refuse(lesson.orders.problems)
        return self._take_over(lesson)

    def _refuse(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            log.error("configuration not taken over", extra={"problem": problem})
        self.duty.refused = (f"{problems[0]} (not taken over; the last good configuration holds)", *problems[1:])

    def _take_over(self, lesson: Lesson) -> None:
        old, new = self.duty.orders, lesson.orders
        changed = differences(old, new)
        # Under the old schedules everything until now is settled: a job switched on today makes up for nothing.
        self.planner.settle()
        self.duty.take_over(replace(new, **{name: getattr(old, name) for name in _FIXED}), lesson.copy)
        self.children.command = tuple(learn.command(lesson.copy, "_exec"))
        self.children.memory = new.memory
        self.alarm.set(new.timetables)
        fixed = [name for name in _FIXED if getattr(old, name) != getattr(new, name)]
        self.duty.trouble(
            "orders", *(f"{_key(name)} changed in config.toml; restart opsbot to apply it" for name in fixed)
        )
        for change in changed:
            log.info("configuration changed", extra={"change": change})
        log.info("configuration taken over", extra={"hash": new.hash, "changes": len(changed)})
        self._loops["sweep"].wake()
        learn.forget(self.home, lesson.copy)

    def _goodbye(self) -> None:
        """Others need not wait for a lease to know that this one is gone."""
        self._ledger.beat(replace(self.duty.worker, beat=self.duty.now(), draining=True), {}, 0.0)


def _key(name: str) -> str:
    return {"store_url": "store.url", "store_password": "store.password", "page": "[web]"}.get(name, f"daemon.{name}")


def _attempt(work: Callable[[], object]) -> None:
    """On the way out: what fails is told, and the rest is done all the same."""
    try:
        work()
    except OpsbotError as error:
        _tell("stopping", error)


def _tell(loop: str, error: Exception) -> None:
    if isinstance(error, OpsbotError):
        log.warning("loop failed", extra={"loop": loop, "error": error.message, "hint": error.hint})
    else:
        log.error("loop failed", extra={"loop": loop, "error": f"{type(error).__name__}: {error}"}, exc_info=error)
