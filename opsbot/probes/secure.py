"""What a TLS handshake showed: the chain and its dates, and the reason when it failed.

The facts are read after a failure too: that is when somebody wants to know the date on which a certificate expired.
"""

from __future__ import annotations

import errno
import re
import ssl
from datetime import datetime
from functools import lru_cache
from typing import Any

from opsbot.model.probe import Certificate, Reason, Secured
from opsbot.probes.der import certificate, printable
from opsbot.probes.failure import Failure, Step, broken
from opsbot.probes.trace import Trace

_DER = 2
# What of a ClientHello fits into one packet nearly everywhere.
_PACKET = 1360
_VERIFY = {
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    18: Reason.TLS_SELF_SIGNED,
    62: Reason.TLS_NAME,
    64: Reason.TLS_NAME,
    66: Reason.TLS_WEAK,
    67: Reason.TLS_WEAK,
    68: Reason.TLS_WEAK,
}
"""OpenSSL's X509_V_ERR_* numbers; any other is a chain that does not lead to a trusted root."""
_ERRORS = {
    Reason.TLS_CLIENT: r"CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN|ACCESS_DENIED",
    Reason.TLS_WEAK: r"KEY_TOO_SMALL|MD_TOO_WEAK|DH_KEY|WRONG_SIGNATURE_TYPE|INSUFFICIENT_SECURITY|EE_KEY|CA_KEY",
    Reason.TLS_NAME: r"UNRECOGNIZED_NAME",
    Reason.TLS_RESET: r"UNEXPECTED_EOF|EOF occurred",
}


def secured(tls: ssl.SSLObject, *, verified: bool) -> Secured:
    """The facts of a handshake that succeeded."""
    sent = sent_chain(tls)
    path = _chain(tls, "get_verified_chain") if verified else sent
    cipher = tls.cipher()
    return _secured(tls.version(), cipher[0] if cipher else None, tls.selected_alpn_protocol(), verified, path, sent)


@lru_cache(maxsize=2048)
def _secured(
    version: str | None,
    cipher: str | None,
    alpn: str | None,
    verified: bool,
    path: tuple[bytes, ...],
    sent: tuple[bytes, ...],
) -> Secured:
    return Secured(
        version=version,
        cipher=cipher,
        alpn=alpn,
        verified=verified,
        path=tuple(map(certificate, path)),
        extras=tuple(certificate(der) for der in sent if der not in path),
    )


def sent_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates as the server sent them; () where Python does not say."""
    return _chain(tls, "get_unverified_chain")


def _chain(tls: ssl.SSLObject, what: str) -> tuple[bytes, ...]:
    """`get_verified_chain` or `get_unverified_chain`: public from Python 3.13 on, on the inner object before."""
    call: Any = getattr(tls, what, None) or getattr(getattr(tls, "_sslobj", None), what, None)
    try:
        found = call() if call else None
    except (ssl.SSLError, ValueError):
        found = None
    return tuple(each if isinstance(each, bytes) else each.public_bytes(_DER) for each in found or ())


def unsecured(error: ssl.SSLError, tls: ssl.SSLObject, trace: Trace) -> Failure:
    """The reason of a failed handshake; the certificates that the peer showed are noted in the trace."""
    sent = sent_chain(tls)
    trace.secured = _secured(tls.version(), None, None, False, sent, sent)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _refused(error, trace.secured.path, trace.at, str(tls.server_hostname))
    return _known(error) or _other(error)


def refused_later(error: ssl.SSLError, step: Step) -> Failure:
    """An alert after the handshake: with TLS 1.3 the refusal of a client certificate comes then."""
    return _known(error) or broken(step, OSError(errno.ECONNRESET, ""))


def oversized(hello: int) -> str:
    """What may be why not a byte came back in a handshake: a ClientHello of so many bytes took more than one packet, as it
    does with a post-quantum key share, and there are boxes on the way that drop such. "" if it did not."""
    if hello <= _PACKET:
        return ""
    return f"; no answer to a ClientHello of {hello:,} bytes: more than one packet, which some firewalls drop"


def _known(error: ssl.SSLError) -> Failure | None:
    words = error.reason or str(error)
    reason = next((reason for reason, pattern in _ERRORS.items() if re.search(pattern, words)), None)
    return Failure(reason, _plainly(reason, words)) if reason else None


def _other(error: ssl.SSLError) -> Failure:
    words = error.reason or str(error)
    return Failure(Reason.TLS_PROTOCOL, f"the TLS handshake failed: {printable(words).replace('_', ' ').lower()}")


def _plainly(reason: Reason, words: str) -> str:
    said = printable(words).replace("_", " ").lower()
    match reason:
        case Reason.TLS_CLIENT:
            return f"the server wants a client certificate that it trusts ({said})"
        case Reason.TLS_WEAK:
            return f"the server's key or signature is too weak ({said})"
        case Reason.TLS_NAME:
            return f"the server does not know the name asked for ({said})"
        case _:
            return "the server hung up in the TLS handshake"


def _refused(error: ssl.SSLCertVerificationError, path: tuple[Certificate, ...], now: datetime, name: str) -> Failure:
    reason = _VERIFY.get(error.verify_code, Reason.TLS_UNTRUSTED)
    leaf = path[0] if path else None
    match reason:
        case Reason.TLS_EXPIRED:
            old = min((each for each in path if each.not_after <= now), key=lambda c: c.not_after, default=None)
            return Failure(
                reason, f"{_called(old, leaf)} expired{f' on {old.not_after:%Y-%m-%d %H:%M} UTC' if old else ''}"
            )
        case Reason.TLS_NOT_YET_VALID:
            new = max((each for each in path if each.not_before > now), key=lambda c: c.not_before, default=None)
            since = f" before {new.not_before:%Y-%m-%d %H:%M} UTC" if new else " yet"
            return Failure(reason, f"{_called(new, leaf)} is not valid{since}")
        case Reason.TLS_NAME:
            shown = ", ".join(leaf.names[:5]) + (" ..." if len(leaf.names) > 5 else "") if leaf else ""
            return Failure(reason, f"the certificate is for {shown or 'no name'}, not for {name}")
        case Reason.TLS_SELF_SIGNED:
            return Failure(reason, "the certificate is signed by itself, not by an authority")
        case Reason.TLS_WEAK:
            return Failure(reason, f"the certificate is too weak: {error.verify_message.lower()}")
        case _:
            said = printable(error.verify_message or "").lower()
            return Failure(reason, f"the certificate does not lead to a trusted root: {said or 'unknown issuer'}")


def _called(certificate: Certificate | None, leaf: Certificate | None) -> str:
    if certificate is None or certificate is leaf:
        return "the certificate"
    return f"the intermediate certificate {certificate.subject}"
