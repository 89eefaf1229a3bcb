"""HTTP and HTTPS probes: one request on a fresh connection, and the redirects it leads to."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from time import monotonic

from opsbot.model.probe import Answer, Http, Pairs, Reason, Redirects
from opsbot.probes import reach, urls
from opsbot.probes.answer import Reader
from opsbot.probes.failure import BODY, FIRST, HEAD, REQUEST, Failure
from opsbot.probes.reach import Ways
from opsbot.probes.stream import Stream
from opsbot.probes.trace import Trace
from opsbot.probes.urls import Place
from opsbot.probes.wait import Steps

MOST_REDIRECTS = 10
_BOTH = "h2,http/1.1"
USER_AGENT = "opsbot-probe"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE = re.compile(r"[\r\n\0]")
_ABOUT_BODY = frozenset({"content-length", "content-type", "content-encoding", "transfer-encoding"})
_HARMLESS = frozenset(
    {"accept", "accept-encoding", "accept-language", "user-agent", "cache-control", "pragma", "content-type"}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a probe, with its bytes; a redirect makes the next. `own` is False once another origin has taken
    over: credentials stay behind. `url` is for people."""

    place: Place
    method: str
    body: bytes
    own: bool
    url: str
    wire: bytes
    proxy: Place | None
    fields: tuple[tuple[bytes, bytes], ...] = ()
    """Its headers as HTTP/2 has them, if that is to be offered."""


_PREPARED: dict[int, tuple[Http, Request]] = {}
_MOST_PREPARED = 20_000


def prepared(spec: Http) -> Request:
    """The first request of a spec, made once: a spec never changes. Raises Failure."""
    held = _PREPARED.get(id(spec))
    if held is None or held[0] is not spec:
        if len(_PREPARED) >= _MOST_PREPARED:
            _PREPARED.clear()
        held = _PREPARED[id(spec)] = (spec, first_request(spec))
    return held[1]


def probe(trace: Trace, spec: Http, ways: Ways) -> Steps[Answer]:
    """Raises Failure; the hops are in the trace either way."""
    if spec.http2:
        load(trace)
    request = prepared(spec)
    for _ in range(MOST_REDIRECTS + 1):
        if trace.hops:
            trace.begin_hop()
        try:
            answer, location = yield from exchange(trace, spec, request, ways)
        finally:
            trace.end_hop(request.url)
        if location is None:
            return _judged(trace, answer)
        request = redirected(request, spec, trace.status or 0, location)
    raise Failure(Reason.HTTP_REDIRECTS, f"more than {MOST_REDIRECTS} redirects; the last led to {request.url}")


def _judged(trace: Trace, answer: Answer) -> Answer:
    """The plain opinion on an answer, without anybody's expectations: 4xx and 5xx are failures."""
    if trace.status is not None and trace.status >= 400:
        raise Failure(Reason.HTTP_STATUS, f"the server answered {trace.status}")
    return answer


def exchange(trace: Trace, spec: Http, request: Request, ways: Ways) -> Steps[tuple[Answer, str | None]]:
    """One request and its answer; and where it redirects to, if it does and the spec follows. Raises Failure.

    `trace.answer` is the answer too, as much of it as came before a failure.
    """
    place = request.place
    stream: Stream
    second = False
    if place.secure or request.proxy:
        stream = yield from _open(trace, spec, request, ways)
        second = spec.http2 and _agreed(trace, request)
    else:
        stream = yield from reach.plain(trace, ways, place.host, place.port)
    reader = Reader(bodiless=request.method == "HEAD", limit=spec.body_limit)
    try:
        if second:
            yield from _by_h2(trace, stream, reader, request)
        else:
            began = monotonic()
            rest = stream.post(request.wire, REQUEST)
            if rest:
                yield from stream.flush(rest, REQUEST)
            chunk = yield from stream.first(FIRST)
            first = stream.first_stamp
            if chunk:
                trace.first_byte = first - began if first > began else 0.0
                reader.feed(chunk)
            if not reader.done:
                yield from _rest(stream, reader, chunk)
            trace.ended = ended = stream.stamp
            trace.transfer = ended - first
    finally:
        reader.close()
        if reader.complete_head:
            _note(trace, reader)
        stream.close()
    if reader.truncated and spec.strict_limit:
        raise Failure(Reason.HTTP_TOO_LARGE, f"the body is longer than {spec.body_limit} bytes")
    if reader.status not in _REDIRECTS or spec.redirects is Redirects.NONE:
        return trace.answer, None
    return trace.answer, trace.answer.header("location")


def _open(trace: Trace, spec: Http, request: Request, ways: Ways) -> Steps[Stream]:
    """By a proxy, under TLS, or both."""
    place = request.place
    if request.proxy:
        plain = yield from reach.by_proxy(trace, request.proxy, place, ways)
    else:
        plain = yield from reach.plain(trace, ways, place.host, place.port)
    if not place.secure:
        return plain
    alpn = _BOTH if request.fields else "http/1.1"
    return (yield from reach.secure(trace, ways, plain, place.host, place.port, spec.trust, alpn))


def _agreed(trace: Trace, request: Request) -> bool:
    """Whether the server took HTTP/2, if it was offered."""
    return bool(request.fields and trace.secured and trace.secured.alpn == "h2")


def _by_h2(trace: Trace, stream: Stream, reader: Reader, request: Request) -> Steps[None]:
    from opsbot.probes import h2

    yield from h2.talk(trace, stream, reader, request.fields, request.body)


def _rest(stream: Stream, reader: Reader, chunk: bytes) -> Steps[None]:
    """The answer to its end, or to the limit of its body; `chunk` is what came last."""
    while chunk and not reader.done:
        chunk = yield from stream.receive(BODY if reader.complete_head else HEAD)
        reader.feed(chunk)
    if not chunk:
        reader.end()


def _note(trace: Trace, reader: Reader) -> None:
    trace.status = reader.status
    trace.protocol = reader.version
    trace.body_size = reader.size
    trace.truncated = reader.truncated
    trace.answer = reader.answer


def first_request(spec: Http) -> Request:
    """Raises Failure: guard.scheme for what is not HTTP, self.target for what is wrong in another way."""
    try:
        place = urls.parse(spec.url)
    except urls.UnknownScheme as error:
        raise Failure(Reason.GUARD_SCHEME, str(error)) from error
    except ValueError as error:
        raise Failure(Reason.SELF_TARGET, str(error)) from error
    return _request(spec, place, spec.method.upper(), spec.body, own=True)


def _request(spec: Http, place: Place, method: str, body: bytes, *, own: bool) -> Request:
    """Raises Failure(self.target) for what cannot be written as HTTP."""
    proxy = reach.proxy_place(spec.proxy) if spec.proxy else None
    credentials = proxy if proxy and not place.secure else None
    headers = _headers(spec, place, method, body, credentials, own=own)
    wire = rendered(place, method, headers, body, absolute=bool(credentials))
    fields = _fields(place, method, headers) if spec.http2 and place.secure else ()
    return Request(place, method, body, own, str(place), wire, proxy, fields)


def load(trace: Trace) -> None:
    """HTTP/2's library, if this is the first probe that needs it: a tenth of a second that no target took."""
    if "opsbot.probes.h2" not in sys.modules:
        import opsbot.probes.h2  # noqa: F401  to have it is the point

        trace.begin_again()


def _fields(place: Place, method: str, headers: Pairs) -> tuple[tuple[bytes, bytes], ...]:
    from opsbot.probes import h2

    return h2.fields(place, method, headers)


def redirected(request: Request, spec: Http, status: int, location: str) -> Request:
    """The request that a redirect asks for (RFC 9110, 15.4). Raises Failure if it must not be followed."""
    try:
        place = urls.join(request.place, location)
    except urls.UnknownScheme as error:
        raise Failure(Reason.GUARD_SCHEME, f"redirected by {request.place} to {error}") from error
    except ValueError as error:
        raise Failure(
            Reason.HTTP_REDIRECTS, f"{request.place} redirects to something that is no URL: {error}"
        ) from error
    if spec.redirects is Redirects.SAME_HOST and place.host.lower() != request.place.host.lower():
        raise Failure(Reason.HTTP_REDIRECTS, f"redirected to another host, {place.host}, which same-host forbids")
    to_get = (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST")
    own = request.own and (place.origin == request.place.origin or _upgraded(request.place, place))
    method, body = ("GET", b"") if to_get else (request.method, request.body)
    return _request(spec, place, method, body, own=own)


def _upgraded(before: Place, after: Place) -> bool:
    """http to https on the same host and the usual ports: the same site, and safer."""
    return before.origin == ("http", after.host.lower(), 80) and after.origin == ("https", after.host.lower(), 443)


def rendered(place: Place, method: str, headers: Pairs, body: bytes = b"", *, absolute: bool = False) -> bytes:
    """A request's bytes. Raises Failure(self.target) for what cannot be written as HTTP."""
    if not _TOKEN.fullmatch(method):
        raise Failure(Reason.SELF_TARGET, f"method: expected a word such as GET, got {method[:20]!r}")
    lines = [f"{method} {f'http://{place.authority}' if absolute else ''}{place.path} HTTP/1.1"]
    lines += [f"{name}: {_checked(name, value)}" for name, value in headers]
    try:
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    except UnicodeEncodeError as error:
        raise Failure(Reason.SELF_TARGET, "headers: expected Latin-1 characters only") from error


def _headers(spec: Http, place: Place, method: str, body: bytes, proxy: Place | None, *, own: bool) -> Pairs:
    """What is sent: the spec's headers, credentials on the way to their own origin only, and what HTTP needs."""
    dropped = _ABOUT_BODY if spec.body and not body else frozenset()
    headers = [(n, v) for n, v in spec.headers if n.lower() not in dropped and (own or n.lower() in _HARMLESS)]
    given = {name.lower() for name, _ in headers}
    usual = [("Host", place.authority), ("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Connection", "close")]
    if own:
        usual += _credentials(spec, place)
    if body or method in ("POST", "PUT", "PATCH"):
        usual.append(("Content-Length", str(len(body))))
    headers = [pair for pair in usual if pair[0].lower() not in given] + headers
    return (*headers, *reach.proxy_headers(proxy)) if proxy else tuple(headers)


def _credentials(spec: Http, place: Place) -> Pairs:
    if spec.bearer:
        return (("Authorization", f"Bearer {spec.bearer}"),)
    user, password = (spec.user, spec.password) if spec.user else (place.user, place.password)
    return (("Authorization", f"Basic {reach.basic(user, password)}"),) if user else ()


def _checked(name: str, value: str) -> str:
    if not _TOKEN.fullmatch(name) or _BAD_VALUE.search(value):
        raise Failure(
            Reason.SELF_TARGET, f"headers: {name[:40]!r} or its value has characters that HTTP does not allow"
        )
    return value
