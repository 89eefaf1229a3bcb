"""Names, headlines, logs, addresses and forms that mean harm: none of them does any, and none is a 500."""

from __future__ import annotations

import http.client
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsbot.model.run import RunState
from opsbot.model.status import Status
from opsbot.store.overview import Glance, Standing
from opsbot.web import environments
from opsbot.web.app import build
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings
from tests.outbox.world import fresh, message
from tests.stories.test_hostile_names import COMMANDS
from tests.web import world
from tests.web.conftest import TOKEN
from tests.web.world import DAY, NOW, ask, ended, finding, keep, vitals

SCRIPT = '</td></script><script>alert(1)</script><img src=x onerror="alert(1)">{{ 7*7 }}${7*7}'
HOSTILE = (
    SCRIPT, "' onmouseover=alert(1) x='", "javascript:alert(1)", "<!--", "]]>", "&lt;b&gt;", "a\x1b[31mred\x1b[0m\x07", "evil\u202egnp.exe",
    "a\u200bb\ufeff", "line\r\nSet-Cookie: x=y", "<style>*{display:none}</style>", "<meta http-equiv=refresh content=0>", "x" * 5000, "名" * 3000,
    "{% raw %}{{ inside.settings.token }}", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "%00%0d%0a", "../../etc/passwd",
)  # fmt: skip
PAGES = ("/", "/runs", "/runs?page=2", "/reports", "/outbox?all=1", "/jobs", "/runs/R0", "/runs/F0")


class Marks(HTMLParser):
    """Tags, attributes and their values as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.links: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add((tag, name))
            if name in ("href", "src", "action", "formaction"):
                self.links.append(value or "")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    store = fresh(folder / "opsbot.db")
    logs = folder / "logs"
    (logs / "daily_health").mkdir(parents=True)
    for n, text in enumerate(HOSTILE):
        (logs / "daily_health" / f"R{n}.1.log").write_text(f"{text}\n{text}", encoding="utf-8")
        at = NOW - n * DAY / 24
        told = (message(f"m{n}", "ops-slack", subject=text, to=text, run_id=f"R{n}"),)
        found = [finding(text, Status.CRITICAL, text, summary=text, check="ecs-cpu", at=at)]
        run = ended(f"R{n}", "daily_health", at, headline=text, owner=text, log=f"daily_health/R{n}.1.log")
        keep(store, run, *found, told=told)
        claimed = store.claim(NOW, 60.0)
        assert claimed is not None
        store.settle(claimed, world.Delivery.DEAD, now=NOW, error=text)
        keep(store, ended(f"F{n}", "cost_anomalies", at, state=RunState.FAILED, headline="", reason=text, error=text))
    store.ledger().pause("daily_health", NOW + DAY, SCRIPT, SCRIPT, NOW)
    sick = vitals(
        troubles=HOSTILE, worker=SCRIPT, beats=(replace(vitals().beats[0], error=SCRIPT),), config_hash=SCRIPT
    )
    changes = {"logs": logs, "vitals": lambda: sick, "environments": lambda: HOSTILE, "version": SCRIPT}
    server = start(build(world.inside(store, **changes)), "127.0.0.1", 0)
    yield server
    server.stop()
    store.close()


@pytest.fixture(scope="module")
def plain(open_page: Server) -> tuple[set[str], set[tuple[str, str]]]:
    """The tags and attributes of pages without anything hostile: what the templates themselves write."""
    read = [
        Marks(ask(open_page.port, path).body)
        for path in (*PAGES, "/runs/HEALTH", "/runs/UPTIME1", "/outbox", "/nowhere")
    ]
    return set(chain(*(page.tags for page in read))), set(chain(*(page.attributes for page in read)))


@pytest.mark.parametrize(
    "path",
    [*PAGES, *(f"/runs/R{n}" for n in range(1, 6)), f"/runs?job={quote(SCRIPT)}", f"/reports?job={quote(SCRIPT)}"],
)
def test_no_text_becomes_markup(hostile: Server, plain: tuple[set[str], set[tuple[str, str]]], path: str) -> None:
    answer = ask(hostile.port, path)
    read = Marks(answer.body)
    assert answer.status == 200
    assert read.tags <= plain[0] | {"style"} - {"style"}
    assert read.attributes - plain[1] <= {("option", "selected")}
    assert [link for link in read.links if not link.startswith(("/", "#")) or link.startswith("//")] == []
    assert COMMANDS.findall(answer.body) == []
    assert TOKEN not in answer.body


def test_the_harm_was_there_to_be_shown(hostile: Server) -> None:
    told = {path: ask(hostile.port, path).body for path in ("/", "/runs/R0", "/outbox?all=1")}
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert [path for path, body in told.items() if escaped not in body] == []
    assert all("{{ 7*7 }}" in body and "49" not in body.partition("{{ 7*7 }}")[2][:20] for body in told.values())


names = st.text(max_size=400)


@given(st.lists(st.tuples(names, st.sampled_from(list(Status)), names), max_size=60), st.lists(names, max_size=500))
@example([("<" * 400, Status.CRITICAL, "&" * 400)] * 60, ["'" * 400 + str(n) for n in range(500)])
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
def test_the_estate_weighs_what_it_may_whatever_the_names(
    rows: list[tuple[str, Status, str]], all_names: list[str]
) -> None:
    standing = [Standing("j", f"{name}/c{n}/{told}", status, NOW) for n, (name, status, told) in enumerate(rows)]
    recent = {"j": (Glance("R", RunState.SUCCEEDED, "ok", NOW),)}
    found = environments.places(standing, recent)
    shown = environments.estate(found, {}, environments.runs_behind(found, recent), all_names, seen=True)
    from html import escape

    named = sum(len(escape(name).encode()) for group in shown.groups for name in group.names)
    told = sum(len(escape(row.name + row.text).encode()) for row in shown.rows)
    assert named <= environments.NAMES
    assert told <= environments.TOLD * 180 * 6
    assert sum(group.rest + len(group.names) for group in shown.groups) + len(shown.rows) == shown.size


EXAMPLES = min(int(os.environ.get("OPSBOT_EXAMPLES", "30")), 20_000)
ALPHABET = "/.%:?&=#;+-_~!@$*'()[]{}<>|\\^`\" \t0aZ\u00e9\u202e\u0000\ud7ff\U0001f600"
ROUTES = (
    "/",
    "/runs",
    "/runs/",
    "/reports/",
    "/outbox",
    "/jobs",
    "/metrics",
    "/healthz",
    "/readyz",
    "/static/",
    "/sign-in",
    "/sign-out",
)
KEYS = ("job", "state", "page", "all", "refresh", "next", "token", "id")


def addresses(number: int) -> Iterator[str]:
    """Paths and queries that nobody means: the same ones each time."""
    chance = random.Random(20261120)
    for _ in range(number):
        noise = ["".join(chance.choices(ALPHABET, k=chance.randint(0, 24))) for _ in range(3)]
        path = chance.choice(ROUTES) + quote(noise[0], safe="/%.;:@&=+$,-_!~*'()") * chance.randint(0, 1)
        query = "&".join(f"{chance.choice(KEYS)}={quote(text, safe='%/;')}" for text in noise[1:])
        yield f"{path}?{query}" if chance.random() < 0.6 else path


@pytest.mark.parametrize(
    ("who", "number"), [("loopback", EXAMPLES), ("stranger", 4 * EXAMPLES), ("signed in", EXAMPLES)]
)
def test_no_address_is_a_500(open_page: Server, token_page: Server, who: str, number: int) -> None:
    server = open_page if who == "loopback" else token_page
    headers = {"Authorization": f"Bearer {TOKEN}"} if who == "signed in" else {"Accept": "text/html"}
    codes = set()
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as peer:
        for address in addresses(number):
            peer.putrequest("GET", address, skip_accept_encoding=True)
            for name, told in headers.items():
                peer.putheader(name, told)
            peer.endheaders()
            answer = peer.getresponse()
            answer.read()
            assert answer.status < 500, address
            codes.add(answer.status)
    assert codes <= {200, 303, 307, 400, 404, 405, 414}
    assert len(codes) > 1 or who == "stranger"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"token",
        b"token=%ff%fe",
        b"\xff\xfe\x00",
        b"&" * 100,
        b"a=1&b=2&c=3&d=4&e=5&f=6",
        b"token=" + b"%00" * 100,
        b"next=//x&token=",
    ],
    ids=["empty", "no value", "no UTF-8", "bytes", "separators", "too many fields", "zeros", "a next that leads away"],
)
def test_no_form_is_a_500(serve: Callable[..., Server], body: bytes) -> None:
    server = serve(settings=WebSettings(token=TOKEN))
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as peer:
        peer.request("POST", "/sign-in", body)
        assert peer.getresponse().status in (400, 403)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", id="two hosts"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="an old program"),
        pytest.param(b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", id="a long address"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70000 + b"\r\n\r\n", id="a long header"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", id="as a proxy"),
    ],
)
def test_no_request_breaks_the_server(open_page: Server, lines: bytes) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", open_page.port), timeout=5) as peer:
        peer.sendall(lines)
        peer.shutdown(socket.SHUT_WR)
        told = b""
        while piece := peer.recv(65536):
            told += piece
    assert b" 500 " not in told.partition(b"\r\n")[0]
    assert ask(open_page.port, "/readyz").status == 200


def test_a_report_that_means_harm_can_do_none(tmp_path: Path) -> None:
    store = fresh(tmp_path / "opsbot.db")
    keep(store, ended("R", "daily_health", NOW), html=f"<p>{SCRIPT}</p>")
    server = start(build(world.inside(store)), "127.0.0.1", 0)
    answer = ask(server.port, "/reports/R")
    server.stop()
    store.close()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
