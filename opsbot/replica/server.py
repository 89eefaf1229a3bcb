"""Serves the embedded AWS on loopback, with a control endpoint for faults, quotas and counts."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import orjson

from opsbot.errors import ConfigError
from opsbot.replica import cloudwatch, getmetricdata, sts
from opsbot.replica.codec import Answer, Call, Handler
from opsbot.replica.faults import rules_of
from opsbot.replica.overlay import Named, Overlay
from opsbot.replica.services import costexplorer
from opsbot.replica.state import State
from opsbot.replica.wire import Server
from opsbot.replica.world import World

CONTROL = "/_control/"
TRAIL_DELAY = timedelta(minutes=5)
"""On average, says the CloudTrail user guide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An embedded AWS that is up; leave the context or `close` to stop it."""

    url: str
    state: State
    _server: Server
    _thread: threading.Thread

    @property
    def unknown(self) -> list[str]:
        """The operations that were answered with 501, in the order asked."""
        return list(self.state.tally.unknown)

    def stats(self) -> dict[str, Any]:
        """Calls, datapoints, throttles, faults and unknown operations so far."""
        return self.state.tally.snapshot()

    def close(self) -> None:
        """Stop listening and hang up."""
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def wall_clock() -> datetime:
    """The machine's time, aware, UTC."""
    return datetime.now(UTC)  # noqa: TID251 - AWS has its own clock; nothing of opsbot runs on it


def serve(
    world: World,
    port: int = 0,
    now: Callable[[], datetime] | None = None,
    *,
    handlers: Mapping[Named, Handler] | None = None,
    moto_operations: frozenset[Named] | None = None,
    trail_delay: timedelta = timedelta(0),
) -> Running:
    """Start answering for `world` on 127.0.0.1; port 0 takes a free one, `now` None the machine's time.

    `handlers` and `moto_operations` replace those of the resources; the metrics and STS are always ours. CloudTrail
    tells of what callers did `trail_delay` later.
    """
    if handlers is None or moto_operations is None:
        from opsbot.replica import resources

        handlers = resources.HANDLERS if handlers is None else handlers
        moto_operations = resources.MOTO_OPERATIONS if moto_operations is None else moto_operations
    overlay = Overlay(
        world=world,
        now=now or wall_clock,
        handlers={**handlers, **cloudwatch.HANDLERS, **sts.HANDLERS},
        direct={**getmetricdata.DIRECT, **costexplorer.DIRECT},
        moto_operations=moto_operations,
        state=State(trail_delay=trail_delay),
    )
    server = Server(port, lambda call: respond(overlay, call))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    return Running(url=server.url, state=overlay.state, _server=server, _thread=thread)


def respond(overlay: Overlay, call: Call) -> Answer:
    """The answer to one request: AWS's, or the control endpoint's."""
    if not call.path.startswith(CONTROL):
        return overlay.answer(call)
    try:
        return _control(overlay.state, call.method, call.path.removeprefix(CONTROL), call.body)
    except (ConfigError, orjson.JSONDecodeError) as error:
        return _json(400, {"error": str(error)})


def _control(state: State, method: str, what: str, body: bytes) -> Answer:
    match method, what:
        case "GET", "stats":
            return _json(200, state.tally.snapshot())
        case "POST", "faults":
            state.faults.add(rules_of(orjson.loads(body)))
        case "DELETE", "faults":
            state.faults.clear()
        case "POST", "limits":
            state.limits.change(orjson.loads(body))
        case _:
            return _json(404, {"error": "expected GET stats, POST or DELETE faults, POST limits"})
    return _json(200, {})


def _json(status: int, document: object) -> Answer:
    return Answer(status=status, body=orjson.dumps(document), headers={"Content-Type": "application/json"})


def main(port: int, scenario_path: Path, at: datetime | None = None) -> None:
    """Serve a scenario until SIGTERM or SIGINT; the first line printed says where.

    `at` stops the clock there. Raises ConfigError for a scenario that cannot be used.
    """
    from opsbot.replica import resources, scenario

    # Its incidents began some hours before the replica's present, whatever the date.
    world = scenario.load(scenario_path, anchor=at or wall_clock())
    resources.seed(world)
    stop = threading.Event()

    def stopped(_: int, __: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    late = TRAIL_DELAY if at is None else timedelta(0)
    with serve(world, port, None if at is None else lambda: at, trail_delay=late) as running:
        sys.stdout.write(f"listening on {running.url}\n")
        sys.stdout.flush()
        stop.wait()
