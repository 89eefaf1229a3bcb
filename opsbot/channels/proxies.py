"""The way out of a network that lets nobody out but through a proxy: HTTPS_PROXY and NO_PROXY, as everybody reads them."""

from __future__ import annotations

import base64
import ipaddress
import socket
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from urllib.parse import unquote, urlsplit

from opsbot.channels.settings import printable
from opsbot.errors import DeliveryError

_SHUT = {
    403: "the proxy does not let opsbot reach it: have it allowed there",
    407: "put the proxy's user and password into HTTPS_PROXY: http://user:password@host:port",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where to connect instead. `pass_` is what it wants to see of us, and nobody else sees."""

    host: str
    port: int
    pass_: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port}"

    def tunnel(self, plain: socket.socket, host: str, port: int) -> None:
        """Ask it for a way through to the peer; from then on it sees only TLS. Raises DeliveryError: nothing was sent."""
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        asked = [f"CONNECT {name} HTTP/1.1", f"Host: {name}", *([self.pass_] if self.pass_ else []), "", ""]
        try:
            plain.sendall("\r\n".join(asked).encode("ascii"))
            with closing(HTTPResponse(plain, method="CONNECT")) as answer:
                answer.begin()
        except (OSError, HTTPException, ValueError) as error:
            what = f"{host}: {self} hung up: {printable(error) or type(error).__name__}"
            raise DeliveryError(what, permanent=False, peer=True) from error
        if answer.status != 200:
            what = f"{host}: {self} answered {answer.status} {printable(answer.reason)}".rstrip()
            hint = _SHUT.get(answer.status, "")
            raise DeliveryError(what, permanent=bool(hint), peer=True, hint=hint)


def address_of(url: str) -> str:
    """What the environment names as the proxy for this address; "" is none. This machine itself is reached without one."""
    from urllib.request import getproxies_environment, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = getproxies_environment()
    named = proxies.get(parts.scheme) or proxies.get("all") or ""
    here = host == "localhost" or _is_loopback(host)
    return "" if here or not named or proxy_bypass(f"{host}:{parts.port or 443}") else named


def proxy_of(url: str) -> Proxy | None:
    """The same, read. Raises DeliveryError for one that is not understood; what it says may hold a password."""
    named = address_of(url)
    if not named:
        return None
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "http" or not host:
        what = "HTTPS_PROXY: this proxy cannot be used"
        raise DeliveryError(what, permanent=True, peer=True, hint="expected http://host:port")
    return Proxy(host=host, port=port, pass_=_pass(parts.username, parts.password))


def _pass(user: str | None, password: str | None) -> str:
    if not user:
        return ""
    told = f"{unquote(user)}:{unquote(password or '')}".encode()
    return f"Proxy-Authorization: Basic {base64.b64encode(told).decode()}"


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
