"""Expectations against real answers: the final state, the reason, and everything that is not as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from opsbot.evaluate import expect
from opsbot.model.probe import (
    Answer,
    Dns,
    Http,
    ProbeResult,
    ProbeState,
    Reason,
    Redirects,
    Spec,
    Target,
    Tcp,
    Tls,
    Trust,
)
from opsbot.probes.judge import LONGEST_WHY, Line, judging
from opsbot.probing import Probe
from tests.probes import names, pki
from tests.probes.servers import Net, Talk, says

Probing = Callable[..., ProbeResult]
UP, DEGRADED, DOWN = ProbeState.UP, ProbeState.DEGRADED, ProbeState.DOWN

BODY = b'{"status": "degraded", "db": {"ok": false}, "token": "abcdefghijkl", "echo": "hunter2-hunter2"}'


def answer(status: str, *headers: str, body: bytes = BODY) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])
    return head.encode() + body


def greets(words: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()

    return talk


PAGES = {
    "ok": answer("200 OK", "Content-Type: application/json", "X-Session-Token: s3cr3t-value"),
    "broken": answer("503 Service Unavailable"),
    "missing": answer("404 Not Found", body=b"no"),
    "moved": answer("302 Found", "Location: /elsewhere", body=b""),
}


@dataclass
class Judged:
    """A probe with its lines, as the prober would make it."""

    probing: Probing
    lines: list[Line] = field(default_factory=list)

    def __call__(
        self, spec: Spec, expect: tuple[str, ...] = (), degraded: tuple[str, ...] = (), **rest: object
    ) -> ProbeResult:
        probe = Probe(
            name="shop", check="shop", every=60, target=Target(name="shop", spec=spec), expect=expect, degraded=degraded
        )
        return self.probing(spec, judging(probe, self.lines.extend), **rest)


@pytest.fixture
def judged(probing: Probing) -> Judged:
    return Judged(probing)


@pytest.fixture(scope="module")
def ports(net: Net) -> dict[str, int]:
    return {name: net.tcp(says(page)) for name, page in PAGES.items()}


CASES = [
    ("ok", (), (), UP, None, ""),
    ("ok", ("status == 200",), (), UP, None, ""),
    ("ok", ("status in [200, 204]", "json.db.ok == false", "header.content-type contains 'json'", "size < 1KB"), (), UP, None, ""),
    ("ok", ("json.status == 'ok'",), (), DOWN, Reason.ASSERT_JSON, "json.status == 'ok' ('degraded')"),
    ("ok", (), ("json.status == 'ok'",), DEGRADED, Reason.ASSERT_JSON, "json.status == 'ok' ('degraded')"),
    ("ok", ("status == 201", "json.db.ok == true", "body not contains 'db'"), ("size < 10b",), DOWN, Reason.ASSERT_STATUS,
     "status == 201 (200); json.db.ok == true (false); body not contains 'db' (95 characters); size < 10b (95 bytes)"),
    ("ok", ("latency < 1h",), ("latency.transfer < 1h", "latency.dns < 1h"), DEGRADED, Reason.ASSERT_LATENCY,
     "latency.dns < 1h (this phase was not reached)"),
    ("ok", ("certificate > 14d",), (), DOWN, Reason.ASSERT_CERTIFICATE, "certificate > 14d (no certificate was shown)"),
    ("broken", (), (), DOWN, Reason.HTTP_STATUS, "the server answered 503"),
    ("broken", ("status == 200",), (), DOWN, Reason.ASSERT_STATUS, "status == 200 (503)"),
    ("broken", ("json.status == 'ok'",), (), DOWN, Reason.HTTP_STATUS, "the server answered 503; json.status == 'ok' ('degraded')"),
    ("broken", ("status == 503",), (), UP, None, ""),
    ("broken", ("status == 5xx",), ("status == 200",), DEGRADED, Reason.ASSERT_STATUS, "status == 200 (503)"),
    ("broken", (), ("status == 200",), DOWN, Reason.HTTP_STATUS, "the server answered 503; status == 200 (503)"),
    ("missing", ("status in [404, 410]", "body == 'no'"), (), UP, None, ""),
    ("missing", ("status < 404",), (), DOWN, Reason.ASSERT_STATUS, "status < 404 (404)"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "expect", "degraded", "state", "reason", "why"), CASES)
def test_an_answer_is_judged_by_every_line(
    page: str,
    expect: tuple[str, ...],
    degraded: tuple[str, ...],
    state: ProbeState,
    reason: Reason | None,
    why: str,
    judged: Judged,
    ports: dict[str, int],
) -> None:
    result = judged(Http(url=f"http://127.0.0.1:{ports[page]}/"), expect, degraded)
    assert (result.state, result.reason, result.why) == (state, reason, why)
    assert len(judged.lines) == len(expect) + len(degraded)
    assert [line.degrading for line in judged.lines] == [False] * len(expect) + [True] * len(degraded)
    assert bool(result.excerpt) is (state is not UP)


def test_where_no_answer_came_the_reason_stays_and_no_line_is_judged(judged: Judged, net: Net) -> None:
    result = judged(Http(url=f"http://127.0.0.1:{net.closed_port()}/"), ("status == 200",), ("latency < 1ms",))
    assert (result.state, result.reason) == (DOWN, Reason.TCP_REFUSED)
    assert "status" not in result.why
    assert [line.met for line in judged.lines] == [None, None]
    assert [line.shown for line in judged.lines] == ["status == 200", "latency < 1ms"]


def test_an_unsure_result_is_not_judged(judged: Judged, ports: dict[str, int]) -> None:
    result = judged(
        Http(url=f"https://127.0.0.1:{ports['ok']}/", trust=Trust(ca_file="/no/such.pem")), ("status == 200",)
    )
    assert result.state is ProbeState.UNSURE
    assert judged.lines == []


def test_a_redirect_may_be_the_answer(judged: Judged, ports: dict[str, int]) -> None:
    spec = Http(url=f"http://127.0.0.1:{ports['moved']}/", redirects=Redirects.NONE)
    assert judged(spec, ("status == 302", "header.location == '/elsewhere'")).state is UP
    assert judged(spec, ("status == 200",)).why == "status == 200 (302)"


def test_what_was_found_is_shown_without_its_secrets(judged: Judged, ports: dict[str, int]) -> None:
    spec = Http(url=f"http://127.0.0.1:{ports['ok']}/", user="u", password="hunter2-hunter2")
    result = judged(
        spec, ("json.token == 'x'", "header.x-session-token == 'y'", "json.echo == 'z'", "json.nothing-token exists")
    )
    told = " ".join([result.why, result.excerpt, *(line.shown for line in judged.lines), str(result.headers)])
    for secret in ("abcdefghijkl", "s3cr3t-value", "hunter2"):
        assert secret not in told
    assert "json.token == 'x' ([hidden])" in result.why
    assert "json.nothing-token exists (absent)" in result.why


def test_a_long_list_of_complaints_is_cut(judged: Judged, ports: dict[str, int]) -> None:
    lines = tuple(f"body contains '{'x' * 100}{number}'" for number in range(30))
    result = judged(Http(url=f"http://127.0.0.1:{ports['ok']}/"), lines)
    assert len(result.why) == LONGEST_WHY + 1
    assert result.why.endswith("…")


def test_certificates_are_judged_by_the_first_to_expire(judged: Judged, net: Net, tmp_path: Path) -> None:
    soon = pki.make("localhost", pki.make("short", pki.root(), authority=True, ends=pki.NOW + 9 * pki.DAY))
    port = net.tcp(says(b""), context=pki.serving(soon.chain_file(tmp_path)))
    spec = Tls(host="127.0.0.1", port=port, trust=Trust(ca_file=pki.root().file(tmp_path)))
    assert judged(spec, ("certificate > 8d", "tls >= 1.2")).state is UP
    result = judged(spec, (), ("certificate > 14d",))
    assert (result.state, result.why) == (DEGRADED, "certificate > 14d (9 days left)")


def test_a_name_that_must_not_exist_is_up_when_it_does_not(judged: Judged, net: Net) -> None:
    servers = (names.dns_server(net, lambda message: names.answer(message, {})),)
    spec = Dns(name="gone.test")
    assert judged(spec, ("rcode == 'NXDOMAIN'",), dns_servers=servers).state is UP
    assert judged(spec, ("records not exists",), dns_servers=servers).state is UP
    result = judged(spec, ("records == '10.0.0.1'",), dns_servers=servers)
    assert (result.state, result.why) == (DOWN, "records == '10.0.0.1' (no records)")
    assert judged(spec, dns_servers=servers).reason is Reason.DNS_NXDOMAIN


def test_what_a_peer_says_is_judged_too(judged: Judged, net: Net) -> None:
    port = net.tcp(greets(b"220 mail.test ESMTP\r\n"))
    assert judged(Tcp(host="127.0.0.1", port=port, pattern="^220 "), ("body contains 'ESMTP'",)).state is UP
    result = judged(Tcp(host="127.0.0.1", port=port, pattern="^220 "), ("body contains 'Postfix'",))
    assert (result.state, result.reason) == (DOWN, Reason.ASSERT_BODY)


def test_a_pattern_cannot_hold_the_prober_up(judged: Judged, net: Net) -> None:
    port = net.tcp(greets(b"a" * 4000 + b"b\r\n"))
    result = judged(Tcp(host="127.0.0.1", port=port, pattern="(a+)+$c"), timeout=2.0)
    assert result.reason in (Reason.TCP_EXPECT, Reason.TCP_TIMEOUT)
    assert result.lag < 0.5


def test_a_line_that_cannot_be_read_is_refused_before_anything_is_probed() -> None:
    with pytest.raises(ValueError, match="expected one of status"):
        judging(Probe(name="x", check="x", every=1, expect=("nonsense",)))


@pytest.mark.parametrize("page", PAGES)
def test_what_is_unmet_is_what_is_not_met(page: str, judged: Judged, ports: dict[str, int]) -> None:
    lines = (
        "status == 200",
        "json.status == 'ok'",
        "header.x-none not exists",
        "size > 90b",
        "tls == 1.3",
        "address != ::1",
    )
    seen: list[tuple[ProbeResult, Answer]] = []
    judged.probing(
        Http(url=f"http://127.0.0.1:{ports[page]}/", redirects=Redirects.NONE),
        lambda *both: seen.append(both) or both[0],
    )
    result, answer = seen[0]
    wanted = tuple(map(expect.parse, lines))
    every = expect.check_all(wanted, result, answer, result.at)
    assert expect.unmet(wanted, result, answer, result.at) == tuple(met for met in every if not met.met)
    assert 0 < sum(met.met for met in every) < len(every)
