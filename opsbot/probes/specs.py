"""A configured probe's own part: which kind a URL means, which keys that kind has, and the spec the engine gets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opsbot.model.probe import Dns, Flow, Http, Pairs, Redirects, Spec, Step, Tcp, Tls, Trust, WebSocket
from opsbot.probes import fit, guard, urls
from opsbot.probes.dnswire import TYPES, encode_name
from opsbot.probes.failure import Failure
from opsbot.probes.flow import HOLE
from opsbot.secrets import is_reference

if TYPE_CHECKING:
    from opsbot.config.probes import ProbeTable, StepTable

HEARTBEAT = "heartbeat"
KINDS = {
    "https": Http.kind, "http": Http.kind, "wss": WebSocket.kind, "ws": WebSocket.kind, "tcp": Tcp.kind,
    "tls": Tls.kind, "dns": Dns.kind, "heartbeat": HEARTBEAT,
}  # fmt: skip
EXAMPLES = {
    Http.kind: "https://example.org/health",
    WebSocket.kind: "wss://example.org/live",
    Tcp.kind: "tcp://db.example.org:5432",
    Tls.kind: "tls://example.org:443",
    Dns.kind: "dns:example.org?type=MX or dns://10.0.0.2/example.org?type=MX",
    HEARTBEAT: "heartbeat:",
}
_REQUEST = ("method", "headers", "body", "body_secret", "user", "password", "bearer")
_ASKED = (
    "timeout",
    "expect",
    "degraded",
    "failures",
    "recoveries",
    "retries",
    "retry_after",
    "reach",
    "allow_private",
    "dns_servers",
)
_OWN_KEYS: Mapping[str, tuple[str, ...]] = {
    Http.kind: (*_ASKED, *_REQUEST, *fit.TRUST, "redirects", "proxy", "http2"),
    Flow.kind: (*_ASKED, *fit.TRUST, "steps", "redirects", "proxy", "http2"),
    WebSocket.kind: (*_ASKED, *fit.TRUST, "headers", "send", "reply", "subprotocol"),
    Tcp.kind: (*_ASKED, "send", "reply", "pattern"),
    Tls.kind: (*_ASKED, *fit.TRUST),
    Dns.kind: _ASKED,
    HEARTBEAT: ("grace", "cron"),
}
_WEB = (Http.kind, Flow.kind)
_SECURE = (*_WEB, WebSocket.kind, Tls.kind)
_SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "status": (*_WEB, WebSocket.kind), "header": (*_WEB, WebSocket.kind), "size": (*_WEB, Tcp.kind),
    "body": (*_WEB, WebSocket.kind, Tcp.kind), "json": (*_WEB, WebSocket.kind), "certificate": _SECURE,
    "tls": _SECURE, "protocol": _SECURE, "records": (Dns.kind,), "rcode": (Dns.kind,),
}  # fmt: skip
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<rest>.*)", re.DOTALL)
_ENDPOINT = re.compile(r"//(?P<host>\[[^\[\]]*\]|[^:\[\]/?#@\\]*)(?::(?P<port>\d{1,5}))?/?", re.DOTALL)
_DNS = re.compile(r"(?://(?P<server>[^/?#]*)/)?(?P<name>[^/?#]*)(?:\?type=(?P<type>[A-Za-z]{1,10}))?", re.DOTALL)
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """What the command line says of a URL that is probed without a configuration: the keys of a `ProbeTable`, no model."""

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    user: str | None = None
    redirects: str = "follow"
    proxy: str | None = None
    http2: bool = False
    verify: bool = True
    ca_file: str | None = None
    server_name: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    tls_minimum: str = "1.2"
    send: str = ""
    reply: str | None = None
    pattern: str | None = None
    subprotocol: str | None = None
    allow_private: bool = False


Say = Callable[[tuple[str | int, ...], str], None]


def kind_of(url: str) -> str:
    """Raises ValueError for a scheme that is not probed."""
    parts = _SCHEME.fullmatch(url)
    scheme = parts["scheme"].lower() if parts else ""
    if not parts or (scheme not in KINDS and parts["rest"][:1].isdigit()) or "." in scheme:
        raise ValueError(f"expected a URL such as {EXAMPLES[Http.kind]}, got {_shown(url)}")
    if scheme not in KINDS:
        near = difflib.get_close_matches(scheme, KINDS, n=1)
        offer = f'did you mean "{near[0]}:"?' if near else f"known: {', '.join(f'{one}:' for one in KINDS)}"
        raise ValueError(f"{_shown(url)}: {scheme}: is not probed; {offer}")
    return KINDS[scheme]


def misplaced(table: ProbeTable, kind: str) -> Iterator[tuple[str, str]]:
    """Keys that another kind of probe has and this one does not."""
    for key in sorted(table.model_fields_set):
        kinds = [other for other, keys in _OWN_KEYS.items() if key in keys]
        if kinds and kind not in kinds:
            yield key, f"is a key of {', '.join(kinds)} probes; this is a {kind} probe"


def unanswerable(subject: str, kind: str) -> str:
    """Why an expectation can never be met by this kind of probe, or ""."""
    kinds = _SUBJECTS.get(subject)
    return f"a {kind} probe has no {subject}; {', '.join(kinds)} probes do" if kinds and kind not in kinds else ""


def spec_of(table: ProbeTable, kind: str, url: str, env: str, say: Say) -> Spec | None:
    """The spec; what is wrong goes to `say`, and None comes back if nothing can be probed."""
    try:
        if kind == Flow.kind:
            return _flow(table, env, say)
        return _MAKERS[kind](table, url, env)
    except Failure as failure:
        say(("url",), failure.why)
    except ValueError as error:
        say(("url",), str(error))
    return None


def bare(url: str, settings: Bare) -> Spec:
    """The spec of a URL that somebody typed. Raises ValueError in words."""
    kind = kind_of(url)
    if kind == HEARTBEAT:
        raise ValueError("a heartbeat is pushed and cannot be probed; name it to see when it last came")
    if settings.http2 and kind != Http.kind:
        raise ValueError(f"{_shown(url)}: HTTP/2 is asked of https:// alone")
    try:
        return _MAKERS[kind](settings, url, "")
    except Failure as failure:
        raise ValueError(failure.why) from failure


def offers_http2(spec: Spec) -> bool:
    """Whether any of its requests may be made over HTTP/2."""
    match spec:
        case Http():
            return spec.http2
        case Flow():
            return any(step.http.http2 for step in spec.steps)
        case _:
            return False


def dns_server(url: str) -> str:
    """The server that a `dns://SERVER/NAME` asks, or ""."""
    parts = _DNS.fullmatch(url.partition(":")[2])
    return (parts["server"] or "") if parts else ""


def headers_of(headers: Mapping[str, str], env: str) -> Pairs:
    """Those that are no references."""
    return tuple((name, put(value, env)) for name, value in headers.items() if not is_reference(value))


def secrets_of(table: ProbeTable | StepTable, prefix: str = "") -> Pairs:
    """(place, reference) of all that is still to be read."""
    found = [(name, getattr(table, name, None)) for name in ("password", "bearer", "proxy")]
    pairs = [(name, text) for name, text in found if text and is_reference(text)]
    pairs += [("body", table.body_secret)] if table.body_secret else []
    pairs += [(f"headers.{name}", value) for name, value in table.headers.items() if is_reference(value)]
    return tuple((prefix + place, str(reference)) for place, reference in pairs)


def put(text: str, env: str) -> str:
    """`{env}` filled in."""
    return text.replace("{env}", env) if env else text


def _http(table: ProbeTable | Bare, url: str, env: str) -> Http:
    _whole(url)
    place = urls.parse(url)
    _allowed(place.host, table)
    _sealed(place, table)
    return Http(
        url=url, method=table.method, headers=headers_of(table.headers, env), body=put(table.body, env).encode(),
        user=table.user or "", redirects=Redirects(table.redirects), proxy=_proxy(table), trust=trust_of(table, env),
        http2=table.http2,
    )  # fmt: skip


def _websocket(table: ProbeTable | Bare, url: str, env: str) -> WebSocket:
    _whole(url)
    place = urls.parse(url, ("ws", "wss"))
    _allowed(place.host, table)
    return WebSocket(
        url=url, send=put(table.send, env), expect=table.reply, headers=headers_of(table.headers, env),
        subprotocol=table.subprotocol or "", trust=trust_of(table, env),
    )  # fmt: skip


def _tcp(table: ProbeTable | Bare, url: str, env: str) -> Tcp:
    host, port = _endpoint(url, None)
    _allowed(host, table)
    if table.reply and table.pattern:
        raise ValueError("expected either reply or pattern, not both")
    spec = Tcp(
        host=host, port=port, send=put(table.send, env).encode(), expect=(table.reply or "").encode(),
        pattern=table.pattern or "",
    )  # fmt: skip
    if spec.pattern:
        from opsbot.probes.tcp import pattern

        pattern(spec.pattern)
    return spec


def _tls(table: ProbeTable | Bare, url: str, env: str) -> Tls:
    host, port = _endpoint(url, 443)
    _allowed(host, table)
    return Tls(host=host, port=port, trust=trust_of(table, env))


def _dns(table: ProbeTable | Bare, url: str, env: str) -> Dns:
    parts = _DNS.fullmatch(url.partition(":")[2])
    name = parts["name"] if parts else ""
    if parts is None or not name:
        raise ValueError(f"{_shown(url)}: expected {EXAMPLES[Dns.kind]}")
    encode_name(name)
    record = (parts["type"] or "A").upper()
    if record not in TYPES:
        raise ValueError(f"{_shown(url)}: type: expected one of {', '.join(TYPES)}, got {record!r}")
    return Dns(name=name, record=record)


_MAKERS: Mapping[str, Callable[[Any, str, str], Spec]] = {
    Http.kind: _http,
    WebSocket.kind: _websocket,
    Tcp.kind: _tcp,
    Tls.kind: _tls,
    Dns.kind: _dns,
}


def _flow(table: ProbeTable, env: str, say: Say) -> Flow | None:
    known: set[str] = set()
    names: set[str] = set()
    steps = [_step(table, number, env, known, names, say) for number in range(len(table.steps))]
    return Flow(steps=tuple(step for step in steps if step)) if all(steps) else None


def _step(table: ProbeTable, number: int, env: str, known: set[str], names: set[str], say: Say) -> Step | None:
    """`known` are the variables extracted so far; this step's own are added."""
    step = table.steps[number]
    at = ("steps", number)
    for key, what in fit.contradictions(step):
        say((*at, key), what)
    if step.name in names:
        say((*at, "name"), f'"{step.name}" is already the name of a step')
    names.add(step.name)
    url = put(step.url, env)
    for key, holes in _holes(step, url):
        for hole in holes - known:
            say(
                (*at, key),
                f"{{{hole}}} was not extracted by an earlier step; known: {', '.join(sorted(known)) or 'none'}",
            )
    known.update(step.extract)
    http: Any = None
    try:
        http = _request(table, step, url, env)
    except Failure as failure:
        say((*at, "url"), failure.why)
    except ValueError as error:
        say((*at, "url"), str(error))
    return Step(name=step.name, http=http, expect=step.expect, extract=tuple(step.extract.items())) if http else None


def _request(table: ProbeTable, step: StepTable, url: str, env: str) -> Http:
    authority = _AUTHORITY.match(url)
    if authority and HOLE.search(authority[0]):
        raise ValueError(
            f"{_shown(url)}: only {{env}} may stand in the host; what a server answers must not choose the next one"
        )
    place = urls.parse(url)
    _allowed(place.host, table)
    _sealed(place, table)
    bearer = step.bearer if step.bearer and not is_reference(step.bearer) else ""
    return Http(
        url=url, method=step.method, headers=headers_of(step.headers, env), body=put(step.body, env).encode(),
        user=step.user or "", bearer=bearer, redirects=Redirects(table.redirects), proxy=_proxy(table),
        trust=trust_of(table, env), http2=table.http2,
    )  # fmt: skip


def _holes(step: StepTable, url: str) -> Iterator[tuple[str, set[str]]]:
    """Where a variable is meant beyond doubt: in a body, braces may be the text's own."""
    yield "url", set(HOLE.findall(_AUTHORITY.sub("", url)))
    yield "headers", {hole for text in step.headers.values() for hole in HOLE.findall(text)} - {"env"}
    yield "bearer", set(HOLE.findall(step.bearer or ""))


def trust_of(table: ProbeTable | Bare, env: str) -> Trust:
    """How the server's certificate is judged."""
    return Trust(
        verify=table.verify, ca_file=table.ca_file or "", server_name=put(table.server_name or "", env),
        client_certificate=table.client_certificate or "", client_key=table.client_key or "",
        minimum=table.tls_minimum,
    )  # fmt: skip


def _proxy(table: ProbeTable | Bare) -> str:
    return "" if not table.proxy or is_reference(table.proxy) else table.proxy


def _endpoint(url: str, usual: int | None) -> tuple[str, int]:
    scheme, _, rest = url.partition(":")
    _whole(url)
    if any(ord(mark) <= 32 or ord(mark) == 127 for mark in url):
        raise ValueError(f"{_shown(url)}: a URL has no blanks or control characters")
    parts = _ENDPOINT.fullmatch(rest)
    port = int(parts["port"]) if parts and parts["port"] else usual
    if parts is None or not parts["host"] or port is None:
        raise ValueError(f"{_shown(url)}: expected {EXAMPLES[KINDS[scheme.lower()]]}")
    if not 0 < port < 65536:
        raise ValueError(f"{_shown(url)}: a port is between 1 and 65535, got {port}")
    return urls.check_host(parts["host"]), port


def _whole(url: str) -> None:
    if hole := HOLE.search(url):
        raise ValueError(f"{_shown(url)}: {hole[0]} is not known here; only {{env}} is")


def _allowed(host: str, table: ProbeTable | Bare) -> None:
    """Raises Failure or ValueError for a host that would be refused when it is probed."""
    if table.proxy and not is_reference(table.proxy):
        guard.check_name(urls.parse(table.proxy, ("http",)).host, allow_private=table.allow_private)
    guard.check_name(host, allow_private=table.allow_private)
    name = host.rstrip(".").lower()
    if not table.allow_private and (name == "localhost" or name.endswith(".localhost")):
        raise ValueError(f"{host} is the prober's own machine: set allow_private = true to probe it")


def _sealed(place: urls.Place, table: ProbeTable | Bare) -> None:
    """Raises ValueError where HTTP/2 is to be asked without TLS."""
    if table.http2 and not place.secure:
        raise ValueError(
            f"{_shown(str(place))}: HTTP/2 is agreed on in the TLS handshake; expected https://, or no http2 = true"
        )


def _shown(url: str) -> str:
    bare = re.sub(r"(?<=//)[^/@]*@", "", url[:120])
    return "".join(mark if mark.isprintable() else "?" for mark in bare)
