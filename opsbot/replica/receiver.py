"""Something on loopback that takes POSTs, keeps them, and misbehaves on request: the other end of a webhook."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One request; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered to it."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How the next request goes wrong: scripted with `Receiver.script`.

    `reply` is answered in place of the true one; `reset` closes without an answer, `half` in the middle of one, `stall`
    never answers. With `accepted` the request is taken all the same. `latency` is how many seconds it takes.
    """

    reply: Reply | None = None
    reset: bool = False
    half: bool = False
    stall: bool = False
    accepted: bool = False
    latency: float = 0.0


Judge = Callable[[Arrived], Reply]
"""Takes a request, if it likes it, and says so."""


class Receiver(ThreadingHTTPServer):
    """The server; `requests` are all that came, in order, whether they were taken or not."""

    daemon_threads = True
    # A closing server must not wait for a connection that a test told it to hold open.
    block_on_close = False

    def __init__(self, judge: Judge, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.judge = judge
        self.requests: list[Arrived] = []
        self.closing = threading.Event()
        self._troubles: deque[Trouble] = deque()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, *troubles: Trouble) -> None:
        """The next requests go wrong so, one each."""
        self._troubles.extend(troubles)

    def meet(self, arrived: Arrived) -> tuple[Trouble, Reply]:
        """What happens to a request: its trouble, and what would be or is answered."""
        with self._lock:
            self.requests.append(arrived)
            trouble = self._troubles.popleft() if self._troubles else Trouble(accepted=True)
        self.closing.wait(trouble.latency)
        with self._lock:
            reply = self.judge(arrived) if trouble.accepted else Reply(status=500)
        return trouble, trouble.reply or reply

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in mid-request is no news."""

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what arrived is in `requests`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        trouble, reply = self.server.meet(Arrived(path=self.path, headers=headers, body=body))
        if trouble.stall:
            self.server.closing.wait(60)
        self.close_connection = True
        if trouble.reset or trouble.stall:
            return
        if trouble.half:
            self.wfile.write(b"HTTP/1.0 20")
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)


@contextmanager
def serve(judge: Judge | None = None, *, port: int = 0) -> Iterator[Receiver]:
    """A receiver on loopback until the block ends; without a `judge` it likes everything."""
    running = Receiver(judge or (lambda _arrived: Reply()), port)
    try:
        yield running
    finally:
        running.close()
