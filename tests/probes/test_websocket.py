"""WebSocket probes against a server written by hand, good and bad."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable

import pytest

from opsbot.model.probe import ProbeResult, ProbeState, Reason, WebSocket
from tests.probes.servers import Net, Talk, accept_key, for_ever, head_of, page, says

Probing = Callable[..., ProbeResult]


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else b"\x7e" + struct.pack("!H", size)
        if size < 65536
        else b"\x7f" + struct.pack("!Q", size)
    )
    return bytes([(0x80 if final else 0) | opcode]) + length + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a client's frame must be masked"
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    mask = await reader.readexactly(4)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size)))


def socket_server(*replies: bytes, seen: list[tuple[int, bytes]] | None = None, greet: bytes = b"") -> Talk:
    """Shakes hands, greets in the same packet, answers the first text with `replies`, and notes all frames."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        writer.write(
            f"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(head)}\r\n\r\n".encode()
            + greet
        )
        while True:
            opcode, payload = await read_frame(reader)
            if seen is not None:
                seen.append((opcode, payload))
            if opcode == 1:
                for reply in replies or (frame(1, b"you said " + payload),):
                    writer.write(reply)
                    await writer.drain()
                    await asyncio.sleep(0.01)

    return talk


@pytest.mark.parametrize(
    ("talk", "send", "expect", "reason", "words"),
    [
        (socket_server(), "", None, None, ""),
        (socket_server(), "ping", "said ping", None, ""),
        (socket_server(), "x" * 300, "xxx", None, ""),
        (socket_server(), "x" * 70_000, "xxx", None, ""),
        (socket_server(greet=frame(1, b"welcome")), "", "welcome", None, ""),
        (socket_server(frame(1, b"he", final=False), frame(9, b"?"), frame(0, b"llo")), "hi", "hello", None, ""),
        (socket_server(frame(2, b"bin\0ary")), "hi", "ary", None, ""),
        (socket_server(frame(1, b"no")), "hi", "yes", Reason.WS_REPLY, "does not contain 'yes'"),
        (socket_server(frame(8, struct.pack("!H", 1011))), "hi", "x", Reason.WS_CLOSED, "(1011)"),
        (socket_server(b"\xf1\x00"), "hi", "x", Reason.WS_PROTOCOL, "reserved"),
        (socket_server(b"\x81\xff" + b"\xff" * 8), "hi", "x", Reason.WS_PROTOCOL, "masked"),
        (socket_server(b"\x81\x7f" + b"\x7f" * 8), "hi", "x", Reason.WS_PROTOCOL, "announced"),
        (socket_server(frame(5, b"")), "hi", "x", Reason.WS_PROTOCOL, "unknown kind 5"),
        (socket_server(frame(10, b"")), "hi", "x", Reason.WS_TIMEOUT, "waiting for the WebSocket reply"),
        (for_ever, "", None, Reason.WS_TIMEOUT, "handshake"),
        (says(b""), "", None, Reason.HTTP_CLOSED, "hung up"),
        (says(page()), "", None, Reason.WS_HANDSHAKE, "answered 200"),
        (says(page(status="403 Forbidden")), "", None, Reason.WS_HANDSHAKE, "answered 403"),
        (
            says(b"HTTP/1.1 101 Hm\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"),
            "",
            None,
            Reason.WS_HANDSHAKE,
            "does not answer our key",
        ),
    ],
)
def test_conversations(
    net: Net, probing: Probing, talk: Talk, send: str, expect: str | None, reason: Reason | None, words: str
) -> None:
    result = probing(
        WebSocket(url=f"ws://127.0.0.1:{net.tcp(talk)}/feed", send=send, expect=expect),
        timeout=0.3 if reason and reason.value.endswith("timeout") else 5.0,
    )
    assert result.reason is reason, result.why
    assert words in result.why
    assert (result.state is ProbeState.UP) is (reason is None)
    if reason is None:
        assert result.status == 101
        assert result.phases.first_byte is not None
        assert (result.phases.transfer is None) is (expect is None)


def test_pings_are_answered_and_goodbye_is_said(net: Net, probing: Probing) -> None:
    seen: list[tuple[int, bytes]] = []
    talk = socket_server(frame(9, b"are you there"), frame(1, b"done"), seen=seen)
    assert probing(WebSocket(url=f"ws://127.0.0.1:{net.tcp(talk)}/", send="hi", expect="done")).state is ProbeState.UP
    deadline = time.monotonic() + 5
    while len(seen) < 3 and time.monotonic() < deadline:
        probing(WebSocket(url="ws://127.0.0.1:1/"))
    assert seen == [(1, b"hi"), (10, b"are you there"), (8, struct.pack("!H", 1000))]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/", Reason.GUARD_SCHEME),
        ("ws://", Reason.SELF_TARGET),
        ("ws://169.254.169.254/", Reason.GUARD_ADDRESS),
    ],
)
def test_urls(probing: Probing, url: str, reason: Reason) -> None:
    assert probing(WebSocket(url=url)).reason is reason


def test_headers_of_the_handshake(net: Net, probing: Probing) -> None:
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await head_of(reader))
        writer.write(page(status="401 Unauthorized"))

    spec = WebSocket(
        url=f"ws://127.0.0.1:{net.tcp(talk)}/f?x=1", headers=(("Origin", "https://shop.example"),), subprotocol="chat"
    )
    probing(spec)
    head = heads[0].decode()
    assert head.startswith("GET /f?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    for line in (
        "Upgrade: websocket",
        "Origin: https://shop.example",
        "Sec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Version: 13",
    ):
        assert f"\r\n{line}\r\n" in head
