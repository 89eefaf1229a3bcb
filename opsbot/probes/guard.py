"""Which addresses a probe may open a socket to: asked at each socket, so neither a redirect nor DNS can get around it.

Metadata services and the like are never connected to; private and loopback networks only if the target allows them.
An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64, Teredo, ISATAP) is judged by both.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address, ip_network

from opsbot.model.probe import Reason
from opsbot.probes.failure import Failure

_NEVER = {
    "a cloud's metadata service": (
        *("169.254.0.0/16", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::/32", "fd20:ce::/32"),
    ),
    "a multicast or reserved network": ("224.0.0.0/4", "240.0.0.0/4", "ff00::/8"),
}
_PRIVATE = {
    "the prober's own machine": ("127.0.0.0/8", "0.0.0.0/8", "::1", "::"),
    "a private network": (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "192.0.0.0/24"),
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "192.88.99.0/24"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "2001:db8::/32", "3fff::/20", "100::/64", "5f00::/16"),
    ),
}
_WRAPPED = "an IPv6 address that carries an IPv4 one"
_NETWORKS = {
    table: [(ip_network(text), words) for words, texts in names.items() for text in texts]
    for table, names in (("never", _NEVER), ("private", _PRIVATE))
}
_NAT64 = ip_network("64:ff9b::/96")
_NAT64_LOCAL = ip_network("64:ff9b:1::/48")
_V4_IN_LOW_BITS = tuple(map(ip_network, ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
_HOST_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})


def check(address: str, *, allow_private: bool) -> None:
    """Raises Failure(guard.address) if a socket to `address` (as an IP address) must not be opened."""
    what, always = verdict(address)
    if what and (always or not allow_private):
        advice = "never probed" if always else "set allow_private = true to probe it"
        raise Failure(Reason.GUARD_ADDRESS, f"{address} is {what}: {advice}")


def check_name(host: str, *, allow_private: bool) -> None:
    """For a host that a proxy will resolve: an address in any spelling is judged, and a metadata service's name."""
    if host.rstrip(".").lower() in _HOST_NAMES:
        raise Failure(Reason.GUARD_ADDRESS, f"{host} is {next(iter(_NEVER))}: never probed")
    address = literal(host)
    if address:
        check(address, allow_private=allow_private)


@lru_cache(maxsize=4096)
def verdict(address: str) -> tuple[str, bool]:
    """What is special about an address ("" if nothing), and whether it is denied always."""
    whole = ip_address(address.partition("%")[0])
    carried = _carried(whole) if isinstance(whole, IPv6Address) else ()
    for table, always in (("never", True), ("private", False)):
        for one in (whole, *carried):
            for network, words in _NETWORKS[table]:
                if one.version == network.version and one in network:
                    return (words if one is whole else f"{_WRAPPED} ({one}) of {words}"), always
    return "", False


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Every IPv4 address that a host, router or translator might read out of an IPv6 address."""
    number = int(address)
    found = [IPv4Address(number & 0xFFFFFFFF)] if any(address in network for network in _V4_IN_LOW_BITS) else []
    if number in (0, 1):
        return ()
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if address in _NAT64_LOCAL:
        # RFC 6052: with a /48 prefix the address stands around bits 64-71, with a /96 prefix at the end.
        found += [IPv4Address(number & 0xFFFFFFFF), _around_octet(number)]
    if (number >> 32) & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE):
        found.append(IPv4Address(number & 0xFFFFFFFF))
    return tuple(found)


def _around_octet(number: int) -> IPv4Address:
    return IPv4Address(((number >> 64) & 0xFFFF) << 16 | (number >> 40) & 0xFFFF)


@lru_cache(maxsize=4096)
def literal(host: str) -> str | None:
    """The IP address `host` spells, in its usual form; None for a name.

    Knows the spellings that resolvers and browsers know: `2130706433`, `0x7f.1`, `0177.0.0.1`, `[::1]`, `fe80::1%eth0`.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare:
        address, percent, zone = bare.partition("%")
        try:
            return f"{IPv6Address(address)}{percent}{zone}"
        except AddressValueError:
            return None
    if not bare[:1].isdigit() or not bare.isascii() or any(mark.isspace() for mark in bare):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(bare.rstrip(".")))
    except OSError:
        return None
