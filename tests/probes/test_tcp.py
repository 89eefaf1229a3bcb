"""TCP probes: connect, send, expect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from opsbot.model.probe import ProbeResult, ProbeState, Reason, Tcp
from tests.probes.servers import Net, for_ever, reset

Probing = Callable[..., ProbeResult]


async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greets in two pieces, then answers PING with PONG."""
    writer.write(b"220 mail.exa")
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.write(b"mple ESMTP\r\n")
    while line := await reader.readline():
        writer.write(b"+PONG\r\n" if line == b"PING\r\n" else b"-ERR\r\n")


async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()
        await asyncio.sleep(0.01)


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.02)
    reset(writer)


async def says_a_little(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"bye")


@pytest.mark.parametrize(
    ("talk", "rest", "reason", "words"),
    [
        (for_ever, {}, None, ""),
        (hangs_up, {}, None, ""),
        (banner, {"expect": b"ESMTP"}, None, ""),
        (banner, {"expect": b"mail.example"}, None, ""),
        (banner, {"pattern": r"^220 [\w.]+ ESMTP"}, None, ""),
        (banner, {"send": b"PING\r\n", "expect": b"+PONG"}, None, ""),
        (banner, {"send": b"HELO\r\n", "expect": b"+PONG"}, Reason.TCP_TIMEOUT, "waiting for the expected bytes"),
        (for_ever, {"expect": b"220"}, Reason.TCP_TIMEOUT, "waiting for the expected bytes"),
        (hangs_up, {"expect": b"220"}, Reason.TCP_CLOSED, "without sending anything"),
        (resets, {"expect": b"220"}, Reason.TCP_RESET, "reset"),
        (says_a_little, {"expect": b"220"}, Reason.TCP_EXPECT, "after 3 bytes without '220'"),
        (noise, {"expect": b"220"}, Reason.TCP_EXPECT, "not in the first 65536 bytes"),
        (noise, {"pattern": "x{10}"}, None, ""),
    ],
)
def test_conversations(
    net: Net, probing: Probing, talk: object, rest: dict[str, object], reason: Reason | None, words: str
) -> None:
    result = probing(
        Tcp(host="127.0.0.1", port=net.tcp(talk), **rest), timeout=0.3 if reason is Reason.TCP_TIMEOUT else 5.0
    )  # type: ignore[arg-type]
    assert result.reason is reason, result.why
    assert words in result.why
    assert result.phases.connect is not None
    if reason is None and rest:
        assert result.phases.first_byte is not None


def test_a_pattern_that_is_none(net: Net, probing: Probing) -> None:
    result = probing(Tcp(host="127.0.0.1", port=net.tcp(banner), pattern="("))
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_TARGET)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 0), ("127.0.0.1", 99999), ("fe80::1%nosuch0", 80)])
def test_places_that_cannot_be(probing: Probing, host: str, port: int) -> None:
    result = probing(Tcp(host=host, port=port))
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_TARGET), result.why


@pytest.mark.parametrize("host", ["", "a b", "x/y", "user@host", "\u202e.example"])
def test_hosts_that_are_none(probing: Probing, host: str) -> None:
    result = probing(Tcp(host=host, port=80), timeout=0.3)
    assert result.state in (ProbeState.UNSURE, ProbeState.DOWN)
    assert result.reason in (Reason.SELF_TARGET, Reason.DNS_TIMEOUT, Reason.DNS_UNREACHABLE)
    assert result.reason is Reason.SELF_TARGET or host == "\u202e.example"
