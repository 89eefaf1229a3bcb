"""Flows against a real shop: a login, what is behind it, and nothing of the token in anything that is kept."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.model.probe import Flow, Http, ProbeResult, ProbeState, Reason, Step, Target, Trust
from opsbot.probes import flow
from opsbot.probes.judge import judging
from opsbot.probing import Probe
from opsbot.probing import resolved as probing_resolved
from tests.probes import pki
from tests.probes.servers import Net, head_of, says

Probing = Callable[..., ProbeResult]
TOKEN = 'tok/en+with "quotes" & more'
HIDDEN_FORMS = (TOKEN, "tok%2Fen", "tok/en")


@dataclass
class Shop:
    """Says a token to whoever logs in, and everything it was told to whoever brings it back."""

    port: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    token: str = TOKEN

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await head_of(reader)).decode("latin-1")
        size = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        body = (await reader.readexactly(size)).decode("utf-8")
        self.seen.append((head, body))
        status, extra, told = self._answer(head, body)
        said = json.dumps(told).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(said)}\r\n{extra}\r\n".encode("latin-1") + said)
        await writer.drain()

    def _answer(self, head: str, body: str) -> tuple[str, str, dict[str, object]]:
        path = head.split(" ")[1]
        if path == "/login":
            return (
                "200 OK",
                "Set-Cookie: sid=c00kie-jar; Path=/\r\nX-Trace: trace-0001\r\n",
                {"data": [{"token": self.token}], "n": 7},
            )
        if path.startswith("/moved"):
            return "302 Found", f"Location: /cart?t={path.partition('=')[2]}\r\n", {}
        if path == "/slow":
            return "200 OK", "", {"slow": True}
        echo = {"path": path, "head": head, "body": body, "plain": self.token}
        return ("200 OK" if "auth" in head.lower() or "?" in path else "401 Unauthorized"), "", echo


@pytest.fixture(scope="module")
def shop(net: Net) -> Shop:
    shop = Shop()
    shop.port = net.tcp(shop.talk)
    return shop


@pytest.fixture(autouse=True)
def forget(shop: Shop) -> None:
    shop.seen.clear()


def step(shop: Shop, path: str, name: str = "", expect: tuple[str, ...] = (), **http: object) -> Step:
    extract = http.pop("extract", ())
    spec = Http(url=f"http://127.0.0.1:{shop.port}{path}", **http)  # type: ignore[arg-type]
    return Step(name=name or path.strip("/"), http=spec, expect=expect, extract=extract)  # type: ignore[arg-type]


def login(shop: Shop, *extract: tuple[str, str]) -> Step:
    return step(shop, "/login", method="POST", body=b"{}", extract=extract or (("token", "json.data[0].token"),))


def everything(result: ProbeResult) -> str:
    return repr(result)


def test_a_token_is_carried_into_url_header_and_body(shop: Shop, probing: Probing) -> None:
    bring = step(
        shop, "/cart?t={token}", method="POST", headers=(("X-Auth", "{trace}"), ("Content-Type", "application/json")),
        body=b'{"t": "{token}", "other": {"a": 1}}', expect=("status == 200", "latency < 5s"),
    )  # fmt: skip
    made = login(shop, ("token", "json.data[0].token"), ("trace", "header.X-Trace"), ("n", "json.n"))
    result = probing(Flow(steps=(made, bring)), keep_evidence=True)
    assert result.state is ProbeState.UP
    head, body = shop.seen[1]
    assert head.startswith("POST /cart?t=tok%2Fen%2Bwith%20%22quotes%22%20%26%20more HTTP/1.1")
    assert "X-Auth: trace-0001" in head
    assert json.loads(body) == {"t": TOKEN, "other": {"a": 1}}
    assert [hop.step for hop in result.hops] == ["login", "cart?t={token}"]
    assert [hop.url.partition("?")[2] for hop in result.hops] == ["", "t={token}"]
    assert result.phases.connect is not None
    assert result.hops[0].phases.connect is not None
    for form in (*HIDDEN_FORMS, "trace-0001"):
        assert form not in everything(result)
    assert "[hidden]" in result.excerpt


def test_a_cookie_and_a_bearer_are_carried(shop: Shop, probing: Probing) -> None:
    bring = step(shop, "/me", bearer="{token}", headers=(("Cookie", "sid={sid}"),))
    made = login(shop, ("token", "header.x-trace"), ("sid", "cookie.sid"))
    assert probing(Flow(steps=(made, bring))).state is ProbeState.UP
    assert "Authorization: Bearer trace-0001\r\n" in shop.seen[1][0]
    assert "Cookie: sid=c00kie-jar\r\n" in shop.seen[1][0]


FAILURES = [
    ((("/login",), ("/me",)), Reason.HTTP_STATUS, 'step 2 of 2, "me": the server answered 401'),
    ((("/login", ("json.n == 8", "json.m exists")), ("/me",)), Reason.ASSERT_JSON, 'step 1 of 2, "login": json.n == 8 (7); json.m exists (absent)'),
    ((("/login",), ("/me", ("status == 200",))), Reason.ASSERT_STATUS, 'step 2 of 2, "me": status == 200 (401)'),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "reason", "why"), FAILURES)
def test_the_step_that_failed_is_named_and_those_after_it_are_not_made(
    steps: tuple[tuple[str, tuple[str, ...]], ...], reason: Reason, why: str, shop: Shop, probing: Probing
) -> None:
    made = tuple(step(shop, path, expect=tuple(expect[0]) if expect else ()) for path, *expect in steps)
    result = probing(Flow(steps=(*made, step(shop, "/never?x=1"))))
    assert (result.state, result.reason) == (ProbeState.DOWN, reason)
    assert result.why == why.replace("of 2", "of 3")
    assert all("/never" not in head for head, _ in shop.seen)


def test_a_refusal_that_is_expected_lets_the_flow_go_on(shop: Shop, probing: Probing) -> None:
    result = probing(Flow(steps=(step(shop, "/me", expect=("status == 401",)), step(shop, "/cart?x=1"))))
    assert result.state is ProbeState.UP


@pytest.mark.parametrize("place", ["json.data[5].token", "header.x-none", "cookie.none", "json.data.token"])
def test_what_cannot_be_extracted_fails_its_own_step(place: str, shop: Shop, probing: Probing) -> None:
    result = probing(Flow(steps=(login(shop, ("token", place)), step(shop, "/cart?t={token}"))))
    assert result.reason is Reason.ASSERT_EXTRACT
    assert result.why == f'step 1 of 2, "login": {place} cannot be extracted: absent'
    assert len(shop.seen) == 1


def test_the_token_stands_in_no_reason_either(shop: Shop, probing: Probing) -> None:
    lines = ("json.plain == 'x'", "json.path == 'y'", "body contains 'nothing'")
    result = probing(Flow(steps=(login(shop), step(shop, "/cart?t={token}", expect=lines))))
    assert result.reason is Reason.ASSERT_JSON
    assert "json.plain == 'x'" in result.why
    for form in HIDDEN_FORMS:
        assert form not in everything(result)


def test_the_probes_own_lines_are_about_the_last_answer_and_hide_it_too(shop: Shop, probing: Probing) -> None:
    spec = Flow(steps=(login(shop), step(shop, "/cart?t={token}")))
    probe = Probe(
        name="buy",
        check="buy",
        every=60,
        target=Target(name="buy", spec=spec),
        expect=("json.plain == 'x'", "status == 200"),
    )
    result = probing(spec, judging(probe))
    assert (result.state, result.reason) == (ProbeState.DOWN, Reason.ASSERT_JSON)
    for form in HIDDEN_FORMS:
        assert form not in everything(result)


def test_a_line_on_the_status_does_not_excuse_a_step_that_failed(shop: Shop, probing: Probing) -> None:
    spec = Flow(steps=(step(shop, "/me"), step(shop, "/cart?x=1")))
    probe = Probe(name="buy", check="buy", every=60, target=Target(name="buy", spec=spec), expect=("status < 500",))
    assert probing(spec, judging(probe)).reason is Reason.HTTP_STATUS


def test_a_redirect_inside_a_step_is_followed_and_hides_the_token(shop: Shop, probing: Probing) -> None:
    result = probing(Flow(steps=(login(shop), step(shop, "/moved?t={token}"))))
    assert result.state is ProbeState.UP
    assert [hop.step for hop in result.hops] == ["login", "moved?t={token}", "moved?t={token}"]
    assert "tok%2Fen" not in everything(result)


def test_the_time_out_is_for_all_steps_together(shop: Shop, net: Net, probing: Probing) -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await asyncio.sleep(0.25)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    shop_of = replace(shop, port=net.tcp(late))
    steps = tuple(step(shop_of, f"/{number}") for number in range(4))
    result = probing(Flow(steps=steps), timeout=0.6)
    assert result.reason is Reason.HTTP_TIMEOUT
    # Each by itself would have been in time; which of them is the one too many, the machine's pace decides.
    assert re.match(r'step [234] of 4, "[123]": timed out', result.why)
    assert result.seconds >= 0.6


def test_every_step_is_a_connection_of_its_own(shop: Shop, net: Net, probing: Probing) -> None:
    before = net.connections[shop.port]
    probing(Flow(steps=(login(shop), step(shop, "/cart?t={token}"), step(shop, "/cart?x=1"))))
    assert net.connections[shop.port] == before + 3


def test_the_certificate_that_expires_first_is_the_flows(net: Net, probing: Probing, tmp_path: Path) -> None:
    answer = says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    ends = [pki.NOW + 50 * pki.DAY, pki.NOW + 5 * pki.DAY, pki.NOW + 80 * pki.DAY]
    ports = [
        net.tcp(answer, context=pki.serving(pki.make("localhost", pki.intermediate(), ends=end).chain_file(tmp_path)))
        for end in ends
    ]
    trust = Trust(ca_file=pki.root().file(tmp_path))
    made = tuple(Step(name=str(port), http=Http(url=f"https://127.0.0.1:{port}/", trust=trust)) for port in ports)
    result = probing(Flow(steps=made))
    assert result.state is ProbeState.UP
    assert result.secured is not None
    assert result.secured.not_after == ends[1]


def test_requests_with_values_of_others_are_not_kept(shop: Shop, probing: Probing) -> None:
    from opsbot.probes import http

    probing(Flow(steps=(login(shop), step(shop, "/cart?t={token}"))))
    assert not any(b"tok%2Fen" in request.wire for _, request in http._PREPARED.values())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_no_value_becomes_another_part_of_a_request(value: str) -> None:
    spec = Http(url="https://a.test/x?t={v}", headers=(("Content-Type", "application/json"),), body=b'{"a": "{v}"}')
    try:
        made = flow.filled(spec, {"v": value})
    except UnicodeEncodeError:
        return
    assert made.url.startswith("https://a.test/x?t=")
    assert not set(made.url.removeprefix("https://a.test/x?t=")) & set("/?#& \r\n")
    assert json.loads(made.body) == {"a": value}


def test_a_secret_that_was_sent_is_hidden_when_it_comes_back(shop: Shop, probing: Probing) -> None:
    spec = Flow(steps=(step(shop, "/echo", method="POST", headers=(("Accept", "*/*"),)),))
    probe = Probe(
        name="buy", check="buy", every=60, target=Target(name="buy", spec=spec),
        secrets=(("steps.0.body", "env:FORM"), ("steps.0.headers.X-Plain-Name", "env:KEY")),
    )  # fmt: skip
    values = {"env:FORM": "login=probe&pass=hunter2-hunter2", "env:KEY": "key-0123456789"}
    ready = probing_resolved(probe, values.__getitem__)
    assert ready.target is not None
    result = probing(ready.target.spec, keep_evidence=True)
    assert values["env:FORM"] in shop.seen[0][1]
    assert "X-Plain-Name: key-0123456789" in shop.seen[0][0]
    assert result.excerpt
    assert "hunter2" not in everything(result)
    assert "key-0123456789" not in everything(result)


def test_braces_that_are_no_variable_stay() -> None:
    spec = Http(url="https://a.test/", body=b'{"query": "{ user { id } }", "x": {y}}')
    assert flow.filled(spec, {"token": "t"}) is spec
