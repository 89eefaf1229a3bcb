"""A TCP proxy on loopback that spoils what passes: what networks do to connections, one way at a time, while it runs."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Toxics:
    """What is wrong at the moment; may be changed while the proxy runs, for connections to come.

    `down` refuses connections; `latency` (seconds) delays each piece; `black_hole` passes nothing on and never closes;
    `reset_request_after` and `reset_answer_after` cut the connection with a reset after so many bytes of either;
    `slice_bytes` passes pieces of that size, `bandwidth` so many bytes a second; `slow_close` (seconds) delays the end.
    """

    down: bool = False
    latency: float = 0.0
    black_hole: bool = False
    reset_request_after: int | None = None
    reset_answer_after: int | None = None
    slice_bytes: int = 0
    bandwidth: int = 0
    slow_close: float = 0.0


@dataclass(slots=True, kw_only=True)
class FaultProxy:
    """`port` is where to connect instead; `connections` counts those that were made."""

    target: int
    port: int = 0
    toxics: Toxics = field(default_factory=Toxics)
    connections: int = 0
    # The loop itself holds its tasks so loosely that one nobody waits for may vanish.
    tasks: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        toxics = self.toxics
        self.connections += 1
        if toxics.down:
            _reset(answers)
            return
        try:
            server, requests = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(answers)
            return
        pipes = (
            asyncio.ensure_future(_pass_on(client, requests, answers, toxics, toxics.reset_request_after)),
            asyncio.ensure_future(_pass_on(server, answers, requests, toxics, toxics.reset_answer_after)),
        )
        self.tasks |= {*pipes, asyncio.current_task()}  # type: ignore[arg-type]
        # Cancelled when the proxy ends, whatever hangs in it.
        with suppress(asyncio.CancelledError):
            await asyncio.wait(pipes)
        for pipe in pipes:
            pipe.cancel()
        for writer in (answers, requests):
            writer.close()


async def _pass_on(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    other: asyncio.StreamWriter,
    toxics: Toxics,
    reset_after: int | None,
) -> None:
    """One direction. A reset ends both; the bytes before it were passed on and had time to arrive."""
    passed = 0
    with suppress(OSError):
        while piece := await source.read(toxics.slice_bytes or 65536):
            if toxics.black_hole:
                continue
            await asyncio.sleep(toxics.latency + (len(piece) / toxics.bandwidth if toxics.bandwidth else 0.0))
            sink.write(piece if reset_after is None else piece[: max(reset_after - passed, 0)])
            await sink.drain()
            passed += len(piece)
            if reset_after is not None and passed >= reset_after:
                await asyncio.sleep(0.05)
                _reset(sink)
                _reset(other)
                return
        await asyncio.sleep(toxics.slow_close)
        if sink.can_write_eof() and not toxics.black_hole:
            sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without farewell: the peer's next read fails."""
    socket_ = writer.get_extra_info("socket")
    if socket_ is not None:
        with suppress(OSError):
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def fault_proxy(target: int) -> Iterator[FaultProxy]:
    """A proxy to a loopback port until the block ends, in a thread of its own."""
    proxy, loop, ready = FaultProxy(target=target), asyncio.new_event_loop(), threading.Event()

    async def begin() -> asyncio.Server:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        return server

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(begin())
        loop.run_forever()
        server.close()
        while tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        # Closing a connection takes the loop another turn.
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()

    thread = threading.Thread(target=run, name="fault proxy", daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
