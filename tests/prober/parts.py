"""What the prober's tests share: probes, a server that counts, and the prober as the real process it is."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opsbot.model.probe import Http, Spec, Target
from opsbot.prober import wire
from opsbot.prober.wire import Found, Said
from opsbot.probing import Probe

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


def probe(name: str, spec: Spec | str, **changes: Any) -> Probe:
    """One that is asked twice a second and never again in the same turn; a machine with much to do may take its time."""
    told: dict[str, Any] = {"check": name, "every": 0.5, "retries": 0}
    timeout = changes.pop("timeout", PATIENCE)
    spec = Http(url=spec) if isinstance(spec, str) else spec
    target = Target(name=name, spec=spec, timeout=timeout, allow_private=True)
    return Probe(name=name, target=target, **told | changes)


@dataclass
class Site:
    """A web server whose answers a test sets; `asked` are the moments of its requests by path."""

    url: str
    answers: Callable[[str], int] = lambda path: 200
    asked: dict[str, list[float]] = field(default_factory=dict)


@contextmanager
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.setdefault(self.path, []).append(time.monotonic())
            self.send_response(found.answers(self.path))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 1024

        def handle_error(self, request: object, client_address: object) -> None:
            """A prober that is stopped leaves in the middle of a sentence."""

    server = Server(("127.0.0.1", 0), Handler)
    found = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Running:
    """The process; what it said is kept by `listen`."""

    process: subprocess.Popen[bytes]
    said: list[Said] = field(default_factory=list)

    def obey(self, *probes: Probe, soon: bool = True) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(wire.orders(probes, [each.name for each in probes] if soon else []))
        self.process.stdin.flush()

    def found(self, name: str = "") -> list[Found]:
        return [one for said in tuple(self.said) for one in said.found if not name or one.sample.probe == name]

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(wire.read(line))

    def until(self, what: Callable[[], Any]) -> Any:
        return until(what)


def until(what: Callable[[], Any]) -> Any:
    """What it gives as soon as it gives anything."""
    end, pause = time.monotonic() + PATIENCE, threading.Event()
    while not (given := what()):
        assert time.monotonic() < end, "it never came"
        pause.wait(0.02)
    return given


@contextmanager
def prober() -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "opsbot", "--log-format", "json", "_probe"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    found = Running(process)
    thread = threading.Thread(target=found.listen, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        process.kill()
        process.wait()
        thread.join(PATIENCE)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
