"""Out of a network by its proxy: it sees whom we talk to, never what is said; and what must not be reached is not."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from opsbot.channels import http
from opsbot.channels.http import Door
from opsbot.channels.proxies import address_of
from opsbot.errors import DeliveryError
from opsbot.model.message import Format
from opsbot.replica import pagerduty, receiver, slack
from tests.channels.connect_proxy import ConnectProxy, connect_proxy
from tests.outbox import world
from tests.outbox.world import message
from tests.probes import pki

# Names of no machine: whoever reaches them did so by the proxy.
HOOKS, EVENTS, CHAT = "hooks.opsbot.invalid", "events.opsbot.invalid", "slack.opsbot.invalid"
TOLD = message("m1", "hook", Format.JSON)
NAMES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certified(tmp_path: Path) -> pki.Made:
    return pki.make("peers", names=(HOOKS, EVENTS, CHAT))


@pytest.fixture
def hook(certified: pki.Made, tmp_path: Path) -> Iterator[receiver.Receiver]:
    with receiver.serve() as peer:
        secured(peer, certified, tmp_path)
        yield peer


@pytest.fixture
def proxy(hook: receiver.Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    with connect_proxy({f"{HOOKS}:443": hook.port}) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        yield running


def secured(peer: receiver.Receiver, certified: pki.Made, folder: Path) -> None:
    peer.socket = pki.serving(certified.chain_file(folder)).wrap_socket(peer.socket, server_side=True)


def refused(url: str = f"https://{HOOKS}/x", **settings: object) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        world.webhook(url, **settings).send(TOLD, "")
    return caught.value


def test_a_webhook_goes_through_and_the_proxy_sees_its_name_and_nothing_else(
    hook: receiver.Receiver, proxy: ConnectProxy, certified: pki.Made, tmp_path: Path
) -> None:
    channel = world.webhook(f"https://{HOOKS}/x?a=1", ca_file=certified.file(tmp_path))
    assert channel.send(TOLD, "") == "m1"
    (arrived,) = hook.requests
    assert (arrived.path, arrived.headers["host"], arrived.body) == ("/x?a=1", HOOKS, TOLD.body)
    assert proxy.heads == [f"CONNECT {HOOKS}:443 HTTP/1.1\r\nHost: {HOOKS}:443\r\n\r\n"]
    assert TOLD.body not in bytes(proxy.passed)
    assert b"opsbot-signature" not in bytes(proxy.passed).lower()


def test_a_certificate_is_judged_through_it_too(hook: receiver.Receiver, proxy: ConnectProxy) -> None:
    error = refused()
    assert "certificate was refused" in error.message
    assert (error.permanent, hook.requests, len(proxy.heads)) == (True, [], 1)


def test_a_peer_of_another_name_behind_the_proxy_is_refused(
    hook: receiver.Receiver, proxy: ConnectProxy, certified: pki.Made, tmp_path: Path
) -> None:
    proxy.ways = {"other.opsbot.invalid:443": hook.port}
    error = refused("https://other.opsbot.invalid/", ca_file=certified.file(tmp_path))
    assert "certificate was refused" in error.message
    assert hook.requests == []


@pytest.mark.parametrize(
    ("url", "allowed", "words"),
    [
        pytest.param("https://10.1.2.3/", False, "a private network", id="private"),
        pytest.param("https://169.254.169.254/latest", True, "metadata", id="metadata, whatever is allowed"),
        pytest.param("https://2852039166/", True, "metadata", id="metadata as a number"),
        pytest.param("https://[fd00:ec2::254]/", True, "metadata", id="metadata in IPv6"),
    ],
)
def test_what_must_not_be_reached_is_not_asked_for(proxy: ConnectProxy, url: str, allowed: bool, words: str) -> None:
    error = refused(url, allow_private=allowed)
    assert words in error.message
    assert "nothing was sent" in error.message
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("settings", "permanent", "words"),
    [
        pytest.param({"refuse": "407 Proxy Authentication Required"}, True, "user and password", id="wants a password"),
        pytest.param({"refuse": "403 Forbidden"}, True, "does not let opsbot reach", id="forbids it"),
        pytest.param({"refuse": "502 Bad Gateway"}, False, "", id="cannot reach it"),
        pytest.param({"refuse": "what?"}, False, "", id="speaks nonsense"),
    ],
)
def test_a_proxy_that_refuses_says_so_and_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], permanent: bool, words: str
) -> None:
    with connect_proxy(**settings) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ana:s%20ecret@127.0.0.1:{proxy.port}")
        error = refused()
    assert (error.permanent, error.ambiguous, error.peer) == (permanent, False, True)
    assert f"{HOOKS}: the proxy 127.0.0.1:{proxy.port} " in error.message
    assert words in error.hint
    assert "ecret" not in f"{error.message} {error.hint}"
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'ana:s ecret').decode()}\r\n" in proxy.heads[0]


def test_a_proxy_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect_proxy() as proxy:
        pass
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    error = refused()
    assert f"the proxy 127.0.0.1:{proxy.port} was not reached" in error.message
    assert (error.permanent, error.ambiguous) == (False, False)


def test_a_proxy_that_answers_a_byte_at_a_time_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect_proxy(trickle=0.2) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = refused(timeout=0.5)
    assert "hung up" in error.message
    assert not error.ambiguous


@pytest.mark.parametrize("named", ["socks5://127.0.0.1:1080", "https://127.0.0.1:1", "http://", "http://h:99999"])
def test_what_is_no_such_proxy_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", named)
    error = refused()
    assert (error.message, error.hint) == ("HTTPS_PROXY: this proxy cannot be used", "expected http://host:port")
    assert error.permanent


@pytest.mark.parametrize(
    ("environ", "url", "asked"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "https://events.pagerduty.com/v2/enqueue", True),
        ({"https_proxy": "http://p:1"}, "https://events.pagerduty.com/v2/enqueue", True),
        ({"ALL_PROXY": "http://p:1"}, "https://events.pagerduty.com/v2/enqueue", True),
        ({"HTTP_PROXY": "http://p:1"}, "https://events.pagerduty.com/v2/enqueue", False),
        ({"HTTPS_PROXY": ""}, "https://events.pagerduty.com/v2/enqueue", False),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "pagerduty.com"}, "https://events.pagerduty.com/", False),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": ".corp, *"}, "https://hooks.corp:8443/", False),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "hooks.corp:8443"}, "https://hooks.corp:8443/", False),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://hooks.corp/", False),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "corp"}, "https://hooks.example.org/", True),
        ({"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}, "http://127.0.0.1:8080/", False),
        ({"HTTPS_PROXY": "http://p:1"}, "https://localhost/", False),
        ({"HTTPS_PROXY": "http://p:1"}, "https://[::1]/", False),
    ],
)
def test_who_is_reached_by_it(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], url: str, asked: bool) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert bool(address_of(url)) is asked


def test_pagerduty_pages_through_it(
    proxy: ConnectProxy, certified: pki.Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certified.file(tmp_path))
    with pagerduty.serve() as running:
        secured(running.receiver, certified, tmp_path)
        proxy.ways = {f"{EVENTS}:443": running.receiver.port}
        told = message("m1", "pager", Format.EVENT)
        assert world.pagerduty(f"https://{EVENTS}{pagerduty.PATH}").send(told, "") == "m1"
    assert [one.key for one in running.pagerduty.open] == ["m1"]
    assert proxy.asked == [f"CONNECT {EVENTS}:443 HTTP/1.1"]


def test_slack_is_asked_for_by_it_unless_no_proxy_says_otherwise(
    proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def posted() -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            world.slack(f"https://{CHAT}").send(message("m1", "slack"), "")
        return caught.value

    error = posted()
    assert proxy.asked == [f"CONNECT {CHAT}:443 HTTP/1.0"] or proxy.asked == [f"CONNECT {CHAT}:443 HTTP/1.1"]
    assert ("502" in error.message, error.ambiguous) == (True, False)
    monkeypatch.setenv("NO_PROXY", CHAT)
    assert not posted().ambiguous
    assert len(proxy.heads) == 1


def test_slack_on_this_machine_is_reached_without_it(proxy: ConnectProxy) -> None:
    with slack.serve(pace=0) as running:
        world.slack(running.url).send(message("m1", "slack"), "")
    assert [post.outbox_id for post in running.slack.posts] == ["m1"]
    assert proxy.heads == []


def test_sns_is_asked_for_by_it(proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "demo")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with pytest.raises(DeliveryError, match="SNS"):
        world.sns().send(message("m1", "sns", Format.TEXT), "")
    assert proxy.asked
    assert all("sns.eu-central-1.amazonaws.com:443" in line for line in proxy.asked)


class _Drips(BaseRequestHandler):
    """A long TLS record, a byte at a time: no single wait is long."""

    def handle(self) -> None:
        with suppress(OSError):
            for byte in b"\x16\x03\x03\x3f\xff" + bytes(100):
                self.request.sendall(bytes([byte]))
                threading.Event().wait(0.2)


def test_a_peer_that_shakes_hands_a_byte_at_a_time_does_not_hold_us() -> None:
    """Without a proxy too: the time is for the whole exchange."""
    with ThreadingTCPServer(("127.0.0.1", 0), _Drips) as slow:
        slow.daemon_threads = True
        thread = threading.Thread(target=slow.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        door = Door(url=f"https://127.0.0.1:{slow.server_address[1]}/", seconds=0.5, private=True)
        began = time.monotonic()
        with pytest.raises(DeliveryError) as caught:
            http.post(door, b"{}", {})
        slow.shutdown()
        thread.join()
    assert not caught.value.ambiguous
    # The drips would take twenty seconds.
    assert time.monotonic() - began < 10
