"""What the web page may be told, and the refusal to serve strangers: loopback is open, any other address needs a sign-in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from opsbot.errors import ConfigError, Problem

SHORTEST_TOKEN = 16
_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^:\[\]\s/]+)):(?P<port>\d{1,5})")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_EXAMPLE = "127.0.0.1:8080"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """`token` is its value, "" without one. `proxy_header` names who signed in at a proxy within `trusted_proxies`.

    With `public_status` the uptime page's names, times and figures, and badges, are shown to everybody.

    `hosts` are the names this page may be asked by, besides loopback's own; () leaves it open where a sign-in guards.
    """

    listen: str = _EXAMPLE
    token: str = field(default="", repr=False)
    proxy_header: str = ""
    trusted_proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    public_status: bool = False

    @property
    def guarded(self) -> bool:
        return bool(self.token or self.proxy_header)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port. Raises ConfigError."""
        match = _LISTEN.fullmatch(self.listen.strip())
        if match is None or int(match["port"]) > 65535:
            raise ConfigError([Problem("web.listen", f"expected address:port such as {_EXAMPLE}, got {self.listen!r}")])
        return match["v6"] or match["host"], int(match["port"])

    @property
    def networks(self) -> tuple[Network, ...]:
        """Of the trusted proxies. Raises ConfigError."""
        return tuple(_network(place, text) for place, text in enumerate(self.trusted_proxies))


def checked(settings: WebSettings) -> WebSettings:
    """The same settings, if serving with them is safe. Raises ConfigError with every reason why it is not."""
    problems = [*_address_problems(settings), *_proxy_problems(settings)]
    if problems:
        raise ConfigError(problems)
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address: 127.0.0.0/8, ::1, localhost."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _network(place: int, text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        where = f"web.trusted_proxies[{place}]"
        raise ConfigError([Problem(where, f"expected a network such as 10.0.0.0/8, got {text!r}")]) from None


def _address_problems(settings: WebSettings) -> list[Problem]:
    try:
        host, _ = settings.address
    except ConfigError as error:
        return list(error.problems)
    if is_loopback(host):
        return []
    if not settings.guarded:
        what = (
            f'{host} can be reached by others: expected web.token (a reference such as "env:OPSBOT_WEB_TOKEN") '
            f"or web.proxy_header, got neither; or listen on {_EXAMPLE}"
        )
        return [Problem("web.listen", what)]
    if settings.token and len(settings.token) < SHORTEST_TOKEN:
        found = f"expected at least {SHORTEST_TOKEN} characters, got {len(settings.token)}; try: openssl rand -hex 24"
        return [Problem("web.token", found)]
    return []


def _proxy_problems(settings: WebSettings) -> list[Problem]:
    if not settings.proxy_header:
        return []
    problems = []
    if not _HEADER.fullmatch(settings.proxy_header):
        what = f"expected a header's name such as X-Forwarded-User, got {settings.proxy_header!r}"
        problems.append(Problem("web.proxy_header", what))
    if not settings.trusted_proxies:
        what = "expected the proxy's networks such as 10.0.0.0/8: without them anybody could send that header"
        problems.append(Problem("web.trusted_proxies", what))
    try:
        _ = settings.networks
    except ConfigError as error:
        problems.extend(error.problems)
    return problems
