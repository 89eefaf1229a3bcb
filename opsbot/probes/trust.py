"""One TLS context for each way of trusting: reading a bundle of 140 roots anew costs more than twenty probes.

A context is made again when one of its files changes, looked at every ten seconds: a renewed client certificate or a
rotated private CA is taken up without a restart.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from opsbot.model.probe import Reason, Trust
from opsbot.probes.failure import Failure

_LOOK = 10.0
_MINIMA = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(slots=True)
class _Held:
    context: ssl.SSLContext
    files: tuple[tuple[str, int], ...]
    looked: float
    unverified: ssl.SSLContext | None = None


@dataclass(slots=True)
class Contexts:
    """The contexts of an engine, made when first needed."""

    _held: dict[tuple[Trust, str], _Held] = field(default_factory=dict)

    def get(self, trust: Trust, alpn: str) -> ssl.SSLContext:
        """`alpn` are the protocols offered, a comma between them. Raises Failure(self.target) for files that cannot be read."""
        key = (trust, alpn)
        held = self._held.get(key)
        now = time.monotonic()
        if held and now - held.looked < _LOOK:
            return held.context
        files = _files(trust)
        if held is None or held.files != files:
            held = self._held[key] = _Held(context=_context(trust, alpn), files=files, looked=now)
        held.looked = now
        return held.context

    def unverified(self, trust: Trust, alpn: str) -> ssl.SSLContext:
        """The context that `get` gave, but for the check of the chain and the name: for a chain known to be good.

        It holds no roots: with roots OpenSSL would build and check the chain all the same, and pass over the outcome.
        Raises Failure(self.target).
        """
        held = self._held[trust, alpn]
        if held.unverified is None:
            held.unverified = _context(replace(trust, verify=False, ca_file=""), alpn)
        return held.unverified


def _files(trust: Trust) -> tuple[tuple[str, int], ...]:
    names = [name for name in (trust.ca_file, trust.client_certificate, trust.client_key) if name]
    try:
        return tuple((name, Path(name).stat().st_mtime_ns) for name in names)
    except OSError as error:
        raise Failure(Reason.SELF_TARGET, f"{error.filename}: {(error.strerror or 'unreadable').lower()}") from error


def _context(trust: Trust, alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust.minimum not in _MINIMA:
        raise Failure(Reason.SELF_TARGET, f'minimum: expected "1.2" or "1.3", got {trust.minimum!r}')
    context.minimum_version = _MINIMA[trust.minimum]
    context.options |= ssl.OP_NO_TICKET
    # As browsers do: a name counts only among the certificate's alternative names (RFC 9525).
    context.hostname_checks_common_name = False
    if alpn:
        context.set_alpn_protocols(alpn.split(","))
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        _load(context, trust)
    except OSError as error:
        # ssl.SSLError is an OSError: a file that is there and holds no certificate comes here too.
        files = ", ".join(name for name, _ in _files(trust))
        said = (error.strerror or str(error)).lower()
        raise Failure(Reason.SELF_TARGET, f"{files}: expected PEM certificates and keys: {said}") from error
    return context


def _load(context: ssl.SSLContext, trust: Trust) -> None:
    if trust.ca_file:
        context.load_verify_locations(cafile=trust.ca_file)
    elif trust.verify:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if trust.client_certificate:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(trust.client_certificate, trust.client_key or None, password="")
