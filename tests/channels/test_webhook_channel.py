"""The webhook: signed as its page says, idempotent by its id, and to nobody who must not be reached."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsbot.channels import http
from opsbot.channels.http import Door, checked_url, seconds
from opsbot.channels.webhook import signature
from opsbot.errors import DeliveryError
from opsbot.model.message import Format
from opsbot.probes import guard
from opsbot.replica import receiver
from opsbot.replica.receiver import Reply, Trouble
from tests.fault_proxy import Toxics, fault_proxy
from tests.outbox import world
from tests.outbox.world import START, Clock, message
from tests.probes import pki

TOLD = message("m1", "hook", Format.JSON)


@pytest.fixture
def peer() -> Iterator[receiver.Receiver]:
    with receiver.serve() as running:
        yield running


def verified(arrived: receiver.Arrived, secret: str, now: int, tolerance: int = 300) -> bool:
    """What docs/channels/webhook.md tells receivers to do."""
    parts = dict(part.split("=", 1) for part in arrived.headers["opsbot-signature"].split(","))
    if abs(now - int(parts["t"])) > tolerance:
        return False
    expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + arrived.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


def test_a_request_is_the_rendered_bytes_signed_with_an_id(peer: receiver.Receiver) -> None:
    assert world.webhook(f"{peer.url}/hook?a=1").send(TOLD, "") == "m1"
    (arrived,) = peer.requests
    now = int(START.timestamp())
    assert (arrived.path, arrived.body, arrived.headers["idempotency-key"]) == ("/hook?a=1", TOLD.body, "m1")
    assert verified(arrived, "shared", now)
    assert not verified(arrived, "another", now)
    assert not verified(replace(arrived, body=arrived.body + b" "), "shared", now)
    assert not verified(arrived, "shared", now + 301)


def test_the_signature_is_the_documented_one() -> None:
    digest = "77ee03a4ce92186f56cff0b08bd6820790862af2d4859878e74808d975e1711e"
    assert signature("whsec", 1795158000, b'{"a":1}') == f"t=1795158000,v1={digest}"


def test_a_retry_has_the_same_id_and_a_fresh_signature(peer: receiver.Receiver) -> None:
    clock = Clock()
    channel = world.webhook(peer.url, now=clock.now)
    channel.send(TOLD, "")
    clock.moment += timedelta(hours=3)
    channel.send(TOLD, "")
    first, second = peer.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert verified(second, "shared", int(clock.moment.timestamp()))
    assert not verified(first, "shared", int(clock.moment.timestamp()))


@pytest.mark.parametrize("id", ["grüße", "a\r\nX-Evil: 1", "x" * 300])
def test_an_id_of_any_signs_is_one_header(peer: receiver.Receiver, id: str) -> None:
    world.webhook(peer.url).send(message(id, "hook", Format.JSON), "")
    (arrived,) = peer.requests
    assert "x-evil" not in arrived.headers
    assert arrived.headers["idempotency-key"].isascii()


@pytest.mark.parametrize(
    ("reply", "permanent", "ambiguous", "wait", "at_fault"),
    [
        pytest.param(Reply(status=400, body=b"no"), True, False, None, False, id="400 is this message"),
        pytest.param(Reply(status=413), True, False, None, False, id="413"),
        pytest.param(Reply(status=422), True, False, None, False, id="422"),
        pytest.param(Reply(status=401), True, False, None, True, id="401 is everybody"),
        pytest.param(Reply(status=403), True, False, None, True, id="403"),
        pytest.param(Reply(status=404), True, False, None, True, id="404"),
        pytest.param(Reply(status=410), True, False, None, True, id="410"),
        pytest.param(Reply(status=302, headers={"Location": "http://169.254.169.254/"}), True, False, None, True, id="302"),
        pytest.param(Reply(status=304), True, False, None, True, id="304"),
        pytest.param(Reply(status=409), False, True, None, True, id="409"),
        pytest.param(Reply(status=429, headers={"Retry-After": "5"}), False, False, 5.0, True, id="429"),
        pytest.param(
            Reply(status=503, headers={"Retry-After": "Fri, 20 Nov 2026 07:02:00 GMT"}), False, False, 120.0, True, id="503 until"
        ),
        pytest.param(Reply(status=502), False, True, None, True, id="502"),
        pytest.param(Reply(status=999), False, True, None, True, id="a status nobody knows"),
    ],
)  # fmt: skip
def test_every_answer_has_its_meaning(
    peer: receiver.Receiver, reply: Reply, permanent: bool, ambiguous: bool, wait: float | None, at_fault: bool
) -> None:
    peer.script(Trouble(reply=reply))
    with pytest.raises(DeliveryError) as caught:
        world.webhook(peer.url).send(TOLD, "")
    error = caught.value
    assert (error.permanent, error.ambiguous, error.retry_after, error.peer) == (permanent, ambiguous, wait, at_fault)
    assert "shared" not in error.message
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [b"", b"not json", b"x" * 200_000], ids=["empty", "words", "much"])
def test_whatever_a_good_answer_says_it_is_one(peer: receiver.Receiver, status: int, body: bytes) -> None:
    peer.script(Trouble(reply=Reply(status=status, body=body)))
    assert world.webhook(peer.url).send(TOLD, "") == "m1"


@pytest.mark.parametrize(
    ("toxics", "sent"),
    [
        pytest.param(Toxics(reset_answer_after=5), False, id="half a status line"),
        pytest.param(Toxics(reset_answer_after=60), None, id="an answer cut off"),
        pytest.param(Toxics(black_hole=True), False, id="silence"),
        pytest.param(Toxics(slice_bytes=7, latency=0.001), True, id="in pieces"),
        pytest.param(Toxics(slow_close=0.3), True, id="slow to close"),
        pytest.param(Toxics(down=True), False, id="hung up on"),
    ],
)
def test_a_bad_network_is_doubt_and_never_a_lost_refusal(
    peer: receiver.Receiver, toxics: Toxics, sent: bool | None
) -> None:
    with fault_proxy(peer.port) as proxy:
        proxy.toxics = toxics
        channel = world.webhook(proxy.url, timeout=0.5 if toxics.black_hole else 30.0)
        if sent:
            channel.send(TOLD, "")
            return
        with pytest.raises(DeliveryError) as caught:
            channel.send(TOLD, "")
        assert (caught.value.permanent, caught.value.peer) == (False, True)
        # Hung up on at once, it may be seen before anything was sent.
        assert caught.value.ambiguous or toxics.down


@pytest.mark.parametrize(
    ("host", "allowed", "words"),
    [
        pytest.param("https://127.0.0.1/", False, "the prober's own machine", id="own machine"),
        pytest.param("https://10.1.2.3/", False, "a private network", id="private"),
        pytest.param("https://169.254.169.254/latest", True, "metadata", id="metadata, whatever is allowed"),
        pytest.param("https://[::ffff:169.254.169.254]/", True, "metadata", id="metadata in IPv6"),
        pytest.param("https://2852039166/", True, "metadata", id="metadata as a number"),
        pytest.param("https://[fd00:ec2::254]/", True, "metadata", id="metadata of its own"),
        pytest.param("https://localhost/", False, "the prober's own machine", id="by name"),
    ],
)
def test_nobody_is_reached_who_must_not_be(host: str, allowed: bool, words: str) -> None:
    with pytest.raises(DeliveryError, match="nothing was sent") as caught:
        world.webhook(host, allow_private=allowed).send(TOLD, "")
    assert words in caught.value.message
    assert (caught.value.permanent, caught.value.peer, caught.value.ambiguous) == (True, True, False)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.org/x", "in clear"),
        ("ftp://hooks.example.org/", "expected a URL"),
        ("https://user:pw@hooks.example.org/", "without a name and password"),
        ("https:///x", "expected a URL"),
        ("https://a b/", "expected a URL"),
        ("https://[::1", "expected a URL"),
        ("https://host:99999/", "expected a URL"),
        ("https://hööks.example.org/", "expected a URL"),
    ],
)
def test_addresses_that_are_none_are_refused_before_anything_runs(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        checked_url(url)


def test_good_addresses_are_taken() -> None:
    for url in ("https://hooks.example.org", "https://h:8443/a?b=c", "http://127.0.0.1:80/", "http://[::1]:1/"):
        assert checked_url(url) == url


def test_a_certificate_that_nobody_vouches_for_is_refused_and_one_of_ones_own_is_trusted(tmp_path: Path) -> None:
    made = pki.make("localhost", names=("localhost",))
    trusted = made.file(tmp_path)
    with receiver.serve() as peer:
        secured(peer, made.chain_file(tmp_path))
        url = peer.url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(DeliveryError, match="certificate was refused") as caught:
            world.webhook(url).send(TOLD, "")
        assert caught.value.permanent
        assert world.webhook(url, ca_file=trusted).send(TOLD, "") == "m1"
        with pytest.raises(DeliveryError, match="cannot be used"):
            world.webhook(url, ca_file=str(tmp_path / "none.pem")).send(TOLD, "")
        with pytest.raises(DeliveryError, match="certificate was refused"):
            world.webhook(url.replace("localhost", "127.0.0.1"), ca_file=trusted).send(TOLD, "")
    assert [arrived.headers["host"] for arrived in peer.requests] == [f"localhost:{peer.port}"]


def secured(peer: receiver.Receiver, chain: Path) -> None:
    peer.socket = pki.serving(chain).wrap_socket(peer.socket, server_side=True)


def test_a_body_that_breaks_off_after_a_good_status_is_still_a_yes() -> None:
    long = Reply(status=200, headers={"Content-Length": "5000"})
    with receiver.serve(lambda _arrived: long) as peer:
        assert world.webhook(peer.url).send(TOLD, "") == "m1"


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, 30.0), ("", 30.0), ("0", 1.0), ("12", 12.0), ("1e9", 30.0), ("٣", 30.0), ("99999999999", 3600.0)],
)
def test_how_long_to_wait_is_bounded(value: str | None, told: float) -> None:
    assert seconds(value, 0.0) == told


def test_the_ping_of_a_check_is_signed_too(peer: receiver.Receiver) -> None:
    world.webhook(peer.url).check()
    (arrived,) = peer.requests
    assert json.loads(arrived.body) == {"schema": "opsbot.ping/1"}
    assert verified(arrived, "shared", int(START.timestamp()))


def test_a_door_without_a_guard_opens_to_all(peer: receiver.Receiver) -> None:
    door: Any = Door(url=peer.url, seconds=5)
    assert http.post(door, b"{}", {}).status == 200
    assert guard.verdict("127.0.0.1") == ("the prober's own machine", False)
