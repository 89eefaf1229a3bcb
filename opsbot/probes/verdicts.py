"""Chains that were verified already: while a server shows the same bytes, building and checking the chain again says
nothing new, and costs a tenth of an HTTPS probe.

What is remembered is the verdict on a chain, never a session: every handshake is a full one, in which the server proves
that it holds the certificate's key. A chain of other bytes, a date that has come, another name, address or way of
trusting, or a verdict older than `lasts` seconds: the chain is verified from the beginning.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from opsbot.model.probe import Secured
from opsbot.probes.secure import sent_chain

LASTS = 3600.0
"""Seconds until even an unchanged chain is verified again."""
_MOST = 20_000

Place = tuple[int, str, str, int]
"""The context's id, name, address and port: each machine behind a name shows a chain of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A chain that was found good. `unverified` is the context for a handshake that leaves out the chain and nothing else;
    the chain is good from `begins` to `ends`, and believed until `until` (monotonic seconds)."""

    context: ssl.SSLContext
    unverified: ssl.SSLContext
    sent: tuple[bytes, ...]
    secured: Secured
    begins: datetime
    ends: datetime
    until: float


class Verdicts:
    """The verdicts of an engine. With `lasts` 0 nothing is remembered."""

    def __init__(self, lasts: float = LASTS) -> None:
        self._lasts = lasts
        self._held: dict[Place, Verdict] = {}

    def known(self, place: Place, context: ssl.SSLContext, at: datetime) -> Verdict | None:
        """What is remembered of the chain shown there, if it still counts at that time of the wall clock."""
        held = self._held.get(place)
        if held is None:
            return None
        if held.context is context and held.begins <= at < held.ends and monotonic() < held.until:
            return held
        self.forget(place)
        return None

    def forget(self, place: Place) -> None:
        self._held.pop(place, None)

    def learn(self, place: Place, tls: ssl.SSLObject, secured: Secured | None, unverified: ssl.SSLContext) -> None:
        """Remember a chain that this connection verified."""
        sent = sent_chain(tls) if self._lasts > 0 else ()
        if not sent or secured is None or not secured.path:
            return
        if len(self._held) >= _MOST:
            self._held.clear()
        self._held[place] = Verdict(
            context=tls.context,
            unverified=unverified,
            sent=sent,
            secured=secured,
            begins=max(one.not_before for one in secured.path),
            ends=min(one.not_after for one in secured.path),
            until=monotonic() + self._lasts,
        )


def recognised(tls: ssl.SSLObject, known: Verdict) -> Secured | None:
    """The facts of a handshake that showed the chain of the verdict, byte for byte; None if it showed another."""
    if sent_chain(tls) != known.sent:
        return None
    cipher = tls.cipher()
    version, name, alpn = tls.version(), cipher[0] if cipher else None, tls.selected_alpn_protocol()
    secured = known.secured
    if (version, name, alpn) == (secured.version, secured.cipher, secured.alpn):
        return secured
    return replace(secured, version=version, cipher=name, alpn=alpn)
