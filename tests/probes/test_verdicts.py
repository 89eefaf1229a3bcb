"""A chain that was verified is not verified again while nothing changed; and whatever changed is seen at once.

That a verdict was remembered shows from outside when the server's chain is swapped: the handshake that trusted in the old
one is thrown away, and a second one verifies the new one.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opsbot.model.probe import Http, ProbeResult, ProbeState, Reason, Spec, Tls, Trust, WebSocket
from opsbot.probes import Engine
from opsbot.probes.der import certificate
from opsbot.probes.verdicts import LASTS
from tests.probes import pki
from tests.probes.conftest import clock, target
from tests.probes.pki import DAY, NOW, Made, make
from tests.probes.servers import Net, page, says

RENEWED = make("localhost", pki.intermediate(), ends=NOW + 200 * DAY)
NEXT = {
    "renewed": (RENEWED, None),
    "expired": (make("localhost", pki.intermediate(), ends=NOW - DAY), Reason.TLS_EXPIRED),
    "other name": (make("shop", pki.intermediate(), names=("shop.example",)), Reason.TLS_NAME),
    "self-signed": (make("localhost"), Reason.TLS_SELF_SIGNED),
    "own root": (make("localhost", make("other root", authority=True)), Reason.TLS_UNTRUSTED),
    "same leaf, nothing above": (Made(pki.leaf().certificate, pki.leaf().key), Reason.TLS_UNTRUSTED),
}


class Served:
    """One TLS server whose certificate can be swapped, and an engine whose clock can be moved."""

    def __init__(self, net: Net, folder: Path, engine: Engine) -> None:
        self.net, self.folder, self.engine = net, folder, engine
        self.context = pki.serving(pki.leaf().chain_file(folder))
        self.port = net.tcp(says(page()), context=self.context)
        self.trust = Trust(ca_file=pki.root().file(folder))
        self.passed = timedelta()
        self.hellos = 0
        self.context.sni_callback = self._greeted

    def _greeted(self, tls: object, name: str | None, context: ssl.SSLContext) -> None:
        self.hellos += 1

    def swap(self, made: Made) -> None:
        self.context.load_cert_chain(made.chain_file(self.folder))

    def ask(self, spec: Spec | None = None) -> tuple[ProbeResult, int]:
        """The result, and how many handshakes were begun for it."""
        before = self.hellos
        spec = spec or Http(url=f"https://127.0.0.1:{self.port}/", trust=self.trust)
        return self.engine.probe_many([target(spec)])[0], self.hellos - before


@contextmanager
def serving(net: Net, folder: Path, *, verdicts: float = LASTS) -> Iterator[Served]:
    passed: list[Served] = []

    def now() -> datetime:
        return clock() + (passed[0].passed if passed else timedelta())

    with Engine(now=now, verdicts=verdicts) as engine:
        passed.append(Served(net, folder, engine))
        yield passed[0]


@pytest.fixture
def served(net: Net, tmp_path: Path) -> Iterator[Served]:
    with serving(net, tmp_path) as one:
        yield one


@pytest.mark.parametrize("kind", ["https", "tls"])
def test_the_same_chain_gives_the_same_facts(served: Served, kind: str) -> None:
    spec = Tls(host="127.0.0.1", port=served.port, trust=served.trust) if kind == "tls" else None
    (first, _), (second, handshakes) = served.ask(spec), served.ask(spec)
    assert first.state is second.state is ProbeState.UP
    assert second.secured == first.secured
    assert second.secured is not None
    assert second.secured.verified
    assert [each.subject for each in second.secured.path] == ["CN=localhost", "CN=test intermediate", "CN=test root"]
    assert handshakes == (1 if kind == "https" else handshakes)


@pytest.mark.parametrize("case", NEXT)
def test_a_swapped_chain_is_verified_at_once(served: Served, case: str) -> None:
    made, reason = NEXT[case]
    served.ask()
    served.swap(made)
    for _ in range(2):
        result, _ = served.ask()
        assert result.reason is reason, result.why
        assert result.state is (ProbeState.DOWN if reason else ProbeState.UP)
        assert result.secured is not None
        assert result.secured.verified is (reason is None)
        assert result.secured.path[0].fingerprint == certificate(made.der).fingerprint


def test_a_swap_costs_one_handshake_more_and_only_once(served: Served) -> None:
    assert [served.ask()[1], served.ask()[1]] == [1, 1]
    served.swap(RENEWED)
    assert [served.ask()[1], served.ask()[1]] == [2, 1]


@pytest.mark.parametrize(
    ("passed", "handshakes"),
    [
        pytest.param(timedelta(), 2, id="within its dates it is remembered"),
        pytest.param(89 * DAY, 2, id="to its last day"),
        pytest.param(91 * DAY, 1, id="not after it has expired"),
        pytest.param(-11 * DAY, 1, id="nor before it begins"),
    ],
)
def test_a_verdict_counts_between_the_dates_of_its_path(served: Served, passed: timedelta, handshakes: int) -> None:
    served.ask()
    served.swap(RENEWED)
    served.passed = passed
    assert served.ask()[1] == handshakes


def test_without_memory_each_probe_verifies(net: Net, tmp_path: Path) -> None:
    with serving(net, tmp_path, verdicts=0) as served:
        served.ask()
        served.swap(RENEWED)
        assert served.ask()[1] == 1


def test_who_trusts_differently_judges_for_himself(served: Served) -> None:
    served.ask()
    url = f"https://127.0.0.1:{served.port}/"
    other = Trust(ca_file=make("other root", authority=True).file(served.folder))
    assert served.ask(Http(url=url, trust=other))[0].reason is Reason.TLS_UNTRUSTED
    misnamed = Trust(ca_file=served.trust.ca_file, server_name="shop.example")
    assert served.ask(Http(url=url, trust=misnamed))[0].reason is Reason.TLS_NAME
    assert served.ask(Http(url=url, trust=Trust(verify=False)))[0].secured.verified is False  # type: ignore[union-attr]
    assert served.ask()[0].state is ProbeState.UP


def test_a_swap_is_seen_by_a_websocket_too(served: Served) -> None:
    spec = WebSocket(url=f"wss://127.0.0.1:{served.port}/", trust=served.trust)
    assert served.ask(spec)[0].reason is Reason.WS_HANDSHAKE
    served.swap(NEXT["expired"][0])
    assert served.ask(spec)[0].reason is Reason.TLS_EXPIRED


def test_a_server_that_asks_for_a_client_certificate_gets_it_each_time(net: Net, tmp_path: Path) -> None:
    context = pki.serving(pki.leaf().chain_file(tmp_path))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.root().file(tmp_path))
    port = net.blocking_tls(context, page())
    client = str(make("client", pki.intermediate()).chain_file(tmp_path))
    trust = Trust(ca_file=pki.root().file(tmp_path), client_certificate=client)
    with Engine(now=clock) as engine:
        spec = Http(url=f"https://127.0.0.1:{port}/", trust=trust)
        results = [engine.probe_many([target(spec)])[0] for _ in range(3)]
    assert [result.why for result in results] == ["", "", ""]
