"""A proxy on loopback that opens tunnels, as those of companies do: it knows where names are, and sees who asked for which."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer


class ConnectProxy(ThreadingTCPServer):
    """`ways` are the ports on loopback behind `host:port`; `heads` are the requests as they came, `passed` the bytes that
    went to a peer. `refuse` is answered instead, and `trickle` seconds pass between any two bytes of an answer."""

    daemon_threads = True

    def __init__(self, ways: Mapping[str, int], refuse: str, trickle: float) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.ways, self.refuse, self.trickle = ways, refuse, trickle
        self.heads: list[str] = []
        self.passed = bytearray()
        self.closing = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[str]:
        return [head.splitlines()[0] for head in self.heads]


class _Tunnel(BaseRequestHandler):
    server: ConnectProxy
    request: socket.socket

    def handle(self) -> None:
        self.request.settimeout(20)
        head = b""
        with suppress(OSError):
            while not head.endswith(b"\r\n\r\n") and (piece := self.request.recv(1)):
                head += piece
            self.server.heads.append(head.decode("latin-1"))
            self._answer(self.server.ways.get(head.decode("latin-1").split()[1]))

    def _answer(self, port: int | None) -> None:
        said = self.server.refuse or ("200 Connection established" if port else "502 Bad Gateway")
        for byte in f"HTTP/1.1 {said}\r\nVia: 1.1 test\r\n\r\n".encode():
            self.request.sendall(bytes([byte]))
            self.server.closing.wait(self.server.trickle)
        if port and not self.server.refuse:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
                back = threading.Thread(target=self._pump, args=(peer, self.request))
                back.start()
                self._pump(self.request, peer, self.server.passed)
                back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, passed: bytearray | None = None) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                if passed is not None:
                    passed += piece
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def connect_proxy(
    ways: Mapping[str, int] | None = None, *, refuse: str = "", trickle: float = 0.0
) -> Iterator[ConnectProxy]:
    """A proxy until the block ends."""
    with ConnectProxy(ways or {}, refuse, trickle) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            proxy.shutdown()
            thread.join()
