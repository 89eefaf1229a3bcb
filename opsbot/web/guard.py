"""What stands before every page: the host that was asked, who asks, where a form came from, and strict headers."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from time import monotonic
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsbot.render.format import clean, clip
from opsbot.web.session import Brake, Sessions, same
from opsbot.web.settings import WebSettings, is_loopback

log = logging.getLogger("opsbot.web")

COOKIE = "opsbot"
POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# `same-origin` and not `no-referrer`: with that one browsers send "Origin: null" with our own forms.
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::\d{1,5})?")
_LONGEST = 2048
_OPEN = ("/healthz", "/readyz", "/sign-in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks. `name` is for people and the log; `by` says how they proved it: "loopback", "cookie", "token", "proxy"."""

    name: str
    by: str


class Door:
    """Decides from a request's headers who somebody is; keeps nothing but what ends and what brakes."""

    def __init__(self, settings: WebSettings, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.now = now
        self.sessions = Sessions(settings.token)
        self.brake = Brake()
        self._networks = settings.networks

    def visitor(self, request: Request) -> Visitor | None:
        """None is a stranger. A wrong bearer token counts as a wrong sign-in."""
        if not self.settings.guarded:
            return Visitor(name="", by="loopback")
        return self._by_proxy(request) or self._by_token(request)

    def try_token(self, request: Request, token: str) -> float | None:
        """None if it is the token; else seconds until the next try may be made, 0 for at once."""
        address, at = self.address(request), monotonic()
        if wait := self.brake.wait(address, at):
            return wait
        if self.settings.token and same(token, self.settings.token):
            return None
        self.brake.wrong(address, at)
        log.warning("sign-in refused", extra={"address": clean(address)})
        return 0.0

    def address(self, request: Request) -> str:
        """Of the visitor: behind a trusted proxy, the nearest one that is not such a proxy itself."""
        peer = request.client.host if request.client else ""
        if not self.trusted(peer):
            return peer
        told = [part.strip() for part in ",".join(request.headers.getlist("x-forwarded-for")).split(",")]
        return next((part for part in reversed(told) if part and not self.trusted(part)), peer)

    def trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def secure(self, request: Request) -> bool:
        """Whether the visitor's side of the connection is encrypted, as far as a trusted proxy says so."""
        peer = request.client.host if request.client else ""
        return self.trusted(peer) and request.headers.get("x-forwarded-proto", "") == "https"

    def welcomes(self, host: str) -> bool:
        """Whether this page may be asked by that name: else a page elsewhere could have its name point here."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = (match["v6"] or match["name"]).lower()
        if is_loopback(name) or name in self.settings.hosts:
            return True
        return self.settings.guarded and not self.settings.hosts

    def _by_proxy(self, request: Request) -> Visitor | None:
        header = self.settings.proxy_header
        peer = request.client.host if request.client else ""
        if not header or not self.trusted(peer):
            return None
        told = request.headers.getlist(header)
        # Sent twice, one of them may be the visitor's own.
        name = clip(clean(told[0]), 80) if len(told) == 1 else ""
        return Visitor(name=name, by="proxy") if name else None

    def _by_token(self, request: Request) -> Visitor | None:
        if not self.settings.token:
            return None
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and given:
            return Visitor(name="", by="token") if self.try_token(request, given.strip()) is None else None
        cookie = request.cookies.get(COOKIE, "")
        return Visitor(name="", by="cookie") if self.sessions.holds(cookie, self.now()) else None


class Guard:
    """The outermost layer: nothing reaches a page, and nothing leaves one, but through here."""

    def __init__(self, app: ASGIApp, *, door: Door, root: str, broken: Callable[[Request, str], Response]) -> None:
        self._app = app
        self._door = door
        self._root = root
        self._broken = broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = False

        async def strictly(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = list(_strict(message.get("headers", ())))
            await send(message)

        request = Request(scope, receive)
        try:
            refusal = self._refusal(request)
            await (refusal or self._app)(scope, receive, strictly)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one page: its visitor gets a page, the log the trace
            place = _noted(error, scope["path"])
            if not begun:
                await self._broken(request, place)(scope, receive, strictly)

    def _refusal(self, request: Request) -> Response | None:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._door.welcomes(hosts[0]):
            return PlainTextResponse("this page is not known by the name you asked for\n", 421)
        if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > _LONGEST:
            return PlainTextResponse(f"expected an address of at most {_LONGEST} characters\n", 414)
        if request.method not in ("GET", "HEAD") and not _from_here(request, hosts[0]):
            return PlainTextResponse("this form was sent from another page; open it here and try again\n", 403)
        visitor = self._door.visitor(request)
        request.scope["visitor"] = visitor
        return None if visitor or self._is_open(request.scope["path"]) else self._stranger(request)

    def _is_open(self, path: str) -> bool:
        inner = path.removeprefix(self._root)
        if self._door.settings.public_status and (inner == "/uptime" or inner.startswith("/badge/")):
            return True
        return inner in _OPEN or inner.startswith(("/static/", "/ping/"))

    def _stranger(self, request: Request) -> Response:
        if not self._door.settings.token:
            return PlainTextResponse("sign in at the proxy in front of this page\n", 403)
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            back = quote(request.scope["path"].removeprefix(self._root), safe="/")
            return RedirectResponse(f"{self._root}/sign-in?next={back}", 303)
        told = "sign in, or send the token: Authorization: Bearer TOKEN\n"
        return PlainTextResponse(told, 401, headers={"www-authenticate": 'Bearer realm="opsbot"'})


def _noted(error: Exception, path: str) -> str:
    """A word that stands both in the log and on the page."""
    place = secrets.token_hex(4)
    log.error("page broken", exc_info=error, extra={"path": clip(clean(path), 200), "trouble": place})
    return place


def _strict(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    """What a page says of itself stays; everything it does not say is said strictly."""
    said = list(headers)
    names = {name.lower() for name, _ in said}
    yield from said
    for name, value in HEADERS.items():
        if name.encode() not in names:
            yield name.encode(), value.encode()


def _from_here(request: Request, host: str) -> bool:
    """Whether a form is one of ours. Browsers always say; other programs carry nobody's cookies unasked."""
    origins = request.headers.getlist("origin")
    if not origins:
        return request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    try:
        return len(origins) == 1 and urlsplit(origins[0]).netloc.lower() == host.lower()
    except ValueError:
        return False
