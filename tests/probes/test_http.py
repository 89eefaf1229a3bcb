"""HTTP probes against servers that behave, that fail at every point, and that attack."""

from __future__ import annotations

import asyncio
import base64
import gzip
import time
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from opsbot.model.probe import Answer, Http, ProbeResult, ProbeState, Reach, Reason, Redirects, Tcp
from tests.probes.servers import Net, Slowly, Talk, for_ever, head_of, page, reset, says

Probing = Callable[..., ProbeResult]


def url(port: int, path: str = "/", host: str = "127.0.0.1") -> str:
    return f"http://{host}:{port}{path}"


def echo(seen: list[bytes], answer: bytes = page()) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        seen.append(head + await reader.readexactly(length))
        writer.write(answer)

    return talk


def test_a_healthy_page(net: Net, probing: Probing) -> None:
    port = net.tcp(says(page(headers=("Content-Type: application/json", "X-Version: 7"))))
    answers: list[Answer] = []

    def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
        answers.append(answer)
        return result

    result = probing(Http(url=url(port)), judge)
    assert (result.state, result.reason, result.why) == (ProbeState.UP, None, "")
    assert (result.status, result.protocol, result.body_size, result.address) == (200, "HTTP/1.1", 16, "127.0.0.1")
    assert (result.headers, result.excerpt) == ((), "")
    assert answers[0].body == b'{"status": "ok"}'
    assert answers[0].headers[1] == ("x-version", "7")
    phases = result.phases
    assert (phases.dns, phases.tls, phases.proxy) == (None, None, None)
    assert phases.connect is not None
    assert phases.connect > 0
    assert phases.first_byte is not None
    assert phases.transfer is not None
    assert sum(filter(None, (phases.connect, phases.first_byte, phases.transfer))) <= result.seconds


def test_what_is_sent(net: Net, probing: Probing) -> None:
    seen: list[bytes] = []
    port = net.tcp(echo(seen))
    spec = Http(
        url=url(port, "/a?b=c#d"),
        method="post",
        headers=(("X-One", "1"), ("Host", "shop.example")),
        body=b"hello",
        user="ann",
        password="pä",
    )
    assert probing(spec).state is ProbeState.UP
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a?b=c HTTP/1.1"
    assert body == b"hello"
    assert set(lines[1:]) == {
        *(
            "Host: shop.example",
            "X-One: 1",
            "Accept: */*",
            "User-Agent: opsbot-probe",
            "Connection: close",
            "Content-Length: 5",
        ),
        f"Authorization: Basic {base64.b64encode('ann:pä'.encode()).decode()}",
    }


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (Http(url="http://127.0.0.1:{}/", bearer="t0ken"), "Authorization: Bearer t0ken"),
        (
            Http(url="http://ann:s%40cret@127.0.0.1:{}/"),
            f"Authorization: Basic {base64.b64encode(b'ann:s@cret').decode()}",
        ),
        (Http(url="http://127.0.0.1:{}/", headers=(("Authorization", "Own x"),), bearer="t"), "Authorization: Own x"),
    ],
    ids=["bearer", "in the URL", "own header"],
)
def test_credentials(net: Net, probing: Probing, spec: Http, line: str) -> None:
    seen: list[bytes] = []
    port = net.tcp(echo(seen))
    probing(replace(spec, url=spec.url.format(port)))
    assert [each for each in seen[0].decode().split("\r\n") if each.startswith("Authorization")] == [line]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("method", "GET /evil", "method"),
        ("headers", (("X-Bad", "a\r\nX-Evil: 1"),), "headers"),
        ("headers", (("X Bad", "a"),), "headers"),
        ("headers", (("X-Wide", "日"),), "Latin-1"),
        ("proxy", "socks5://127.0.0.1:1", "proxy"),
        ("url", "http://[::1", "host or host:port"),
    ],
)
def test_what_cannot_be_sent_is_the_targets_fault_and_no_outage(
    probing: Probing, field: str, value: object, words: str
) -> None:
    result = probing(replace(Http(url="http://127.0.0.1:1/"), **{field: value}))
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_TARGET)
    assert words in result.why


def drop(at: str) -> Talk:
    """Resets the connection at a point of the exchange."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if at != "connection":
            await head_of(reader)
        if at == "headers":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-")
        if at == "body":
            writer.write(page()[:-5])
        await writer.drain()
        await asyncio.sleep(0.02)
        reset(writer)

    return talk


@pytest.mark.parametrize("at", ["connection", "request", "headers", "body"])
def test_resets(net: Net, probing: Probing, at: str) -> None:
    result = probing(Http(url=url(net.tcp(drop(at)))))
    assert (result.state, result.reason) == (ProbeState.DOWN, Reason.HTTP_RESET)
    assert "reset" in result.why
    assert result.status == (200 if at == "body" else None)
    assert result.phases.connect is not None
    assert (result.phases.first_byte is None) == (at in ("connection", "request"))
    assert result.phases.transfer is None


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (b"", Reason.HTTP_CLOSED, "without an answer"),
        (b"HTTP/1.1 200 OK\r\nX: y", Reason.HTTP_CLOSED, "in the middle of the headers"),
        (page()[:-5], Reason.HTTP_CLOSED, "after 11 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Reason.HTTP_CLOSED, "after 5 bytes"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Reason.HTTP_PROTOCOL, "not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", Reason.HTTP_PROTOCOL, "not HTTP"),
        (b"HTTP/1.1 2xx OK\r\n\r\n", Reason.HTTP_PROTOCOL, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Reason.HTTP_PROTOCOL, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Reason.HTTP_PROTOCOL, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n", Reason.HTTP_TOO_LARGE, "headers"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            Reason.HTTP_PROTOCOL,
            "decompressed",
        ),
        (page(status="503 Unavailable"), Reason.HTTP_STATUS, "answered 503"),
        (page(status="404 Not Found"), Reason.HTTP_STATUS, "answered 404"),
    ],
)
def test_answers_that_are_none(net: Net, probing: Probing, answer: bytes, reason: Reason, words: str) -> None:
    result = probing(Http(url=url(net.tcp(says(answer)))))
    assert (result.state, result.reason) == (ProbeState.DOWN, reason)
    assert words in result.why


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (page(b"plain"), b"plain"),
        (page(b"to the end", length=False), b"to the end"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nT: x\r\n\r\n",
            b"hello!",
        ),
        (page(gzip.compress(b"zipped"), headers=("Content-Encoding: gzip",)), b"zipped"),
        (page(zlib.compress(b"zlib"), headers=("content-encoding:  Deflate",)), b"zlib"),
        (
            page(
                zlib.compressobj(wbits=-15).compress(b"") + zlib.compress(b"raw deflate")[2:-4],
                headers=("Content-Encoding: deflate",),
            ),
            b"raw deflate",
        ),
        (page(b"\x01br", headers=("Content-Encoding: br",)), b"\x01br"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + page(b"at last"), b"at last"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (page(b"", status="204 No Content", length=False), b""),
    ],
    ids=[
        "length",
        "until close",
        "chunked",
        "gzip",
        "zlib",
        "raw deflate",
        "brotli stays",
        "interim answers",
        "HTTP/1.0",
        "no content",
    ],
)
def test_bodies(net: Net, probing: Probing, answer: bytes, body: bytes) -> None:
    got: list[bytes] = []
    result = probing(Http(url=url(net.tcp(says(answer)))), lambda result, answer: got.append(answer.body) or result)
    assert result.state is ProbeState.UP, result.why
    assert got == [body]
    assert result.body_size == len(body)


def test_head_has_no_body_to_wait_for(net: Net, probing: Probing) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await for_ever(reader, writer)

    result = probing(Http(url=url(net.tcp(talk)), method="HEAD"), timeout=1)
    assert (result.state, result.body_size) == (ProbeState.UP, 0)


async def ten_gigabytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    for _ in range(10_000):
        writer.write(chunk)
        await writer.drain()


def bomb(coding: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    return page(packed, headers=(f"Content-Encoding: {coding}",))


def test_a_body_in_a_hundred_thousand_pieces(net: Net, probing: Probing) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    got: list[bytes] = []
    result = probing(Http(url=url(net.tcp(says(answer)))), lambda result, answer: got.append(answer.body) or result)
    assert result.state is ProbeState.UP
    assert got == [b"x" * 100_000]


@pytest.mark.parametrize(
    "what", [ten_gigabytes, says(bomb("gzip")), says(bomb("deflate"))], ids=["10 GB", "gzip bomb", "deflate bomb"]
)
def test_bodies_without_end_are_cut(net: Net, probing: Probing, what: Talk) -> None:
    sizes: list[int] = []
    port = net.tcp(what)
    result = probing(Http(url=url(port)), lambda result, answer: sizes.append(len(answer.body)) or result)
    assert (result.state, result.truncated, result.body_size, sizes) == (ProbeState.UP, True, 1 << 20, [1 << 20])
    strict = probing(Http(url=url(port), strict_limit=True, body_limit=1000))
    assert (strict.reason, strict.body_size) == (Reason.HTTP_TOO_LARGE, 1000)
    assert strict.excerpt


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("what", "words"), [(for_ever, "first byte"), (drip_headers, "headers"), (drip, "body")])
def test_the_deadline_is_for_the_whole_probe(net: Net, probing: Probing, what: Talk, words: str) -> None:
    result = probing(Http(url=url(net.tcp(what))), timeout=0.4)
    assert (result.state, result.reason) == (ProbeState.DOWN, Reason.HTTP_TIMEOUT)
    assert words in result.why
    assert result.seconds >= 0.4
    assert result.phases.transfer is None


@pytest.mark.parametrize(("wait", "gap"), [(0.2, 0.0), (0.1, 0.15)], ids=["slow first byte", "slow end"])
def test_phases_say_where_the_time_went(net: Net, probing: Probing, wait: float, gap: float) -> None:
    server, began = Slowly(wait, gap), time.monotonic()
    result = probing(Http(url=url(net.tcp(server))))
    assert server.was_first_byte(result.phases.first_byte, began)
    assert server.was_transfer(result.phases.transfer)
    assert result.kernel_stamps
    assert result.rtt is not None
    assert result.retransmits == 0


# Redirects


def leads(net: Net, where: str, status: str = "302 Found", seen: list[bytes] | None = None) -> int:
    return net.tcp(
        echo(seen if seen is not None else [], page(b"moved", status=status, headers=(f"Location: {where}",)))
    )


def test_a_chain_of_redirects_has_phases_of_its_own_for_each_hop(net: Net, probing: Probing) -> None:
    last = net.tcp(says(page(b"here")))
    middle = leads(net, url(last, "/end"))
    first = leads(net, url(middle, "/next"))
    result = probing(Http(url=url(first)))
    assert [(hop.url, hop.status) for hop in result.hops] == [
        (url(first), 302),
        (url(middle, "/next"), 302),
        (url(last, "/end"), 200),
    ]
    each = [hop.phases.first_byte for hop in result.hops]
    assert all(seconds is not None for seconds in each)
    assert result.phases.first_byte == pytest.approx(sum(filter(None, each)))
    assert result.phases.dns is None
    assert [net.connections[port] for port in (first, middle, last)] == [1, 1, 1]


def test_a_loop_of_redirects_ends(net: Net, probing: Probing) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(page(b"", status="301 Moved", headers=("Location: /again",)))

    port = net.tcp(talk)
    result = probing(Http(url=url(port)))
    assert result.reason is Reason.HTTP_REDIRECTS
    assert "more than 10 redirects" in result.why
    assert net.connections[port] == len(result.hops) == 11


@pytest.mark.parametrize(
    ("policy", "where", "state", "reason", "status"),
    [
        (Redirects.NONE, "/on", ProbeState.UP, None, 302),
        (Redirects.SAME_HOST, "http://other.test:{last}/", ProbeState.DOWN, Reason.HTTP_REDIRECTS, 302),
        (Redirects.SAME_HOST, "http://shop.test:{last}/", ProbeState.UP, None, 200),
        (Redirects.FOLLOW, "http://other.test:{last}/", ProbeState.UP, None, 200),
        (Redirects.FOLLOW, "//other.test:{last}/", ProbeState.UP, None, 200),
        (Redirects.FOLLOW, "http://[::1/", ProbeState.DOWN, Reason.HTTP_REDIRECTS, 302),
        (Redirects.FOLLOW, "http://shop.test:{closed}/", ProbeState.DOWN, Reason.TCP_REFUSED, None),
    ],
)
def test_redirect_policies(
    net: Net,
    probing: Probing,
    policy: Redirects,
    where: str,
    state: ProbeState,
    reason: Reason | None,
    status: int | None,
) -> None:
    last = net.tcp(says(page(b"here")))
    first = leads(net, where.format(last=last, closed=net.closed_port()))
    result = probing(Http(url=url(first, host="shop.test"), redirects=policy))
    assert (result.state, result.reason, result.status) == (state, reason, status)


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        ("301 Moved", "POST", "GET", b""),
        ("302 Found", "POST", "GET", b""),
        ("303 See Other", "PUT", "GET", b""),
        ("307 Temporary", "POST", "POST", b"form"),
        ("308 Permanent", "POST", "POST", b"form"),
        ("302 Found", "GET", "GET", b"form"),
    ],
)
def test_the_method_after_a_redirect(
    net: Net, probing: Probing, status: str, method: str, then: str, body: bytes
) -> None:
    seen: list[bytes] = []
    port = leads(net, url(net.tcp(echo(seen))), status)
    probing(Http(url=url(port), method=method, body=b"form", headers=(("Content-Type", "text/plain"),)))
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(then.encode() + b" ")
    assert sent == body
    assert (b"Content-Type" in head) == bool(body)


def test_credentials_do_not_cross_to_another_origin(net: Net, probing: Probing) -> None:
    seen: list[bytes] = []
    elsewhere = net.tcp(echo(seen))
    own: list[bytes] = []
    port = leads(net, url(elsewhere, host="other.test"), seen=own)
    secret = (("Cookie", "sid=1"), ("X-Api-Key", "k"), ("Accept", "text/x"))
    probing(Http(url=url(port, host="shop.test"), headers=secret, bearer="t0ken"))
    assert b"Bearer t0ken" in own[0]
    assert b"sid=1" in own[0]
    assert b"Accept: text/x" in seen[0]
    for word in (b"t0ken", b"sid=1", b"X-Api-Key", b"Authorization"):
        assert word not in seen[0]


# Proxies


def test_http_through_a_proxy(net: Net, probing: Probing) -> None:
    seen: list[bytes] = []
    port = net.tcp(echo(seen))
    result = probing(Http(url="http://shop.example/a", proxy=f"http://ann:pw@127.0.0.1:{port}"))
    assert result.state is ProbeState.UP
    assert result.phases.dns is None
    head = seen[0].decode()
    assert head.startswith("GET http://shop.example/a HTTP/1.1\r\nHost: shop.example\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'ann:pw').decode()}" in head


@pytest.mark.parametrize(
    ("talk", "reason", "words"),
    [
        (says(b"HTTP/1.1 403 No Way\r\n\r\n"), Reason.PROXY_REFUSED, "403 No Way"),
        (says(b""), Reason.PROXY_REFUSED, "hung up"),
        (for_ever, Reason.PROXY_UNREACHABLE, "waiting for the proxy"),
        (None, Reason.PROXY_UNREACHABLE, "refused"),
    ],
)
def test_a_proxy_that_does_not_connect(
    net: Net, probing: Probing, talk: Talk | None, reason: Reason, words: str
) -> None:
    port = net.tcp(talk) if talk else net.closed_port()
    result = probing(Http(url="https://shop.example/", proxy=f"http://127.0.0.1:{port}"), timeout=0.4)
    assert (result.state, result.reason) == (ProbeState.DOWN, reason)
    assert words in result.why


# Addresses of both families


def both(net: Net, v4: Talk | None, v6: Talk | None) -> int:
    """A port that is served on the IPv4 and on the IPv6 loopback as said."""
    for _ in range(20):
        port = net.tcp(v4) if v4 else net.closed_port()
        try:
            if v6:
                net.tcp(v6, host="::1", port=port)
        except OSError:
            continue
        return port
    raise AssertionError("no port is free on both")


@pytest.mark.parametrize(
    ("reach", "v4", "v6", "state", "address"),
    [
        (Reach.ANY, True, False, ProbeState.UP, "127.0.0.1"),
        (Reach.V4, True, False, ProbeState.UP, "127.0.0.1"),
        (Reach.V6, False, True, ProbeState.UP, "::1"),
        (Reach.V6, True, False, ProbeState.DOWN, "::1"),
        (Reach.BOTH, True, True, ProbeState.UP, "127.0.0.1"),
        (Reach.BOTH, True, False, ProbeState.DEGRADED, "::1"),
        (Reach.EVERY, False, True, ProbeState.DEGRADED, "127.0.0.1"),
        (Reach.EVERY, False, False, ProbeState.DOWN, "127.0.0.1"),
    ],
)
def test_which_addresses_are_probed(
    net: Net, probing: Probing, reach: Reach, v4: bool, v6: bool, state: ProbeState, address: str
) -> None:
    port = both(net, says(page()) if v4 else None, says(page()) if v6 else None)
    result = probing(Http(url=url(port, host="dual.test")), reach=reach)
    assert (result.state, result.address) == (state, address)
    if reach in (Reach.BOTH, Reach.EVERY):
        assert [part.address for part in result.parts] == ["127.0.0.1", "::1"]
        assert [part.state is ProbeState.UP for part in result.parts] == [v4, v6]
    if state is ProbeState.DEGRADED:
        assert result.reason is Reason.TCP_REFUSED
        assert "1 of 2 addresses answer" in result.why


def test_each_address_must_meet_the_expectations(net: Net, probing: Probing) -> None:
    port = both(net, says(page(b"new")), says(page(b"old")))

    def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
        return (
            result
            if answer.body == b"new"
            else replace(result, state=ProbeState.DOWN, reason=Reason.ASSERT_BODY, why="old")
        )

    result = probing(Http(url=url(port, host="dual.test")), judge, reach=Reach.BOTH)
    assert (result.state, result.reason) == (ProbeState.DEGRADED, Reason.ASSERT_BODY)
    assert result.why == "1 of 2 addresses answer; ::1: old"


# Evidence


def test_a_failure_comes_with_evidence_and_without_secrets(net: Net, probing: Probing) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        body = (
            b"Traceback\x1b[31m \xff you sent: "
            + head
            + b'{"password": "hunter2", "user": "ann", "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"}'
        )
        writer.write(
            page(body, status="500 Oops", headers=("Set-Cookie: sid=topsecret", "X-Auth-Token: abcdef", "X-Trace: 17"))
        )

    spec = Http(url=f"http://127.0.0.1:{net.tcp(talk)}/", bearer="b3arer-value", headers=(("X-Api-Key", "my-own-key"),))
    result = probing(spec)
    text = repr(result)
    assert ("x-trace", "17") in result.headers
    assert ("set-cookie", "[hidden]") in result.headers
    assert result.excerpt.startswith("Traceback?[31m ")
    assert '"user": "ann"' in result.excerpt
    for secret in ("topsecret", "abcdef", "b3arer-value", "my-own-key", "hunter2", "c2ln", "\x1b"):
        assert secret not in text


def test_evidence_of_a_healthy_probe_is_kept_if_asked(net: Net, probing: Probing) -> None:
    port = net.tcp(says(page(b"x" * 5000)))
    result = probing(Http(url=url(port)), keep_evidence=True)
    assert result.excerpt == "x" * 600 + "..."
    assert result.headers


def test_probes_share_nothing(net: Net, probing: Probing) -> None:
    port = net.tcp(says(page(headers=("Connection: keep-alive",))))
    for count in range(1, 4):
        assert probing(Http(url=url(port))).state is ProbeState.UP
        assert net.connections[port] == count


def test_a_closed_port_and_a_silent_one(net: Net, probing: Probing) -> None:
    refused = probing(Http(url=url(net.closed_port())))
    assert (refused.reason, refused.phases.connect, refused.phases.first_byte) == (Reason.TCP_REFUSED, None, None)
    silent = probing(Tcp(host="127.0.0.1", port=net.black_hole()), timeout=0.3)
    assert (silent.reason, silent.phases.connect) == (Reason.TCP_TIMEOUT, None)
