"""An AWS that answers from memory: the first run's requests go on to the embedded AWS, later runs get the same bytes.

So a benchmark measures opsbot and not the embedded AWS's arithmetic, which would take the machine's other core and more.
A request is the same if who asks, where, what and the body are the same; signatures and dates are left aside. Sessions
come out the same too, because AssumeRole's answer is replayed like any other.

    python benchmarks/replay.py UPSTREAM_URL      prints its own URL
"""

from __future__ import annotations

import asyncio
import re
import sys
from urllib.parse import urlsplit

_SCOPE = re.compile(rb"Credential=([^/]+)/\d+/([^,]+)")
Key = tuple[bytes, ...]


class Replay:
    """Answers by request; `upstream` is asked once for each."""

    def __init__(self, upstream: str) -> None:
        where = urlsplit(upstream)
        self._upstream = (where.hostname or "127.0.0.1", where.port or 80)
        self._answers: dict[Key, bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(_length(head))
                writer.write(await self._answer(head, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        key = _key(head, body)
        if key not in self._answers:
            self._answers[key] = await self._ask(head.replace(b"100-continue", b"nothing"), body)
        return self._answers[key]

    async def _ask(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._upstream, limit=2**26)
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        answer += await reader.readexactly(_length(answer))
        writer.close()
        return answer


def _length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _key(head: bytes, body: bytes) -> Key:
    scope = _SCOPE.search(head)
    target = re.search(rb"(?i)\r\nx-amz-target: *([^\r]+)", head)
    return (head.split(b"\r\n", 1)[0], *(scope.groups() if scope else ()), target[1] if target else b"", body)


async def main(upstream: str) -> None:
    server = await asyncio.start_server(Replay(upstream).serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
