"""A DNS server for the tests, written apart from the resolver it tests: a zone in, messages out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from tests.probes.servers import Net

NUMBERS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "CAA": 257}
Zone = dict[tuple[str, str], list[object]]


def wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def content(kind: str, value: object) -> bytes:
    match kind, value:
        case "A", str(address):
            return socket.inet_pton(socket.AF_INET, address)
        case "AAAA", str(address):
            return socket.inet_pton(socket.AF_INET6, address)
        case (("CNAME" | "NS"), str(name)):
            return wire(name)
        case "MX", (int(priority), str(name)):
            return struct.pack("!H", priority) + wire(name)
        case "TXT", str(text):
            return bytes([len(text)]) + text.encode()
        case "SRV", (int(priority), int(weight), int(port), str(name)):
            return struct.pack("!3H", priority, weight, port) + wire(name)
        case "CAA", (int(flags), str(tag), str(text)):
            return bytes([flags, len(tag)]) + tag.encode() + text.encode()
        case "SOA", (str(primary), str(mailbox), tuple(numbers)):
            return wire(primary) + wire(mailbox) + struct.pack("!5I", *numbers)
    raise AssertionError(kind)


def question(message: bytes) -> tuple[int, str, int, bytes]:
    """Id, name, type, and the question's own bytes."""
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += message[at] + 1
    return (
        struct.unpack_from("!H", message)[0],
        ".".join(labels).lower(),
        struct.unpack_from("!H", message, at + 1)[0],
        message[12 : at + 5],
    )


def answer(message: bytes, zone: Zone, *, rcode: int = 0, truncate: bool = False, follow: bool = True) -> bytes:
    """Records of the zone for the question; CNAMEs are followed inside the answer, or one step of them given; NXDOMAIN for a name the zone lacks."""
    id, name, number, asked = question(message)
    kind = next((word for word, n in NUMBERS.items() if n == number), "")
    records: list[tuple[str, str, object]] = []
    at = name
    while kind != "CNAME" and (alias := zone.get((at, "CNAME"))) and len(records) < (20 if follow else 1):
        records.append((at, "CNAME", alias[0]))
        at = str(alias[0])
    if follow or not records:
        records += [(at, kind, value) for value in zone.get((at, kind), [])]
    known = any(key[0] == at for key in zone)
    code = rcode or (0 if known or records else 3)
    flags = 0x8580 | code | (0x0200 if truncate else 0)
    if truncate:
        records = []
    body = b"".join(
        (b"\xc0\x0c" if owner == name else wire(owner))
        + struct.pack("!HHIH", NUMBERS[kind], 1, 60, len(content(kind, value)))
        + content(kind, value)
        for owner, kind, value in records
    )
    return struct.pack("!6H", id, flags, 1, len(records), 0, 0) + asked + body


def dns_server(
    net: Net,
    reply: Callable[[bytes], bytes | tuple[bytes, ...] | None],
    over_tcp: Callable[[bytes], bytes] | None = None,
) -> str:
    """Serve `reply` over UDP (and `over_tcp` on the same port); the address as a target's dns_servers has it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        said = (over_tcp or reply)(await reader.readexactly(size))
        assert isinstance(said, bytes)
        # In two parts: the length may come alone.
        writer.write(len(said).to_bytes(2, "big"))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(said)

    for _ in range(20):
        port = net.tcp(talk)
        try:
            net.udp(reply, port=port)
        except OSError:
            continue
        return f"127.0.0.1:{port}"
    raise AssertionError("no port is free for both")
