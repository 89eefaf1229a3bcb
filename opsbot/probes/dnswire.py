"""DNS messages as bytes: one question out (RFC 1035, EDNS RFC 6891), whatever a server sends back in.

Everything read here came from the network: lengths and pointers are checked, and nothing but Malformed is raised.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from opsbot.model.probe import Record

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "CAA": 257}
A, CNAME, AAAA = TYPES["A"], TYPES["CNAME"], TYPES["AAAA"]
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
PAYLOAD = 1232
"""Bytes of UDP we take: fits the smallest IPv6 packet, so answers are not fragmented (DNS flag day 2020)."""

_NAMES = {number: name for name, number in TYPES.items()}
_RCODES = (
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
)
_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_MOST_RECORDS = 512


class Malformed(Exception):
    """The bytes are no DNS message; says where they stop making sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A server's answer. The names of its records end without a dot."""

    id: int
    rcode: int
    truncated: bool
    authoritative: bool
    question: tuple[str, int]
    records: tuple[Record, ...]

    @property
    def code(self) -> str:
        return _RCODES[self.rcode] if self.rcode < len(_RCODES) else f"RCODE{self.rcode}"


def encode_name(name: str) -> bytes:
    """A name as labels; non-ASCII labels by IDNA. Raises ValueError with what is wrong with the name."""
    bare = name[:-1] if name.endswith(".") else name
    labels = [_label(label, name) for label in bare.split(".")] if bare else []
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    if len(wire) > 255:
        raise ValueError(f"{name[:40]}...: a host name has at most 253 characters, this one has {len(name)}")
    return wire


def _label(label: str, name: str) -> bytes:
    try:
        wire = label.encode("ascii") if label.isascii() else label.encode("idna")
    except UnicodeError:
        raise ValueError(f"{name!r}: cannot be written as an internationalised host name") from None
    if not 0 < len(wire) < 64:
        raise ValueError(f"{name[:80]!r}: each part of a host name has 1 to 63 characters")
    return wire


def ask(id: int, name: str, type: int, *, recurse: bool = True) -> bytes:
    """One question with an EDNS record that takes answers up to PAYLOAD bytes over UDP."""
    header = _HEADER.pack(id, 0x0100 if recurse else 0, 1, 0, 0, 1)
    edns = b"\0" + _RECORD.pack(41, PAYLOAD, 0, 0)
    return header + encode_name(name) + _QUESTION.pack(type, 1) + edns


def read_question(message: bytes) -> tuple[str, int]:
    """Name in lower case and type of a message we made ourselves."""
    name, at = _name(message, _HEADER.size)
    return name.lower(), _QUESTION.unpack_from(message, at)[0]


def read(message: bytes) -> Reply:
    """Raises Malformed."""
    try:
        return _read(message)
    except (struct.error, IndexError, ValueError) as error:
        raise Malformed(f"a DNS answer of {len(message)} bytes breaks off or contradicts itself") from error


def _read(message: bytes) -> Reply:
    id, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if questions != 1 or not flags & 0x8000:
        raise ValueError
    name, at = _name(message, _HEADER.size)
    type, _ = _QUESTION.unpack_from(message, at)
    records = _records(message, at + _QUESTION.size, min(answers, _MOST_RECORDS), lenient=bool(flags & 0x0200))
    return Reply(
        id=id,
        rcode=flags & 15,
        truncated=bool(flags & 0x0200),
        authoritative=bool(flags & 0x0400),
        question=(name.lower(), type),
        records=records,
    )


def _records(message: bytes, at: int, count: int, *, lenient: bool) -> tuple[Record, ...]:
    found = []
    for _ in range(count):
        if lenient and at >= len(message):
            break
        owner, at = _name(message, at)
        type, _, ttl, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise ValueError
        text = _VALUES.get(type, _opaque)(message, at, length)
        found.append(Record(name=owner, type=_NAMES.get(type, f"TYPE{type}"), ttl=ttl, value=text))
        at += length
    return tuple(found)


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name at `at` and where it ends. Pointers may only go backwards, so there is no loop to fall into."""
    labels: list[str] = []
    end, size, limit = None, 0, at
    while length := message[at]:
        if length >= 0xC0:
            end = at + 2 if end is None else end
            at = (length & 0x3F) << 8 | message[at + 1]
            if at >= limit:
                raise ValueError
            limit = at
            continue
        size += length + 1
        if length > 63 or size > 255 or at + 1 + length > len(message):
            raise ValueError
        labels.append(_printable(message[at + 1 : at + 1 + length], b"."))
        at += length + 1
    return ".".join(labels), at + 1 if end is None else end


def _printable(raw: bytes, escaped: bytes) -> str:
    r"""As a zone file writes it: `\DDD` for what is not printable, a backslash before what has a meaning."""
    return "".join(
        f"\\{chr(byte)}" if byte in escaped or byte == 0x5C else chr(byte) if 33 <= byte < 127 else f"\\{byte:03}"
        for byte in raw
    )


def _text(message: bytes, at: int, length: int) -> str:
    end, parts = at + length, []
    while at < end:
        size = message[at]
        if at + 1 + size > end:
            raise ValueError
        parts.append(f'"{_spaced(message[at + 1 : at + 1 + size])}"')
        at += 1 + size
    return " ".join(parts)


def _spaced(raw: bytes) -> str:
    return _printable(raw, b'"').replace("\\032", " ")


def _domain(message: bytes, at: int, length: int) -> str:
    return _name(message, at)[0] + "."


def _soa(message: bytes, at: int, length: int) -> str:
    primary, at = _name(message, at)
    mailbox, at = _name(message, at)
    return " ".join([f"{primary}.", f"{mailbox}.", *map(str, struct.unpack_from("!5I", message, at))])


def _mx(message: bytes, at: int, length: int) -> str:
    return f"{struct.unpack_from('!H', message, at)[0]} {_name(message, at + 2)[0]}."


def _srv(message: bytes, at: int, length: int) -> str:
    priority, weight, port = struct.unpack_from("!3H", message, at)
    return f"{priority} {weight} {port} {_name(message, at + 6)[0]}."


def _caa(message: bytes, at: int, length: int) -> str:
    tag_end = at + 2 + message[at + 1]
    tag, value = message[at + 2 : tag_end], message[tag_end : at + length]
    return f'{message[at]} {_printable(tag, b"")} "{_spaced(value)}"'


def _opaque(message: bytes, at: int, length: int) -> str:
    r"""RFC 3597: `\# 3 0a0b0c`."""
    return f"\\# {length} {message[at : at + length].hex()}".rstrip()


_VALUES: dict[int, Callable[[bytes, int, int], str]] = {
    1: lambda message, at, length: str(IPv4Address(message[at : at + length])),
    2: _domain,
    5: _domain,
    6: _soa,
    12: _domain,
    15: _mx,
    16: _text,
    28: lambda message, at, length: str(IPv6Address(message[at : at + length])),
    33: _srv,
    257: _caa,
}
