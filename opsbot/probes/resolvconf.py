"""What the machine says about names: its DNS servers and search list (resolv.conf), and its hosts file.

Read again when the files change, looked at no more than once a second; a missing file is an empty one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from opsbot.probes.guard import literal

_LOOK = 1.0
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolving:
    """How to ask: servers in order, the search list, and the try's first time-out in seconds."""

    servers: tuple[tuple[str, int], ...] = (("127.0.0.1", 53),)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float = 1.0
    attempts: int = 3


class Machine:
    """The two files, kept parsed. Paths are given so that a test or a container can have its own."""

    def __init__(self, *, resolv_conf: Path = Path("/etc/resolv.conf"), hosts: Path = Path("/etc/hosts")) -> None:
        self._resolv_conf = _Watched(resolv_conf)
        self._hosts = _Watched(hosts)
        self._resolving = Resolving()
        self._names: dict[str, tuple[str, ...]] = {}

    def resolving(self) -> Resolving:
        if (text := self._resolv_conf.changed()) is not None:
            self._resolving = parse_resolv_conf(text)
        return self._resolving

    def host(self, name: str) -> tuple[str, ...]:
        """Addresses that the hosts file gives a name; `localhost` is always this machine (RFC 6761)."""
        if (text := self._hosts.changed()) is not None:
            self._names = parse_hosts(text)
        key = name.rstrip(".").lower()
        if key == "localhost" or key.endswith(".localhost"):
            return self._names.get(key, ("127.0.0.1", "::1"))
        return self._names.get(key, ())


class _Watched:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = float("-inf")
        self._seen: tuple[int, int] | None = None

    def changed(self) -> str | None:
        """The text, if it is not the one given last time."""
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return None
        self._looked = now
        try:
            facts = self._path.stat()
            seen = (facts.st_mtime_ns, facts.st_size)
            if seen == self._seen:
                return None
            text = self._path.read_text(encoding="utf-8", errors="replace")[:_LARGEST]
        except OSError:
            seen, text = (0, 0), ""
        self._seen = seen
        return text


def parse_resolv_conf(text: str) -> Resolving:
    """Lines that make no sense are passed over, as the C library does."""
    servers: list[tuple[str, int]] = []
    search: tuple[str, ...] = ()
    options: dict[str, int] = {}
    for line in text.splitlines():
        word, *rest = line.split("#")[0].split(";")[0].split() or [""]
        if word == "nameserver" and rest and (address := literal(rest[0])):
            servers.append((address, 53))
        elif word in ("search", "domain"):
            search = tuple(rest[:6] if word == "search" else rest[:1])
        elif word == "options":
            options |= {name: int(value) for name, _, value in (o.partition(":") for o in rest) if value.isdigit()}
    return Resolving(
        servers=tuple(servers[:3]) or Resolving().servers,
        search=tuple(name.rstrip(".") for name in search if name.rstrip(".")),
        ndots=min(options.get("ndots", 1), 15),
        timeout=float(min(max(options.get("timeout", 1), 1), 30)),
        attempts=min(max(options.get("attempts", 3), 1), 5),
    )


def parse_hosts(text: str) -> dict[str, tuple[str, ...]]:
    """Names in lower case; IPv4 and IPv6 lines of one name add up, in the file's order."""
    names: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        first, *rest = line.split("#")[0].split() or [""]
        address = literal(first)
        for name in rest if address else ():
            key = name.rstrip(".").lower()
            names[key] = tuple(dict.fromkeys((*names.get(key, ()), address or "")))
    return names


def server(text: str) -> tuple[str, int]:
    """`10.0.0.2`, `10.0.0.2:5353` or `[fd00::2]:53` as address and port. Raises ValueError saying what was expected."""
    host, port = text, "53"
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else "" if rest or not bracket else port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address = literal(host)
    if not address or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r}: expected a DNS server's address such as 10.0.0.2, 10.0.0.2:5353 or [fd00::2]:53")
    return address, int(port)
