"""SNS: to topics and to phones, as SNS takes it, once where a topic can see to that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from opsbot import channels
from opsbot.aws.notify import Sns
from opsbot.channels.sns import LARGEST, subject
from opsbot.errors import DeliveryError
from opsbot.model.message import Action, Format, Message
from opsbot.model.status import Priority
from opsbot.ports import Channel
from opsbot.replica.faults import rules_of
from opsbot.replica.server import Running
from tests.outbox import world
from tests.outbox.aws import aws
from tests.outbox.world import TOPIC, message

PHONE = {"phone": "+4971112345678", "region": "eu-central-1"}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with aws() as running:
        yield running


@pytest.fixture
def peer(cloud: Running) -> Iterator[Running]:
    cloud.state.publications.clear()
    yield cloud
    cloud.state.faults.clear()
    assert cloud.unknown == []


PUBLISHER = Sns()


def here(**table: object) -> Channel:
    """Through clients that are made once: making one takes longer than all it is asked."""
    return world.sns(PUBLISHER, **table)


def told(id: str = "m1", **texts: str) -> Message:
    body = {"default": "CPU at 93 %", "sms": "CPU at 93 %", **texts}
    given = message(id, "topic", Format.TEXT, key="cpu", action=Action.TRIGGER, priority=Priority.P1)
    return replace(given, body=json.dumps(body).encode())


def test_a_topic_gets_a_text_for_each_kind_of_subscriber(peer: Running) -> None:
    assert here().send(told(default="all of it", sms="short"), "")
    (one,) = peer.state.publications
    assert (one.topic, one.text) == (TOPIC, {"default": "all of it", "sms": "short"})
    assert one.subject == "about m1"
    assert one.attributes["priority"] == "P1"
    assert one.attributes["action"] == "trigger"
    assert len(one.attributes["opsbot_id"]) == 64


def test_a_phone_gets_the_short_one(peer: Running) -> None:
    assert here(**PHONE, sender_id="opsbot").send(told(sms="P1 CPU"), "")
    (one,) = peer.state.publications
    assert (one.phone, one.text["default"]) == ("+4971112345678", "P1 CPU")
    assert one.attributes == {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": "opsbot"}


def test_a_phone_s_number_is_not_told_whole(peer: Running) -> None:
    assert here(**PHONE).to == "+4971…78"


def test_a_fifo_topic_keeps_the_order_of_a_trouble_and_drops_a_repeat(peer: Running) -> None:
    channel = here(topic=f"{TOPIC}.fifo")
    ids = [channel.send(told(id), "") for id in ("m1", "m1", "m2")]
    assert ids[0] == ids[1] != ids[2]
    assert [one.group for one in peer.state.publications] == [peer.state.publications[0].group] * 2


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("P1 shop-prod: ECS CPU", "P1 shop-prod: ECS CPU"),
        ("“P1” – Größe", "P1? ? Gr??e"),
        ("!!! down", "down"),
        ("a\nb\x1b[31m", "a b[31m"),
        ("", "opsbot"),
        ("日本", "opsbot"),
        ("x" * 150, "x" * 96 + "..."),
    ],
)
def test_a_subject_is_one_that_sns_takes(peer: Running, text: str, sent: str) -> None:
    here().send(replace(told(), subject=text), "")
    assert peer.state.publications[-1].subject == sent == subject(text)
    assert len(sent) < 100


@pytest.mark.parametrize("text", ["x" * 400_000, "日本" * 100_000, "\\" * 300_000], ids=["long", "wide", "escaped"])
def test_what_is_too_long_is_cut_and_not_refused(peer: Running, text: str) -> None:
    here().send(told(default=text), "")
    (one,) = peer.state.publications
    assert 100_000 < len(json.dumps(one.text, ensure_ascii=False).encode()) < LARGEST
    assert one.text["sms"] == "CPU at 93 %"


@pytest.mark.parametrize(
    ("fault", "permanent", "ambiguous", "at_fault", "words"),
    [
        pytest.param("access_denied", True, False, True, "sns:Publish is denied", id="not allowed"),
        pytest.param("throttle", False, False, True, "throttled", id="too fast"),
        pytest.param("server_error", False, True, True, "failed at AWS", id="it may have been taken"),
    ],
)
def test_what_sns_refuses(
    peer: Running, fault: str, permanent: bool, ambiguous: bool, at_fault: bool, words: str
) -> None:
    peer.state.faults.add(rules_of([{"service": "sns", "operation": "Publish", "fault": fault}]))
    with pytest.raises(DeliveryError) as caught:
        here().send(told(), "")
    error = caught.value
    assert (error.permanent, error.ambiguous, error.peer) == (permanent, ambiguous, at_fault)
    assert words in error.message
    assert (error.retry_after is not None) is (fault == "throttle")
    # The client retries nothing by itself: a retry of its own could send twice.
    assert peer.stats()["faults"]


def test_an_answer_of_one_kind_says_nothing_of_the_next_message(peer: Running) -> None:
    with pytest.raises(DeliveryError) as caught:
        here(**PHONE).send(told(sms=""), "")
    assert (caught.value.permanent, caught.value.peer) == (True, False)


def test_the_check_finds_a_topic_that_is_not_there(peer: Running) -> None:
    here().check()
    here(**PHONE).check()
    with pytest.raises(DeliveryError, match="NotFound"):
        here(topic=TOPIC.replace("ops", "missing")).check()
    assert peer.state.publications == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"default":"x"}', b'{"default":1,"sms":"x"}'])
def test_a_body_without_its_texts_does_not_leave(peer: Running, body: bytes) -> None:
    with pytest.raises(DeliveryError) as caught:
        here().send(replace(told(), body=body), "")
    assert caught.value.permanent
    assert peer.state.publications == []


def test_without_aws_it_says_so() -> None:
    settings, _ = channels.decode("ops", {"kind": "sns", "topic": TOPIC})
    assert settings is not None
    with pytest.raises(DeliveryError, match="needs AWS access"):
        channels.build("ops", settings, str).check()


def test_a_peer_that_is_not_there_was_told_nothing(peer: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(DeliveryError) as caught:
        world.sns().send(told(), "")
    assert (caught.value.permanent, caught.value.ambiguous) == (False, False)
