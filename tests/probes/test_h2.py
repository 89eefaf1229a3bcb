"""HTTP/2 probes: the same answers as over HTTP/1.1, and servers that break every rule there is."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import hpack
import pytest
from click.testing import CliRunner
from h2.connection import H2Connection

from opsbot.cli import cli
from opsbot.model.probe import Answer, Flow, Http, Pairs, ProbeResult, ProbeState, Reason, Redirects, Step, Trust
from opsbot.probes import Engine
from tests.probes import pki
from tests.probes.conftest import target
from tests.probes.second import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HELLO,
    PING,
    PUSH,
    SETTINGS,
    Site,
    block,
    data,
    frame,
    goodbye,
    head,
    request_of,
    rst,
    serving,
    stays,
    writes,
)
from tests.probes.servers import Net, Slowly, Talk, for_ever, head_of, page, reset, says

Probing = Callable[..., ProbeResult]


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(ca_file=pki.root().file(tmp_path))


@pytest.fixture
def at(net: Net, tmp_path: Path) -> Callable[..., str]:
    """A server behind TLS that takes h2; its URL."""

    def serve(talk: Talk, *protocols: str, host: str = "localhost") -> str:
        return f"https://{host}:{net.tcp(talk, context=serving(tmp_path, *protocols))}/"

    return serve


@pytest.fixture
def asking(probing: Probing, trust: Trust) -> Callable[..., tuple[ProbeResult, Answer]]:
    """Probe one URL over HTTP/2: the result, and the answer that a judge sees."""

    def ask(url: str, timeout: float = 3.0, keep_evidence: bool = False, **rest: Any) -> tuple[ProbeResult, Answer]:
        answers = [Answer()]
        spec = Http(url=url, trust=trust, http2=True, **rest)

        def judge(result: ProbeResult, answer: Answer) -> ProbeResult:
            answers.append(answer)
            return result

        return probing(spec, judge, timeout=timeout, keep_evidence=keep_evidence), answers[-1]

    return ask


Asking = Callable[..., tuple[ProbeResult, Answer]]
At = Callable[..., str]

# The same answers


def test_an_answer_is_the_same_over_both(net: Net, at: At, asking: Asking, probing: Probing, trust: Trust) -> None:
    first = at(says(page(headers=("Content-Type: application/json", "Set-Cookie: a=1", "Set-Cookie: b=2"))))
    second = at(
        Site(b'{"status": "ok"}', ("content-type", "application/json"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
    )
    seen: list[Answer] = []
    old = probing(Http(url=first, trust=trust), lambda result, answer: seen.append(answer) or result)
    new, answer = asking(second)
    assert (old.protocol, new.protocol) == ("HTTP/1.1", "h2")
    assert (new.state, new.reason, new.why, new.status, new.body_size) == (ProbeState.UP, None, "", 200, 16)
    assert (answer.body, answer.headers) == (
        seen[0].body,
        tuple(pair for pair in seen[0].headers if pair[0] != "content-length"),
    )
    assert new.secured is not None
    assert old.secured is not None
    assert (new.secured.alpn, new.secured.path, new.secured.verified) == ("h2", old.secured.path, True)
    assert new.kernel_stamps
    phases = new.phases
    assert None not in (phases.dns, phases.connect, phases.tls, phases.first_byte, phases.transfer)
    parts = (phases.dns, phases.connect, phases.tls, phases.first_byte, phases.transfer)
    assert sum(filter(None, parts)) <= new.seconds


@pytest.mark.parametrize("protocols", [("http/1.1",), ()])
def test_a_server_without_it_is_asked_by_the_other(
    net: Net, asking: Asking, tmp_path: Path, protocols: tuple[str, ...]
) -> None:
    context = pki.serving(pki.leaf().chain_file(tmp_path))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await head_of(reader))
        writer.write(page())

    result, _ = asking(f"https://localhost:{net.tcp(talk, context=context)}/")
    assert (result.state, result.protocol) == (ProbeState.UP, "HTTP/1.1")
    assert heads[0].startswith(b"GET / HTTP/1.1\r\n")
    assert b"Connection: close" in heads[0]


def test_a_server_that_gives_it_up_is_seen_at_once(net: Net, asking: Asking, tmp_path: Path) -> None:
    context = serving(tmp_path)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        second = writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        await (Site() if second else says(page()))(reader, writer)

    url = f"https://localhost:{net.tcp(talk, context=context)}/"
    before = [asking(url)[0].protocol for _ in range(2)]
    context.set_alpn_protocols(["http/1.1"])
    result, _ = asking(url)
    assert (*before, result.protocol) == ("h2", "h2", "HTTP/1.1")
    # The chain was not verified anew for it, and counts as verified all the same.
    assert result.secured is not None
    assert (result.secured.verified, result.secured.alpn) == (True, "http/1.1")


def test_what_is_sent(at: At, asking: Asking) -> None:
    site = Site()
    given = (
        ("X-One", " 1\t"), ("Host", "shop.example"), ("Connection", "X-One"), ("Keep-Alive", "timeout=5"), ("TE", "gzip"),
        ("Transfer-Encoding", "chunked"), ("Upgrade", "h2c"), ("Proxy-Connection", "x"), ("X-Latin", "ä"),
    )  # fmt: skip
    asking(at(site) + "a?b=c#d", method="post", headers=given, body=b"hello", user="ann", password="pw")
    headers, body = site.asked[0]
    assert body == b"hello"
    assert dict(headers) == {
        ":method": "POST", ":scheme": "https", ":authority": "shop.example", ":path": "/a?b=c",
        "user-agent": "opsbot-probe", "accept": "*/*", "content-length": "5", "x-one": "1", "x-latin": "ä",
        "authorization": f"Basic {base64.b64encode(b'ann:pw').decode()}",
    }  # fmt: skip
    assert [name for name, _ in headers][:4] == [":method", ":scheme", ":authority", ":path"]


@pytest.mark.parametrize(
    "headers",
    [(("X-Bad", "a\r\nX-Evil: 1"),), (("X-Bad", "a\nb"),), (("X-Bad", "a\0b"),), (("X Bad", "a"),), ((":path", "/x"),)],
)
def test_what_cannot_be_sent_is_no_outage(at: At, asking: Asking, headers: Pairs) -> None:
    site = Site()
    result, _ = asking(at(site), headers=headers)
    assert (result.state, result.reason) == (ProbeState.UNSURE, Reason.SELF_TARGET)
    assert "headers" in result.why
    assert site.asked == []


@pytest.mark.parametrize(
    ("talk", "method", "status", "body"),
    [
        (Site(gzip.compress(b"zipped"), ("content-encoding", "gzip")), "GET", 200, b"zipped"),
        (Site(b"", status=204), "GET", 204, b""),
        (Site(b"", ("content-length", "5"), status=304), "GET", 304, b""),
        (Site(b"x" * 9, ("content-length", "9")), "HEAD", 200, b""),
        (Site(b""), "GET", 200, b""),
        (writes(HELLO, head(status="103") + head(status="100") + head(), data(b"at last")), "GET", 200, b"at last"),
        (writes(HELLO, head(), data(b"hel", end=False), data(b"", end=False) + data(b"lo")), "GET", 200, b"hello"),
        (writes(HELLO, head(), data(b"hi", end=False), frame(HEADERS, 5, 1, hpack.Encoder().encode([("x-sum", "1")]))), "GET", 200, b"hi"),
        (writes(HELLO, frame(HEADERS, 0, 1, block()[:1]) + frame(CONTINUATION, 4, 1, block()[1:]), data(b"two")), "GET", 200, b"two"),
        (writes(HELLO, frame(HEADERS, 0x2D, 1, b"\x02\0\0\0\0\x10" + block() + b"\0\0")), "GET", 200, b""),
        (writes(HELLO + head() + frame(DATA, 9, 1, b"\x05padded" + bytes(5))), "GET", 200, b"padded"),
        (writes(frame(SETTINGS, 0, 0), head(("x-blank", " around ")), frame(77, 0, 0, b"?"), data(b"odd")), "GET", 200, b"odd"),
        (writes(HELLO, goodbye(1, 0), head(), data(b"and thanks")), "GET", 200, b"and thanks"),
        (writes(HELLO, goodbye(2**31 - 1, 0), head(), goodbye(1, 0), data(b"drained")), "GET", 200, b"drained"),
        (writes(HELLO, head(), data(b"done") + rst(0)), "GET", 200, b"done"),
        (writes(HELLO, head(), data(b"done") + rst(8) + goodbye(0, 2) + b"\xff" * 99), "GET", 200, b"done"),
    ],
    ids=[
        "gzip", "no content", "not modified", "head", "empty", "interim answers", "pieces", "trailers", "continued",
        "padded headers", "padded body", "blanks and unknown frames", "goodbye first", "goodbye twice",
        "reset after the end", "nonsense after the end",
    ],
)  # fmt: skip
def test_answers(at: At, asking: Asking, talk: Talk, method: str, status: int, body: bytes) -> None:
    result, answer = asking(at(talk), method=method)
    assert (result.state, result.why, result.status, answer.body) == (ProbeState.UP, "", status, body)
    assert (result.protocol, result.body_size) == ("h2", len(body))


def test_a_status_of_error_is_down_with_evidence_and_without_secrets(at: At, asking: Asking) -> None:
    site = Site(
        b"you sent b3arer-value, password=hunter2", ("x-trace", "17"), ("set-cookie", "sid=topsecret"), status=500
    )
    result, _ = asking(at(site), bearer="b3arer-value")
    assert (result.state, result.reason, result.status) == (ProbeState.DOWN, Reason.HTTP_STATUS, 500)
    assert ("x-trace", "17") in result.headers
    assert ("set-cookie", "[hidden]") in result.headers
    assert result.excerpt == "you sent [hidden], password=[hidden]"


# Bodies: what comes, and what is sent


@pytest.mark.parametrize("limit", [1000, 1 << 20, 5_000_000])
def test_bodies_flow_to_the_limit(at: At, asking: Asking, limit: int) -> None:
    site = Site(b"x" * 4_000_000)
    result, answer = asking(at(site), timeout=20, body_limit=limit)
    size = min(limit, 4_000_000)
    assert (result.state, result.body_size, len(answer.body)) == (ProbeState.UP, size, size)
    assert result.truncated is (limit < 4_000_000)


def test_a_bomb_is_cut(at: At, asking: Asking) -> None:
    url = at(Site(gzip.compress(bytes(64 << 20), 9), ("content-encoding", "gzip")))
    result, answer = asking(url)
    assert (result.state, result.truncated, len(answer.body)) == (ProbeState.UP, True, 1 << 20)
    strict, _ = asking(url, strict_limit=True, body_limit=1000)
    assert (strict.reason, strict.body_size) == (Reason.HTTP_TOO_LARGE, 1000)
    assert strict.excerpt


def test_an_answer_in_crumbs_lets_others_have_their_turn(at: At, engine: Engine, trust: Trust) -> None:
    url = at(writes(HELLO + head() + b"".join(data(b"x", end=False) for _ in range(15_000)) + data(b"!")))
    results: list[ProbeResult] = []
    engine.submit(target(Http(url=url, trust=trust, http2=True), timeout=20), results.append)
    turns = 0
    while not results:
        engine.turn()
        turns += 1
    assert (results[0].state, results[0].body_size) == (ProbeState.UP, 15_001)
    assert turns > 15_000 / 256


def test_a_large_request_waits_for_the_servers_windows(at: At, asking: Asking) -> None:
    site = Site()
    body = bytes(range(256)) * 2000
    result, _ = asking(at(site), timeout=20, method="POST", body=body)
    assert result.state is ProbeState.UP, result.why
    assert site.asked[0][1] == body


NO_WINDOW = frame(SETTINGS, 0, 0, b"\0\4" + bytes(4))


async def reads_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(NO_WINDOW + head(status="200"))
    await writer.drain()
    writer.write(data(b"enough"))
    await for_ever(reader, writer)


def test_an_answer_before_the_request_has_ended_counts(at: At, asking: Asking) -> None:
    result, answer = asking(at(reads_on), method="POST", body=b"x" * 100_000)
    assert (result.state, answer.body) == (ProbeState.UP, b"enough")


# What goes wrong


def bomb() -> bytes:
    """A header of 4,000 bytes in the table, and 200 bytes that say it again 200 times."""
    packer = hpack.Encoder()
    return bytes(packer.encode([(":status", "200"), ("x-a", "a" * 4000)], huffman=False)) + b"\xbe" * 200


def endless(pattern: bytes, *first: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"".join(first))
        for _ in range(5_000):
            if writer.is_closing():
                return
            writer.write(pattern * 100)
            await writer.drain()

    return talk


async def dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(HELLO + head() + data(b"half", end=False))
    await writer.drain()
    await asyncio.sleep(0.02)
    reset(writer)


RULES = "the server breaks the rules of HTTP/2: "
BAD: dict[str, tuple[Talk, Reason, str]] = {
    "nothing": (writes(), Reason.HTTP_CLOSED, "the server hung up without an answer"),
    "settings and no more": (writes(HELLO), Reason.HTTP_CLOSED, "the server hung up without an answer"),
    "half of its settings": (writes(frame(SETTINGS, 0, 0)[:5]), Reason.HTTP_PROTOCOL, "instead of its settings"),
    "half a frame": (writes(HELLO, head(("x-a", "1"))[:12]), Reason.HTTP_CLOSED, "without an answer"),
    "half a body": (writes(HELLO, head(), data(b"12345", end=False)), Reason.HTTP_CLOSED, "after 5 bytes, before the body's end"),
    "TCP reset": (dropped, Reason.HTTP_RESET, "reset the connection reading the body"),
    "refused": (writes(HELLO, rst(7), then=stays), Reason.HTTP_RESET, "reset the request (REFUSED_STREAM) waiting for the first byte"),
    "reset in the body": (writes(HELLO, head(), data(b"1", end=False), rst(2), then=stays), Reason.HTTP_RESET, "(INTERNAL_ERROR) reading the body"),
    "reset without an error": (writes(HELLO, head(), rst(0), then=stays), Reason.HTTP_RESET, "(NO_ERROR) reading the body"),
    "unheard-of error": (writes(HELLO, rst(0xBEEF), then=stays), Reason.HTTP_RESET, "(error 0xbeef)"),
    "wants HTTP/1.1": (writes(HELLO, rst(0xD), then=stays), Reason.HTTP_PROTOCOL, "asked for HTTP/1.1 instead"),
    "goodbye that wants HTTP/1.1": (writes(HELLO, goodbye(0, 0xD), then=stays), Reason.HTTP_PROTOCOL, "asked for HTTP/1.1 instead"),
    "goodbye": (writes(HELLO, goodbye(0, 11, b"too \x1b[31mmany b3arer-value"), then=stays), Reason.HTTP_CLOSED, "said goodbye without taking the request (GOAWAY: ENHANCE_YOUR_CALM, 'too ?[31mmany [hidden]')"),
    "goodbye in the body": (writes(HELLO, head(), data(b"12", end=False), goodbye(1, 2)), Reason.HTTP_CLOSED, "after 2 bytes, before the body's end after its goodbye (GOAWAY: INTERNAL_ERROR)"),
    "goodbye cut short": (writes(HELLO, frame(GOAWAY, 0, 0, b"\0\0")), Reason.HTTP_PROTOCOL, RULES + "a goodbye (GOAWAY) of less"),
    "pushed": (writes(HELLO, frame(PUSH, 4, 1, b"\0\0\0\2" + block()), then=stays), Reason.HTTP_PROTOCOL, RULES + "received pushed stream"),
    "HTTP/1.1": (writes(page(b"nope", status="400 Bad Request", headers=("X-Why: preface",))), Reason.HTTP_PROTOCOL, "agreed on HTTP/2 in the TLS handshake, and then said 'HTTP/1.1 400 Bad Request'"),
    "nonsense": (writes(b"SSH-2.0-OpenSSH_9.2\r\n", then=stays), Reason.HTTP_PROTOCOL, RULES + "'SSH-2.0-OpenSSH_9.2' instead of its settings"),
    "binary nonsense": (writes(bytes(range(256))), Reason.HTTP_PROTOCOL, "instead of its settings"),
    "answer before settings": (writes(head(), data(b"x")), Reason.HTTP_PROTOCOL, "instead of its settings"),
    "settings of another stream": (writes(frame(SETTINGS, 0, 3)), Reason.HTTP_PROTOCOL, "instead of its settings"),
    "settings that cannot be": (writes(frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff")), Reason.HTTP_PROTOCOL, RULES),
    "a frame too large": (writes(HELLO + head() + frame(DATA, 1, 1, bytes(20_000))), Reason.HTTP_PROTOCOL, "a frame of 20000 bytes, where 16384 were allowed"),
    "a frame of 16 MB, announced": (writes(HELLO + b"\xff\xff\xff\0\0\0\0\0\1", then=stays), Reason.HTTP_PROTOCOL, "a frame of 16777215 bytes"),
    "body without headers": (writes(HELLO, data(b"x")), Reason.HTTP_PROTOCOL, RULES),
    "answer on another stream": (writes(HELLO, frame(HEADERS, 5, 3, block())), Reason.HTTP_PROTOCOL, RULES),
    "headers that cannot be unpacked": (writes(HELLO, frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff")), Reason.HTTP_PROTOCOL, RULES),
    "headers cut short": (writes(HELLO, frame(HEADERS, 5, 1, b"\x40\x05abc")), Reason.HTTP_PROTOCOL, RULES),
    "continued by something else": (writes(HELLO, frame(HEADERS, 0, 1, block()) + frame(PING, 0, 0, bytes(8))), Reason.HTTP_PROTOCOL, RULES),
    "continuation of nothing": (writes(HELLO, frame(CONTINUATION, 4, 1, block())), Reason.HTTP_PROTOCOL, RULES),
    "no status": (writes(HELLO, frame(HEADERS, 5, 1, hpack.Encoder().encode([("x", "y")]))), Reason.HTTP_PROTOCOL, RULES + "an answer without a status"),
    "two statuses": (writes(HELLO, head((":status", "200"))), Reason.HTTP_PROTOCOL, RULES + "the status '200'"),
    "a status that is none": (writes(HELLO, head(status="2xx")), Reason.HTTP_PROTOCOL, RULES + "the status '2xx'"),
    "a status too large": (writes(HELLO, head(status="999")), Reason.HTTP_PROTOCOL, RULES + "the status '999'"),
    "a header of the request": (writes(HELLO, head((":path", "/"))), Reason.HTTP_PROTOCOL, RULES + "the header ':path'"),
    "a header about the connection": (writes(HELLO, head(("connection", "close"))), Reason.HTTP_PROTOCOL, RULES + "the header 'connection'"),
    "a header in capitals": (writes(HELLO, head(("X-Caps", "1"))), Reason.HTTP_PROTOCOL, RULES + "the header 'X-Caps'"),
    "a header that is two": (writes(HELLO, head(("x-a", "1\r\nset-cookie: evil=1"))), Reason.HTTP_PROTOCOL, RULES + "a line's end in the header 'x-a'"),
    "a name that is two": (writes(HELLO, head(("x-a\r\nx-b", "1"))), Reason.HTTP_PROTOCOL, RULES + "the header 'x-a??x-b'"),
    "shorter than it says": (writes(HELLO, head(("content-length", "9")), data(b"12345")), Reason.HTTP_PROTOCOL, RULES),
    "nothing of what it says": (writes(HELLO, head(("content-length", "9"), end=True)), Reason.HTTP_PROTOCOL, RULES),
    "longer than it says": (writes(HELLO, head(("content-length", "2")), data(b"12345")), Reason.HTTP_PROTOCOL, RULES),
    "a length that is none": (writes(HELLO, head(("content-length", "many"))), Reason.HTTP_PROTOCOL, RULES),
    "last interim answer": (writes(HELLO, head(status="103", end=True)), Reason.HTTP_PROTOCOL, RULES + "an interim answer that is to be the last"),
    "padding beyond the frame": (writes(HELLO, head(), frame(DATA, 9, 1, b"\xffabc")), Reason.HTTP_PROTOCOL, RULES),
    "no gzip": (writes(HELLO, head(("content-encoding", "gzip")), data(b"not gzip")), Reason.HTTP_PROTOCOL, "cannot be decompressed"),
    "a header bomb": (writes(HELLO, frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb())), Reason.HTTP_TOO_LARGE, "the headers of the answer are longer than 65536 bytes"),
    "headers of 100 KB": (writes(HELLO, frame(HEADERS, 0, 1, block()) + frame(CONTINUATION, 0, 1, b"\x40\x01a\x7f" + bytes(16_000)) + frame(CONTINUATION, 0, 1, bytes(16_000)) * 5), Reason.HTTP_TOO_LARGE, "the headers of the answer are longer"),
    "empty continuations": (endless(frame(CONTINUATION, 0, 1), HELLO, frame(HEADERS, 0, 1, block())), Reason.HTTP_PROTOCOL, RULES),
    "large continuations": (endless(frame(CONTINUATION, 0, 1, bytes(2000)), HELLO, frame(HEADERS, 0, 1, block())), Reason.HTTP_TOO_LARGE, "longer than 65536 bytes"),
    "pings for ever": (endless(frame(PING, 0, 0, b"12345678"), HELLO), Reason.HTTP_PROTOCOL, RULES + "more than 1,000 frames that hold nothing"),
    "answers to pings for ever": (endless(frame(PING, ACK, 0, b"12345678"), HELLO), Reason.HTTP_PROTOCOL, "more than 1,000 frames"),
    "settings for ever": (endless(frame(SETTINGS, 0, 0), HELLO), Reason.HTTP_PROTOCOL, "more than 1,000 frames"),
    "unknown frames for ever": (endless(frame(99, 0, 0, bytes(300)), HELLO), Reason.HTTP_PROTOCOL, "more than 1,000 frames"),
    "goodbyes for ever": (endless(goodbye(1, 0), HELLO), Reason.HTTP_PROTOCOL, "more than 1,000 frames"),
    "interim answers for ever": (endless(head(status="103"), HELLO), Reason.HTTP_PROTOCOL, "more than 1,000 frames"),
    "empty body frames for ever": (endless(data(b"", end=False), HELLO, head()), Reason.HTTP_PROTOCOL, "an answer in more than 20,000 frames"),
    "windows for ever": (endless(frame(8, 0, 0, b"\0\0\0\1"), HELLO), Reason.HTTP_PROTOCOL, "more than 1,000 frames"),
    "a window too large": (writes(HELLO, frame(8, 0, 1, b"\x7f\xff\xff\xff"), then=stays), Reason.HTTP_RESET, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_goes_wrong_has_a_reason(at: At, asking: Asking, case: str) -> None:
    talk, reason, words = BAD[case]
    result, _ = asking(at(talk), timeout=20, bearer="b3arer-value")
    assert (result.state, result.reason) == (ProbeState.DOWN, reason), result.why
    assert words in result.why
    assert "b3arer-value" not in repr(result)
    assert len(result.why) < 300
    assert result.secured is not None
    assert result.secured.verified
    assert result.seconds < 15


def test_what_came_before_the_failure_is_kept(at: At, asking: Asking) -> None:
    cut, _ = asking(at(BAD["half a body"][0]))
    assert (cut.status, cut.protocol, cut.body_size, cut.excerpt, cut.phases.transfer) == (200, "h2", 5, "12345", None)
    assert cut.phases.first_byte is not None
    old, _ = asking(at(BAD["HTTP/1.1"][0]))
    assert (old.status, old.protocol, old.excerpt) == (400, "HTTP/1.1", "nope")
    assert ("x-why", "preface") in old.headers
    foreign, _ = asking(at(BAD["nonsense"][0]))
    assert (foreign.status, foreign.excerpt) == (None, "SSH-2.0-OpenSSH_9.2  ")
    assert foreign.phases.tls is not None


def test_the_server_is_told_what_was_wrong(at: At, asking: Asking) -> None:
    told: Queue[bytes] = Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(HELLO + data(b"x"))
        told.put(await reader.read())

    asking(at(talk))
    words, kinds = told.get(timeout=20), []
    while words:
        kinds.append(words[3])
        words = words[9 + int.from_bytes(words[:3], "big") :]
    assert kinds[-1] == GOAWAY


# The deadline


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(HELLO + head())
    while not writer.is_closing():
        writer.write(data(b"x", end=False))
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(HELLO)
    while not writer.is_closing():
        writer.write(frame(PING, 0, 0, b"12345678"))
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("talk", "body", "words"),
    [
        (for_ever, b"", "waiting for the first byte"),
        (writes(HELLO, then=stays), b"", "waiting for the first byte"),
        (drip_pings, b"", "waiting for the first byte"),
        (writes(HELLO, head(status="103"), then=stays), b"", "reading the headers"),
        (writes(HELLO, head(), then=stays), b"", "reading the body"),
        (drip, b"", "reading the body"),
        (writes(NO_WINDOW, then=stays), b"x" * 100_000, "waiting for the server to take the request's body"),
    ],
    ids=["silence", "settings", "pings", "interim", "headers", "body", "no window"],
)
def test_the_deadline_is_for_the_whole_probe(at: At, asking: Asking, talk: Talk, body: bytes, words: str) -> None:
    result, _ = asking(at(talk), timeout=0.3, method="POST" if body else "GET", body=body)
    assert (result.state, result.reason) == (ProbeState.DOWN, Reason.HTTP_TIMEOUT), result.why
    assert words in result.why
    assert result.seconds >= 0.3
    assert result.phases.transfer is None


class SlowSite(Slowly):
    """The server's settings at once, the headers `wait` seconds later, the body's end `gap` seconds after those."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._done.clear()
        writer.write(frame(SETTINGS, 0, 0))
        await request_of(reader)
        self._asked, self._said = time.monotonic(), []
        writer.write(frame(SETTINGS, ACK, 0))
        await self._say(writer, self._wait, head() + data(b"first", end=False))
        await self._say(writer, self._gap, data(b"last"))
        self._done.set()
        await for_ever(reader, writer)


@pytest.mark.parametrize(("wait", "gap"), [(0.2, 0.0), (0.1, 0.15)], ids=["slow first byte", "slow end"])
def test_phases_say_where_the_time_went(at: At, asking: Asking, wait: float, gap: float) -> None:
    server, began = SlowSite(wait, gap), time.monotonic()
    result, _ = asking(at(server))
    assert server.was_first_byte(result.phases.first_byte, began)
    assert server.was_transfer(result.phases.transfer)
    assert result.kernel_stamps


# Redirects, flows, proxies


def test_redirects_lead_from_one_to_the_other(net: Net, at: At, asking: Asking, tmp_path: Path) -> None:
    last = Site(b"here")
    landing = at(last)
    heads: list[bytes] = []

    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await head_of(reader))
        writer.write(page(b"", status="302 Found", headers=(f"Location: {landing}end",)))

    middle = f"http://localhost:{net.tcp(old)}/"
    first = Site(b"moved", ("location", middle), status=302)
    result, answer = asking(at(first), bearer="t0ken", headers=(("Cookie", "sid=1"),))
    assert [hop.status for hop in result.hops] == [302, 302, 200]
    assert (result.protocol, answer.body) == ("h2", b"here")
    assert ("authorization", "Bearer t0ken") in first.asked[0][0]
    assert b"t0ken" not in heads[0]
    assert {"authorization", "cookie"}.isdisjoint(name for name, _ in last.asked[0][0])
    stopped, _ = asking(at(first), redirects=Redirects.NONE)
    assert (stopped.state, stopped.status) == (ProbeState.UP, 302)


def test_a_flow_carries_what_it_was_told(at: At, probing: Probing, trust: Trust) -> None:
    login, cart = (
        Site(b'{"token": "s3cret-token"}', ("set-cookie", "sid=c00kie-value; Path=/")),
        Site(b'{"items": [1]}'),
    )
    steps = (
        Step(
            name="login",
            http=Http(url=at(login), trust=trust, http2=True, method="POST", body=b"{}"),
            expect=("status == 200", "protocol == 'h2'"),
            extract=(("token", "json.token"), ("sid", "cookie.sid")),
        ),
        Step(
            name="cart",
            http=Http(url=at(cart) + "?s={sid}", trust=trust, http2=True, bearer="{token}"),
            expect=("json.items.length == 1",),
        ),
    )
    result = probing(Flow(steps=steps))
    assert (result.state, result.why) == (ProbeState.UP, "")
    asked = dict(cart.asked[0][0])
    assert (asked["authorization"], asked[":path"]) == ("Bearer s3cret-token", "/?s=c00kie-value")
    assert "s3cret-token" not in repr(result)


def test_through_a_proxy(net: Net, at: At, asking: Asking) -> None:
    site = Site()
    heads: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await head_of(reader))
        port = int(heads[-1].split(b" ")[1].split(b":")[1])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while chunk := await source.read(65536):
                sink.write(chunk)
            sink.close()

        await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer), return_exceptions=True)

    result, _ = asking(at(site), proxy=f"http://ann:pw@127.0.0.1:{net.tcp(tunnel)}")
    assert (result.state, result.protocol) == (ProbeState.UP, "h2"), result.why
    assert result.phases.proxy is not None
    assert b"Proxy-Authorization" in heads[0]
    assert "proxy-authorization" not in dict(site.asked[0][0])


def test_probes_share_nothing(net: Net, at: At, asking: Asking) -> None:
    url = at(Site())
    port = int(url.split(":")[2].strip("/"))
    for count in range(1, 4):
        assert asking(url)[0].state is ProbeState.UP
        assert net.connections[port] == count


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_over_each_version_of_tls(net: Net, asking: Asking, tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = pki.serving(pki.leaf().chain_file(tmp_path), versions=(version, version))
    context.set_alpn_protocols(["h2"])
    result, _ = asking(f"https://localhost:{net.tcp(Site(), context=context)}/")
    assert (result.state, result.protocol) == (ProbeState.UP, "h2"), result.why


async def early(
    folder: Path, protocol: str, words: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """TLS 1.2 by hand: what is said goes out with the server's last handshake bytes."""
    context = pki.serving(pki.leaf().chain_file(folder), versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))
    context.set_alpn_protocols([protocol])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
            incoming.write(await reader.read(65536))
    tls.write(words)
    writer.write(outgoing.read())
    await for_ever(reader, writer)


@pytest.mark.parametrize(
    ("protocol", "words", "spoken"), [("http/1.1", page(), "HTTP/1.1"), ("h2", HELLO + head() + data(b"x"), "h2")]
)
def test_an_answer_before_the_question_takes_no_time_at_all(
    net: Net, asking: Asking, tmp_path: Path, protocol: str, words: bytes, spoken: str
) -> None:
    result, _ = asking(f"https://localhost:{net.tcp(partial(early, tmp_path, protocol, words))}/")
    assert (result.state, result.protocol, result.phases.first_byte) == (ProbeState.UP, spoken, 0.0), result.why
    assert 0 < (result.phases.tls or 0) <= result.seconds


# Who pays for it, and who may ask for it


def test_only_who_asks_for_it_carries_the_library() -> None:
    code = (
        "import sys\nfrom opsbot.probes import Engine, http\nfrom opsbot.model.probe import Http\n"
        "http.prepared(Http(url='https://a.test/'))\nprint('h2' in sys.modules)\n"
        "http.prepared(Http(url='http://a.test/', http2=True))\n"
        "http.prepared(Http(url='https://a.test/', http2=True))\nprint('h2' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True"]


def test_loading_the_library_takes_no_targets_time() -> None:
    code = (
        "from datetime import UTC, datetime\nfrom opsbot.model.probe import Http, Target\n"
        "from opsbot.probes import http\nfrom opsbot.probes.trace import Pulse, Trace\n"
        "spec = Http(url='https://a.test/', http2=True)\n"
        "trace = Trace(Target(name='x', spec=spec, timeout=5.0), Pulse(), datetime.now(UTC))\nbefore = trace.started\n"
        "for _ in range(2):\n"
        "    http.load(trace)\n"
        "    assert abs(trace.until - trace.started - 5.0) < 1e-6\n"
        "    print(round(trace.started - before - trace.queued, 6), trace.queued)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert (told[0], told[2]) == ("0.0", "0.0")
    assert float(told[1]) == float(told[3]) > 0


def test_nothing_is_left_for_the_garbage_collector(at: At, asking: Asking) -> None:
    url = at(Site())
    gc.disable()
    try:
        assert asking(url)[0].protocol == "h2"
        held = [one for one in gc.get_objects() if isinstance(one, H2Connection) and vars(one)]
        assert [one for one in held if one.config.client_side] == []
    finally:
        gc.enable()


def test_a_plain_request_is_no_larger() -> None:
    from opsbot.probes import http

    assert http.first_request(Http(url="https://a.test/")).fields == ()
    assert http.first_request(Http(url="http://a.test/", http2=True)).fields == ()


TABLE = {"name": "x", "url": "https://a.test/"}


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"http2": True, "expect": ["protocol == 'h2'"]}, []),
        ({"http2": True, "expect": ["protocol in ['h2', 'h3']"], "degraded": ["protocol != 'http/1.1'"]}, []),
        ({"http2": True, "expect": ["protocol == 'HTTP/1.1'"]}, []),
        ({"expect": ["protocol == 'http/1.1'"], "degraded": ["protocol != 'h2'"]}, []),
        (
            {"expect": ["protocol == 'h2'"]},
            [(("expect", 0), "is never met: the protocol of this probe is HTTP/1.1 or HTTP/1.0; with http2 = true also h2")],
        ),
        (
            {"http2": True, "expect": ["protocol == 'HTTP/2'"]},
            [(("expect", 0), "is never met: the protocol of this probe is HTTP/1.1 or HTTP/1.0 or h2")],
        ),
        (
            {"degraded": ["protocol in ['h3', 'HTTP/3']"]},
            [(("degraded", 0), "is never met: the protocol of this probe is HTTP/1.1 or HTTP/1.0")],
        ),
        (
            {"url": "wss://a.test/", "expect": ["protocol == 'h2'"]},
            [(("expect", 0), "is never met: the protocol of this probe is websocket")],
        ),
        (
            {"url": "http://a.test/x", "http2": True},
            [(("url",), "http://a.test/x: HTTP/2 is agreed on in the TLS handshake; expected https://, or no http2 = true")],
        ),
        (
            {"url": "tcp://a.test:1", "http2": True},
            [(("http2",), "is a key of http, flow probes; this is a tcp probe")],
        ),
        (
            {"url": None, "http2": True, "steps": [{"name": "a", "url": "http://a.test/"}]},
            [(("steps", 0, "url"), "http://a.test/: HTTP/2 is agreed on in the TLS handshake; expected https://, or no http2 = true")],
        ),
        (
            {"url": None, "steps": [{"name": "a", "url": "https://a.test/", "expect": ["protocol == 'h2'"]}]},
            [(("steps", 0, "expect", 0), "is never met: the protocol of this probe is HTTP/1.1 or HTTP/1.0; with http2 = true also h2")],
        ),
        ({"url": None, "http2": True, "steps": [{"name": "a", "url": "https://a.test/", "expect": ["protocol == 'h2'"]}]}, []),
    ],
)  # fmt: skip
def test_where_it_may_stand(table: dict[str, object], found: list[tuple[tuple[object, ...], str]]) -> None:
    from opsbot.probes.plan import plan

    raw = {key: value for key, value in (TABLE | table).items() if value is not None}
    probes, problems = plan([(0, raw)], (), "UTC")
    assert [(path[2:], what) for path, what in problems] == found
    assert bool(probes) is not bool(found)


def test_at_the_command_line(at: At, trust: Trust) -> None:
    url = at(Site())
    words = ["probe", url, "--http2", "--allow-private", "--ca-file", trust.ca_file, "--expect", "protocol == 'h2'"]
    told = CliRunner().invoke(cli, [*words, "--format", "json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["probes"][0]["protocol"] == "h2"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["http://a.test/", "--http2"], "http://a.test/: HTTP/2 is agreed on in the TLS handshake; expected https://, or no --http2"),
        (["tcp://a.test:1", "--http2"], "tcp://a.test:1: HTTP/2 is asked of https:// alone"),
        (["api", "--http2"], "for a configured probe write http2 = true in config.toml"),
        (["https://a.test/", "--expect", "protocol == 'h2'"], "HTTP/1.1 or HTTP/1.0; with --http2 also h2"),
    ],
)  # fmt: skip
def test_what_the_command_line_refuses(words: list[str], told: str) -> None:
    ended = CliRunner().invoke(cli, ["probe", *words])
    assert ended.exit_code == 2
    assert told in ended.stderr


def test_the_key_reaches_the_probe() -> None:
    from opsbot.probes.plan import plan

    probes, _ = plan([(0, TABLE | {"http2": True})], (), "UTC")
    assert probes[0].target is not None
    assert isinstance(probes[0].target.spec, Http)
    assert probes[0].target.spec.http2
    assert not replace(probes[0].target.spec, http2=False).http2
