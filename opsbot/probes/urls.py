"""URLs taken apart strictly: what a browser would guess at is refused with words, because a guess could reach another host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin

from opsbot.probes.guard import literal

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?://)?(?P<rest>.*)", re.DOTALL)
_SAFE = "/?:@!$&'()*+,;=%-._~[]|^`{}\"\\<>"
_LONGEST = 8192


class UnknownScheme(ValueError):
    """A URL that may be well formed and is not for us: `ftp:`, `file:`, `gopher:`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A URL in parts. `host` is as resolvers take it, brackets off; `path` begins with a slash and has the query."""

    scheme: str
    host: str
    port: int
    path: str
    user: str = ""
    password: str = ""

    @property
    def secure(self) -> bool:
        return self.scheme in ("https", "wss")

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host.lower(), self.port

    @property
    def authority(self) -> str:
        """Host, and the port unless it is the scheme's own: the Host header."""
        host = f"[{self.host.partition('%')[0]}]" if ":" in self.host else ascii_host(self.host)
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self.authority}{self.path}"


@lru_cache(maxsize=4096)
def parse(url: str, schemes: tuple[str, ...] = ("http", "https")) -> Place:
    """Raises ValueError saying what is wrong with the URL; UnknownScheme for a scheme not in `schemes`."""
    if len(url) > _LONGEST:
        raise ValueError(f"a URL of {len(url)} characters; at most {_LONGEST} are taken")
    if any(ord(mark) <= 32 or ord(mark) == 127 for mark in url):
        raise ValueError(f"{_shown(url)}: a URL has no blanks or control characters; write %20 for a blank")
    parts = _URL.fullmatch(url)
    if not parts or f"{parts['scheme']}://" != url[: len(parts["scheme"]) + 3]:
        scheme = parts["scheme"].lower() if parts else ""
        if scheme and scheme not in schemes and not parts["rest"][:1].isdigit():  # type: ignore[index]
            raise UnknownScheme(_unknown(url, scheme, schemes))
        raise ValueError(f"{_shown(url)}: expected a URL such as {schemes[-1]}://example.org/health")
    scheme = parts["scheme"].lower()
    if scheme not in schemes:
        raise UnknownScheme(_unknown(url, scheme, schemes))
    return _place(url, scheme, parts["rest"])


def _place(url: str, scheme: str, rest: str) -> Place:
    cut = min((at for at in (rest.find(mark) for mark in "/?#\\") if at >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:].partition("#")[0]
    if path.startswith("\\"):
        raise ValueError(f"{_shown(url)}: a backslash in a URL means different hosts to different programs")
    userinfo, _, hostport = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    host, port = _host_port(url, hostport, PORTS[scheme])
    return Place(
        scheme=scheme,
        host=host,
        port=port,
        path=quote(path if path.startswith("/") else f"/{path}", safe=_SAFE),
        user=unquote(user),
        password=unquote(password),
    )


def _host_port(url: str, text: str, usual: int) -> tuple[str, int]:
    bracketed = re.fullmatch(r"(\[[^\[\]]*\])(?::(\d*))?", text)
    plain = re.fullmatch(r"([^:\[\]@]*)(?::(\d*))?", text)
    parts = bracketed or plain
    if not parts:
        raise ValueError(
            f"{_shown(url)}: expected host or host:port, got {text[:80]!r}; an IPv6 address stands in brackets"
        )
    host, port = unquote(parts[1]), int(parts[2] or usual)
    if bracketed and (":" not in host or not literal(host)):
        raise ValueError(f"{_shown(url)}: {host} is not an IPv6 address")
    if not 0 < port < 65536:
        raise ValueError(f"{_shown(url)}: a port is between 1 and 65535, got {port}")
    return check_host(host), port


def check_host(host: str) -> str:
    """The host without brackets. Raises ValueError for what no resolver can be asked."""
    spelled = literal(host)
    if spelled:
        return spelled
    if not host or any(mark in "/\\?#@%:[]<>\"' ^`{|}" or ord(mark) < 33 for mark in host):
        raise ValueError(f"expected a host name or an address, got {host[:80]!r}")
    ascii_host(host)
    return host


@lru_cache(maxsize=4096)
def ascii_host(host: str) -> str:
    """The name as it goes over the wire: IDNA for what is not ASCII. Raises ValueError."""
    try:
        wire = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{host[:80]!r}: cannot be written as an internationalised host name") from None
    if len(wire) > 254 or any(not 0 < len(label) < 64 for label in wire.rstrip(".").split(".")):
        raise ValueError(f"{host[:80]!r}: each part of a host name has 1 to 63 characters, all together 253")
    return wire


def join(base: Place, location: str) -> Place:
    """Where a Location header leads from `base`. Raises ValueError, UnknownScheme."""
    return parse(urljoin(str(base), quote(location.strip(" \t"), safe=_SAFE + "#")))


def _unknown(url: str, scheme: str, schemes: tuple[str, ...]) -> str:
    return f"{_shown(url)}: {scheme}: is not probed; expected {' or '.join(f'{each}://' for each in schemes)}"


def _shown(url: str) -> str:
    """The URL for a message: without credentials, cut, printable."""
    bare = re.sub(r"(?<=//)[^/@]*@", "", url[:120])
    return "".join(mark if mark.isprintable() else "?" for mark in bare)
