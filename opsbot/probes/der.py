"""X.509 certificates read from their bytes, for chains that TLS refused and for those above the leaf.

Small on purpose: the facts a person asks for, no judgement (that is OpenSSL's). A whole X.509 library would weigh more
than the prober. The bytes are the peer's: nothing but ValueError is raised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address

from opsbot.model.probe import Certificate

_SEQUENCE, _SET, _INTEGER, _BITS, _OID, _BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x06, 0x01
_NAME_PARTS = {"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU"}
_ALTERNATIVE_NAMES = "2.5.29.17"
_RSA, _EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"
_KEYS = {
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
    "1.2.840.10040.4.1": "DSA",
    "2.16.840.1.101.3.4.3.17": "ML-DSA-44",
    "2.16.840.1.101.3.4.3.18": "ML-DSA-65",
    "2.16.840.1.101.3.4.3.19": "ML-DSA-87",
}
_CURVES = {
    "1.2.840.10045.3.1.7": "P-256",
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
    "1.3.132.0.10": "secp256k1",
}
_SIGNATURES = _KEYS | {
    "1.2.840.113549.1.1.4": "RSA with MD5",
    "1.2.840.113549.1.1.5": "RSA with SHA-1",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.113549.1.1.11": "RSA with SHA-256",
    "1.2.840.113549.1.1.12": "RSA with SHA-384",
    "1.2.840.113549.1.1.13": "RSA with SHA-512",
    "1.2.840.10045.4.1": "ECDSA with SHA-1",
    "1.2.840.10045.4.3.2": "ECDSA with SHA-256",
    "1.2.840.10045.4.3.3": "ECDSA with SHA-384",
    "1.2.840.10045.4.3.4": "ECDSA with SHA-512",
}
_LARGEST = 1 << 20
_MOST_NAMES = 500
_UNREADABLE = "unreadable"


@lru_cache(maxsize=4096)
def certificate(der: bytes) -> Certificate:
    """The facts of one certificate. One whose bytes make no sense says so in its subject and has expired long ago."""
    try:
        return _certificate(der)
    except (ValueError, IndexError, OverflowError):
        never = datetime(1970, 1, 1, tzinfo=UTC)
        return Certificate(
            subject=_UNREADABLE,
            issuer=_UNREADABLE,
            names=(),
            not_before=never,
            not_after=never,
            key=_UNREADABLE,
            signature=_UNREADABLE,
            serial="",
            fingerprint=hashlib.sha256(der).hexdigest(),
            self_signed=False,
        )


def _certificate(der: bytes) -> Certificate:
    if len(der) > _LARGEST:
        raise ValueError("a certificate of more than 1 MiB")
    whole = _first(der)
    body, algorithm = [content for _, content in list(_items(whole))[:2]]
    fields = list(_items(body))
    if fields[0][0] == 0xA0:
        fields = fields[1:]
    serial, _, issuer, validity, subject, key = (content for _, content in fields[:6])
    not_before, not_after = (_moment(tag, content) for tag, content in list(_items(validity))[:2])
    extensions = next((content for tag, content in fields[6:] if tag == 0xA3), b"")
    return Certificate(
        subject=_name(subject),
        issuer=_name(issuer),
        names=_names(extensions),
        not_before=not_before,
        not_after=not_after,
        key=_key(key),
        signature=_named(_SIGNATURES, _identifier(algorithm)),
        serial=serial.hex().lstrip("0") or "0",
        fingerprint=hashlib.sha256(der).hexdigest(),
        self_signed=subject == issuer,
    )


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element, lengths checked."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 0 < size <= 4:
                raise ValueError("a length that DER does not allow")
            length, at = int.from_bytes(content[at : at + size], "big"), at + size
        if at + length > len(content):
            raise ValueError("an element longer than what holds it")
        yield tag, content[at : at + length]
        at += length


def _first(content: bytes) -> bytes:
    """The content of the first element."""
    for _, found in _items(content):
        return found
    raise ValueError("an element that should hold another and is empty")


def _identifier(sequence: bytes) -> str:
    """The first object identifier of an AlgorithmIdentifier, dotted."""
    tag, raw = next(_items(sequence), (0, b""))
    return _dotted(raw) if tag == _OID and raw else ""


def _dotted(raw: bytes) -> str:
    numbers, value = [], 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        raise ValueError("an object identifier that does not end")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


def _name(content: bytes) -> str:
    """`CN=www.example.org, O=Example`: the parts people know, the common name first."""
    parts: list[tuple[str, str]] = []
    for _, relative in _items(content):
        for _, pair in _items(relative):
            (_, oid), (tag, value) = list(_items(pair))[:2]
            if kind := _NAME_PARTS.get(_dotted(oid)):
                parts.append((kind, _text(tag, value)))
    parts.sort(key=lambda part: ("CN", "O", "OU", "L", "ST", "C").index(part[0]))
    return ", ".join(f"{kind}={value}" for kind, value in parts)


def _text(tag: int, value: bytes) -> str:
    encoding = {0x1E: "utf-16-be", 0x14: "latin-1"}.get(tag, "utf-8")
    return printable(value.decode(encoding, "replace"))


def printable(text: str, most: int = 200) -> str:
    """Text of the peer's, fit for a terminal: control and direction characters become question marks, the rest is cut."""
    return "".join(mark if mark.isprintable() else "?" for mark in text[:most])


def _moment(tag: int, content: bytes) -> datetime:
    """UTCTime (two-digit years, 1950-2049) or GeneralizedTime; both end in Z."""
    text = content.decode("ascii")
    if tag == 0x17:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(extensions: bytes) -> tuple[str, ...]:
    for _, listed in _items(extensions):
        for _, extension in _items(listed):
            parts = list(_items(extension))
            if parts and _dotted(parts[0][1]) == _ALTERNATIVE_NAMES:
                return tuple(_alternatives(_first(parts[-1][1])))
    return ()


def _alternatives(content: bytes) -> Iterator[str]:
    for count, (tag, value) in enumerate(_items(content)):
        if count >= _MOST_NAMES:
            return
        if tag == 0x82:
            yield printable(value.decode("ascii", "replace"))
        elif tag == 0x87 and len(value) in (4, 16):
            yield str(ip_address(value))


def _key(content: bytes) -> str:
    (_, algorithm), (_, bits) = list(_items(content))[:2]
    parts = list(_items(algorithm))
    kind = _dotted(parts[0][1])
    if kind == _EC:
        return f"ECDSA {_named(_CURVES, _dotted(parts[1][1])) if parts[1][0] == _OID else 'own curve'}"
    if kind == _RSA:
        modulus = _first(_first(bits[1:]))
        return f"RSA {int.from_bytes(modulus, 'big').bit_length()}"
    return _named(_KEYS, kind)


def _named(names: dict[str, str], oid: str) -> str:
    return names.get(oid, oid)
