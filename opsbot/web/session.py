"""Who may look: a cookie that dies with the token it was given for, and a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from threading import Lock

LASTS = timedelta(hours=12)
_COOKIE = re.compile(r"(?P<until>\d{1,12})\.(?P<nonce>[0-9a-f]{32})\.(?P<mac>[0-9a-f]{64})")


def same(given: str, expected: str) -> bool:
    """Compares in a time that says nothing of where two secrets differ, nor of how long the expected one is."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, expected)]
    return hmac.compare_digest(*digests)


class Sessions:
    """Signed cookies: nothing is kept but the few that were signed out before their time."""

    def __init__(self, token: str) -> None:
        self._key = hashlib.sha256(b"opsbot web session\0" + token.encode()).digest()
        self._ended: dict[str, int] = {}
        self._lock = Lock()

    def begin(self, now: datetime) -> str:
        """A cookie's value for a visitor who showed the token."""
        until = int((now + LASTS).timestamp())
        body = f"{until}.{secrets.token_hex(16)}"
        return f"{body}.{self._mac(body)}"

    def holds(self, cookie: str, now: datetime) -> bool:
        """Whether this is a cookie of ours, of this token, not ended and not too old."""
        match = _COOKIE.fullmatch(cookie)
        if match is None:
            return False
        genuine = hmac.compare_digest(self._mac(f"{match['until']}.{match['nonce']}"), match["mac"])
        return genuine and now.timestamp() < int(match["until"]) and match["nonce"] not in self._ended

    def end(self, cookie: str, now: datetime) -> None:
        """This one is never taken again, wherever a copy of it is."""
        if not self.holds(cookie, now):
            return
        until, nonce, _ = cookie.split(".")
        with self._lock:
            passed = [old for old, end in self._ended.items() if end <= now.timestamp()]
            for old in passed:
                del self._ended[old]
            self._ended[nonce] = int(until)

    def _mac(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()


class Brake:
    """At most `allowed` wrong tokens from one address (IPv6: one /64) within `window` seconds of a monotonic clock."""

    def __init__(self, *, allowed: int = 5, window: float = 60.0, most: int = 4096) -> None:
        self._allowed, self._window, self._most = allowed, window, most
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = Lock()

    def wait(self, address: str, at: float) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        with self._lock:
            recent = self._recent(_origin(address), at)
        return recent[0] + self._window - at if len(recent) >= self._allowed else 0.0

    def wrong(self, address: str, at: float) -> None:
        """Note a wrong token."""
        origin = _origin(address)
        with self._lock:
            self._wrong[origin] = [*self._recent(origin, at), at][-self._allowed :]
            self._wrong.move_to_end(origin)
            while len(self._wrong) > self._most:
                self._wrong.popitem(last=False)

    def _recent(self, origin: str, at: float) -> list[float]:
        return [moment for moment in self._wrong.get(origin, ()) if at - moment < self._window]


def _origin(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if parsed.version == 4 or mapped:
        return str(mapped or parsed)
    return str(ip_network((parsed, 64), strict=False))
