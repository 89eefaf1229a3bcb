"""Runs on other machines: Celery carries `{run_id, attempt}` to whoever has room, and the ledger decides who runs.

So a message that is lost, delivered twice or late costs time and nothing else: it is offered again while its run is
QUEUED in the ledger, and refused by the ledger once it is not. Delays live in the ledger, never in the broker.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from opsbot.errors import OpsbotError
from opsbot.model.run import Run, RunState
from opsbot.ports import Store

try:
    from celery import Celery
    from celery.platforms import SecurityWarning
    from kombu.exceptions import KombuError, OperationalError
except ModuleNotFoundError as error:
    raise OpsbotError(
        'daemon.executor = "celery" needs Celery, which is not installed', hint="run: pip install 'opsbot[celery]'"
    ) from error

log = logging.getLogger(__name__)

QUEUE = "opsbot"
TASK = "opsbot.run"
# A message that nobody has taken by then is offered again: its broker may have lost it.
AGAIN = timedelta(seconds=15)
# Between the deadline of the longest run and the moment a broker may deliver its message again.
SPARE = timedelta(seconds=60)
_CONNECT_SECONDS = 5.0
_SOCKET_SECONDS = 30.0
# A daemon that cannot offer now will offer again in half a second: it does not wait here.
_IMPATIENT = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
_LOOKED_THROUGH = (500, 10_000)

Take = Callable[[str, int], None]


def application(broker: str, longest: timedelta) -> Celery:
    """Celery as opsbot needs it. `broker` is `redis://`, `rediss://`, `amqp://`, `amqps://` or
    `sqs://HOST/ACCOUNT/QUEUE`; `longest` is how long a run may take, its grace included.

    SQS: HOST is that of the queue's own URL, `?is_secure=false` reaches one without TLS. Credentials are those at
    hand, the queue is not made, and its own visibility timeout counts. Raises OpsbotError for any other address.
    """
    address, options = _transport(broker, int((longest + SPARE).total_seconds()))
    app = Celery("opsbot", broker=address, set_as_current=False)
    app.conf.update(
        # Acknowledged when the run has ended: one whose worker dies comes back.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=QUEUE,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_CONNECT_SECONDS,
        broker_transport_options=options | _IMPATIENT,
    )
    return app


def _transport(broker: str, visibility: int) -> tuple[str, dict[str, Any]]:
    """The address as Celery takes it, and the options of its kind of broker."""
    scheme = broker.partition("://")[0]
    if scheme in ("redis", "rediss"):
        # Without these two, what a dead worker held comes back after a hundred seconds and more.
        restore = {"unacked_restore_interval": 10, "unacked_restore_throttle": 1}
        sockets = {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _SOCKET_SECONDS}
        return broker, {"visibility_timeout": visibility, **restore, **sockets}
    if scheme in ("amqp", "amqps"):
        return broker, {"confirm_publish": True, "connect_timeout": _CONNECT_SECONDS}
    if scheme == "sqs":
        return _sqs(broker, visibility)
    raise OpsbotError(
        "daemon.broker: expected an address that begins with redis://, rediss://, amqp://, amqps:// or sqs://",
        hint="correct what its reference leads to; the address is not shown, because it may hold a password",
    )


def _sqs(broker: str, visibility: int) -> tuple[str, dict[str, Any]]:
    parts = urlsplit(broker)
    if not parts.hostname or parts.path.count("/") != 2:
        raise OpsbotError(
            "daemon.broker: expected sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE",
            hint="take the queue's URL as AWS shows it, with sqs:// in place of https://",
        )
    secure = "is_secure=false" not in parts.query
    place = parts.netloc.rpartition("@")[2]
    queue: dict[str, Any] = {"url": f"{'https' if secure else 'http'}://{place}{parts.path}"}
    if parts.hostname.startswith("sqs.") and parts.hostname.count(".") >= 3:
        queue["region"] = parts.hostname.split(".")[1]
    options = {"predefined_queues": {QUEUE: queue}, "visibility_timeout": visibility, "is_secure": secure,
               "wait_time_seconds": 10, "polling_interval": 0.5}  # fmt: skip
    return f"sqs://{place}//", options


class Offers:
    """What a daemon does with due runs when others run them: a message for each, and another for one nobody took.

    `dispatch` is called as often as runs would be claimed. Raises StoreError, and OpsbotError if the broker cannot be
    reached.
    """

    def __init__(
        self,
        app: Celery,
        store: Store,
        now: Callable[[], datetime],
        *,
        again: timedelta = AGAIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._store, self._now = app, store, now
        self._again, self._clock = again.total_seconds(), clock
        self._offered: dict[tuple[str, int], float] = {}

    def dispatch(self, jobs: Collection[str]) -> int:
        """Offer what is due of these jobs; how many messages went out."""
        now = self._now()
        due = self._store.ledger().due(now)
        if due is None or due > now:
            self._offered.clear()
            return 0
        waiting = {(run.id, run.attempt + 1): run for run in self._waiting(now) if run.job in jobs}
        self._offered = {key: at for key, at in self._offered.items() if key in waiting}
        fresh = [key for key in waiting if self._clock() - self._offered.get(key, -self._again) >= self._again]
        for run_id, attempt in fresh:
            self._publish(run_id, attempt)
        return len(fresh)

    def _waiting(self, now: datetime) -> list[Run]:
        """Due and queued, the oldest first."""
        for many in _LOOKED_THROUGH:
            found = [run for run in self._store.runs(limit=many) if _is_due(run, now)]
            if found:
                break
        return sorted(found, key=lambda run: (run.scheduled_for or run.queued_at, run.id))

    def _publish(self, run_id: str, attempt: int) -> None:
        try:
            self._app.send_task(TASK, kwargs={"run_id": run_id, "attempt": attempt}, queue=QUEUE, retry=False)
        except (OperationalError, KombuError, OSError) as error:
            raise OpsbotError(
                f"the broker at {self._app.connection().as_uri()} takes no message: {type(error).__name__}",
                hint="look whether it runs and can be reached from here; due runs wait in the ledger until then",
            ) from error
        self._offered[run_id, attempt] = self._clock()


def _is_due(run: Run, now: datetime) -> bool:
    return run.state is RunState.QUEUED and (run.not_before or now) <= now


def work(app: Celery, take: Take, slots: int, drained: Callable[[], None]) -> int:
    """Be a Celery worker in this process until it is told to end; its exit code.

    `take` runs one run to its end, at most `slots` of them at once, each in a thread: the run itself is a process of
    its own. `drained` is called once the worker takes no more messages.
    """
    from celery.signals import worker_shutting_down

    listen(app, take)
    # Said to whoever is root, because a pickled message could do anything: ours are two words of JSON.
    warnings.simplefilter("ignore", SecurityWarning)
    worker_shutting_down.connect(lambda **_: drained(), weak=False)
    worker = app.Worker(
        pool="threads", concurrency=slots, loglevel="WARNING", without_gossip=True, without_mingle=True,
        without_heartbeat=False, quiet=True,
    )  # fmt: skip
    worker.start()
    return int(worker.exitcode or 0)


def listen(app: Celery, take: Take) -> None:
    """Have this application's workers hand each offer to `take`."""

    @app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]
    def run(**message: object) -> None:
        for run_id, attempt in _read(message):
            take(run_id, attempt)


def _read(message: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """A broker is not ours alone: what is no offer is dropped with a word."""
    run_id, attempt = message.get("run_id"), message.get("attempt")
    if isinstance(run_id, str) and isinstance(attempt, int) and run_id.isalnum() and len(message) == 2:
        yield run_id, attempt
    else:
        log.warning("message is no offer of a run", extra={"keys": sorted(map(str, message))[:10]})
