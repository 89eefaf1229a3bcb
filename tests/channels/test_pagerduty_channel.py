"""PagerDuty: what each answer means, and that an incident's life comes out right whatever the network does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message
from opsbot.replica import pagerduty
from opsbot.replica.receiver import Reply, Trouble
from tests.fault_proxy import Toxics, fault_proxy
from tests.outbox import world
from tests.outbox.world import message


@pytest.fixture
def peer() -> Iterator[pagerduty.Running]:
    with pagerduty.serve() as running:
        yield running


def event(id: str, action: str = "trigger", summary: str = "CPU at 93 %") -> Message:
    payload = {"summary": summary, "source": "shop-prod", "severity": "error"}
    body = {"event_action": action, "dedup_key": "cpu", "payload": payload}
    return replace(message(id, "pager", Format.EVENT, key="cpu"), body=json.dumps(body).encode())


def refused(peer: pagerduty.Running, reply: Reply) -> DeliveryError:
    peer.receiver.script(Trouble(reply=reply))
    with pytest.raises(DeliveryError) as told:
        world.pagerduty(peer.url).send(event("m1"), "")
    return told.value


def test_an_incident_is_opened_renewed_taken_in_hand_and_closed(peer: pagerduty.Running) -> None:
    channel = world.pagerduty(peer.url)
    for told in (event("1"), event("2", summary="CPU at 99 %"), event("3", "acknowledge")):
        assert channel.send(told, "") == "cpu"
    (incident,) = peer.pagerduty.open
    assert (incident.status, incident.triggers, incident.payload["summary"]) == ("acknowledged", 2, "CPU at 99 %")
    channel.send(event("4", "resolve"), "")
    assert peer.pagerduty.open == []


def test_the_key_is_added_on_the_way_and_never_taken_from_the_message(peer: pagerduty.Running) -> None:
    forged = json.loads(event("1").body) | {"routing_key": "somebody else's"}
    world.pagerduty(peer.url).send(replace(event("1"), body=json.dumps(forged).encode()), "")
    assert peer.pagerduty.events[0]["routing_key"] == pagerduty.KEY


INVALID = b'{"status":"invalid event","message":"Event object is invalid","errors":["\'payload.summary\' is missing"]}'
BAD_KEY = b'{"status":"invalid event","message":"Event object is invalid","errors":["\'routing_key\' is invalid"]}'


@pytest.mark.parametrize(
    ("reply", "permanent", "ambiguous", "wait", "at_fault", "words"),
    [
        pytest.param(Reply(status=400, body=INVALID), True, False, None, False, "'payload.summary' is missing", id="event"),
        pytest.param(Reply(status=400, body=BAD_KEY), True, False, None, True, "routing_key", id="key"),
        pytest.param(Reply(status=403), True, False, None, True, "403", id="forbidden"),
        pytest.param(Reply(status=404), True, False, None, True, "404", id="wrong address"),
        pytest.param(Reply(status=301, headers={"Location": "http://127.0.0.1:1/"}), True, False, None, True, "301", id="moved"),
        pytest.param(Reply(status=429, headers={"Retry-After": "17"}), False, False, 17.0, True, "wait 17 s", id="429"),
        pytest.param(Reply(status=429), False, False, 30.0, True, "wait 30 s", id="429 without a time"),
        pytest.param(Reply(status=429, headers={"Retry-After": "-5"}), False, False, 30.0, True, "30 s", id="429 nonsense"),
        pytest.param(Reply(status=429, headers={"Retry-After": "9" * 40}), False, False, 3600.0, True, "3600", id="429 huge"),
        pytest.param(Reply(status=500, body=b"<html>oops\x1b[31m"), False, True, None, True, "500 <html>oops", id="500"),
        pytest.param(Reply(status=503), False, True, None, True, "503", id="503"),
        pytest.param(Reply(status=400, body=b"\xff[1,"), True, False, None, False, "refused the event", id="wrong JSON"),
    ],
)  # fmt: skip
def test_every_answer_has_its_meaning(
    peer: pagerduty.Running,
    reply: Reply,
    permanent: bool,
    ambiguous: bool,
    wait: float | None,
    at_fault: bool,
    words: str,
) -> None:
    error = refused(peer, reply)
    assert (error.permanent, error.ambiguous, error.retry_after) == (permanent, ambiguous, wait)
    assert error.peer is at_fault
    assert words in error.message
    assert error.message.isprintable()
    assert len(peer.receiver.requests) == 1


def test_a_wrong_key_is_not_repeated(peer: pagerduty.Running) -> None:
    key = "f" * 32
    told = json.dumps({"message": "invalid", "errors": [f"routing_key {key} is unknown"]}).encode()
    peer.receiver.script(Trouble(reply=Reply(status=400, body=told)))
    with pytest.raises(DeliveryError) as caught:
        world.pagerduty(peer.url, key).send(event("1"), "")
    assert key not in caught.value.message
    assert "integration key" in caught.value.hint


@pytest.mark.parametrize(
    "toxics",
    [
        pytest.param(Toxics(reset_answer_after=5), id="half an answer"),
        pytest.param(Toxics(reset_answer_after=0), id="no answer"),
        pytest.param(Toxics(reset_request_after=50), id="half a request"),
        pytest.param(Toxics(black_hole=True), id="silence"),
    ],
)
def test_what_breaks_on_the_way_is_doubtful_and_a_repeat_changes_nothing(
    peer: pagerduty.Running, toxics: Toxics
) -> None:
    with fault_proxy(peer.receiver.port) as proxy:
        proxy.toxics = toxics
        channel = world.pagerduty(f"{proxy.url}/v2/enqueue", timeout=0.5 if toxics.black_hole else 30.0)
        with pytest.raises(DeliveryError) as caught:
            channel.send(event("1"), "")
        assert (caught.value.permanent, caught.value.ambiguous, caught.value.peer) == (False, True, True)
        world.pagerduty(peer.url).send(event("1"), "")
    assert len(peer.pagerduty.incidents) == 1


def test_an_answer_that_drips_ends_with_the_time_it_may_take(peer: pagerduty.Running) -> None:
    with fault_proxy(peer.receiver.port) as proxy:
        proxy.toxics = Toxics(slice_bytes=1, latency=0.2)
        with pytest.raises(DeliveryError, match="no answer"):
            world.pagerduty(f"{proxy.url}/v2/enqueue", timeout=0.5).send(event("1"), "")


def test_an_event_too_large_does_not_leave(peer: pagerduty.Running) -> None:
    with pytest.raises(DeliveryError, match="512,000") as caught:
        world.pagerduty(peer.url).send(event("1", summary="x" * 600_000), "")
    assert caught.value.permanent
    assert peer.receiver.requests == []


def test_the_check_calls_nobody_and_finds_a_wrong_key(peer: pagerduty.Running) -> None:
    world.pagerduty(peer.url).check()
    assert peer.pagerduty.incidents == []
    with pytest.raises(DeliveryError, match="routing_key"):
        world.pagerduty(peer.url, "f" * 32).check()


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff"])
def test_a_body_that_is_no_event_does_not_leave(peer: pagerduty.Running, body: bytes) -> None:
    with pytest.raises(DeliveryError) as caught:
        world.pagerduty(peer.url).send(replace(event("1"), body=body), "")
    assert caught.value.permanent
    assert peer.receiver.requests == []
