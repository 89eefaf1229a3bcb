"""What does not fit together in a probe's table, although each key by itself is right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from opsbot.model.probe import Dns, Flow, Http, Tcp, Tls, WebSocket
from opsbot.probes import guard, urls
from opsbot.probes.flow import HOLE
from opsbot.secrets import NOT_SHOWN, is_reference

if TYPE_CHECKING:
    from opsbot.config.probes import ProbeTable, StepTable
    from opsbot.evaluate.expect import Expectation

TRUST = ("verify", "ca_file", "server_name", "client_certificate", "client_key", "tls_minimum")
_ALL_PHASES = ("dns", "connect", "proxy", "tls", "first_byte", "transfer")
_PHASES: Mapping[str, tuple[str, ...]] = {
    Dns.kind: ("dns",), Tls.kind: ("dns", "connect", "tls"), Tcp.kind: ("dns", "connect", "first_byte", "transfer"),
}  # fmt: skip
_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|api-?key|password|credential", re.IGNORECASE)


def contradictions(table: ProbeTable | StepTable) -> Iterator[tuple[str, str]]:
    """Keys of a request that exclude or need one another."""
    if table.body and table.body_secret:
        yield "body_secret", "expected either body or body_secret, not both"
    if table.user and table.bearer:
        yield "bearer", "expected either user and password, or bearer"
    if table.password and not table.user:
        yield "password", "is of a user; set user too"
    if table.user and not table.password:
        yield "user", 'needs a password; for example password = "env:PROBE_PASSWORD"'
    if not getattr(table, "verify", True) and getattr(table, "ca_file", None):
        yield "ca_file", "is never looked at with verify = false; leave out one of the two"
    if what := _stray(table.url or ""):
        yield "url", what
    for name, value in table.headers.items():
        if _SECRET_HEADER.search(name) and value and not is_reference(value) and not HOLE.search(value):
            yield "headers", f"{name}: {NOT_SHOWN}"
    lower = [name.lower() for name in table.headers]
    for name in sorted({name for name in lower if lower.count(name) > 1}):
        yield "headers", f'"{name}" stands here twice'


def _stray(url: str) -> str:
    """What stands in a URL that is well formed, and would be ignored or taken for something else."""
    try:
        place = urls.parse(url.replace("{env}", "env"), tuple(urls.PORTS))
    except ValueError:
        return ""
    if place.user and not place.password:
        return 'a user stands before the "@"; expected the keys user and password = "env:NAME" instead'
    _, sign, fragment = url.partition("#")
    return f'"#{fragment[:40]}" is never sent to a server; leave it out' if sign else ""


def idle(table: ProbeTable, *, stays: bool) -> Iterator[tuple[str, str]]:
    """Keys about TLS where there is none."""
    scheme = (table.url or "").partition(":")[0].lower()
    if stays and scheme in ("http", "ws"):
        for key in sorted(table.model_fields_set.intersection(TRUST)):
            yield key, f"is about TLS, which {scheme}:// has not; expected a url with {scheme}s://"


def never_met(line: Expectation, kind: str, url: str, *, stays: bool, proxied: bool) -> str:
    """Why an expectation can never be met at this URL, or ""; `stays`: no redirect can lead to another one."""
    scheme, _, rest = url.lower().partition("://")
    plain = scheme in ("http", "ws") and stays
    if line.subject in ("certificate", "tls") and plain:
        return f"there is no TLS at {scheme}://; expected a url with {scheme}s://"
    phase = str(line.path[0]) if line.subject == "latency" and line.path else ""
    if not phase:
        return ""
    host = re.split(r"[/?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    host = host if host.endswith("]") else host.rpartition(":")[0] or host
    named = not stays or proxied or guard.literal(host) is None
    there = [one for one in _PHASES.get(kind, _ALL_PHASES) if (one != "tls" or not plain) and (one != "dns" or named)]
    there = [one for one in there if one != "proxy" or proxied]
    return f"this probe has no phase {phase}; it has {', '.join(there)}" if phase not in there else ""


_HTTP_1 = ("HTTP/1.1", "HTTP/1.0")
_PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    Http.kind: _HTTP_1, Flow.kind: _HTTP_1, WebSocket.kind: ("websocket",), Tls.kind: ("TLSv1.3", "TLSv1.2"),
}  # fmt: skip
_SECOND = ("h2", "http/2", "http/2.0", "http2")


def other_protocol(line: Expectation, kind: str, *, http2: bool) -> str:
    """Why an expectation on the protocol can never be met, or ""."""
    if line.subject != "protocol" or line.operator == "!=" or line.negated:
        return ""
    wanted = {str(one).lower() for one in (line.value if isinstance(line.value, tuple) else (line.value,))}
    spoken = (*_PROTOCOLS.get(kind, ()), *(("h2",) if http2 else ()))
    if wanted & {one.lower() for one in spoken}:
        return ""
    asked = kind in (Http.kind, Flow.kind) and not http2 and wanted & set(_SECOND)
    told = "; with http2 = true also h2" if asked else ""
    return f"is never met: the protocol of this probe is {' or '.join(spoken)}{told}"
