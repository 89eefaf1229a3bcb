"""What every Channel promises the outbox; a new channel joins by a line in `WAYS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message
from opsbot.ports import Channel
from opsbot.replica import mail, pagerduty, receiver, slack
from opsbot.replica.faults import rules_of
from tests.outbox import world
from tests.outbox.aws import aws
from tests.outbox.world import START, message


@dataclass(frozen=True)
class Way:
    """A channel, what lies at its other end, and how to break it for good or for a while."""

    channel: Channel
    arrived: Callable[[], list[bytes]]
    refuse: Callable[[], object]
    readable: bool = True
    edits: bool = False


@contextmanager
def _slack(_folder: Path) -> Iterator[Way]:
    with slack.serve(pace=0, now=START.timestamp) as peer:
        yield Way(
            channel=world.slack(peer.url),
            arrived=lambda: [post.text.encode() for post in peer.slack.posts],
            refuse=lambda: peer.slack.script(slack.Fault(error="channel_not_found")),
            edits=True,
        )


@contextmanager
def _email(_folder: Path) -> Iterator[Way]:
    with mail.serve() as peer:
        yield Way(
            channel=world.email(peer.port),
            arrived=lambda: [letter.content for letter in peer.messages],
            refuse=lambda: peer.moods.refusals.update({"ops@example.org": "550 no such user"}),
            readable=False,
        )


@contextmanager
def _file(folder: Path) -> Iterator[Way]:
    yield Way(
        channel=world.file(folder / "out", "slack"),
        arrived=lambda: [path.read_bytes() for path in sorted((folder / "out").glob("*"))],
        refuse=lambda: (folder / "out").write_text("a file where the folder should be"),
    )


@contextmanager
def _pagerduty(_folder: Path) -> Iterator[Way]:
    with pagerduty.serve() as peer:
        yield Way(
            channel=world.pagerduty(peer.url),
            arrived=lambda: [one.payload["summary"].encode() for one in peer.pagerduty.incidents],
            refuse=lambda: setattr(peer.pagerduty, "key", "another"),
            readable=False,
        )


@contextmanager
def _sns(_folder: Path) -> Iterator[Way]:
    with aws() as peer:
        yield Way(
            channel=world.sns(),
            arrived=lambda: [one.text["default"].encode() for one in peer.state.publications],
            refuse=lambda: peer.state.faults.add(rules_of([{"service": "sns", "fault": "access_denied"}])),
            readable=False,
        )


@contextmanager
def _sms(_folder: Path) -> Iterator[Way]:
    with aws() as peer:
        yield Way(
            channel=world.sns(phone="+4971112345678", region="eu-central-1"),
            arrived=lambda: [one.text["default"].encode() for one in peer.state.publications],
            refuse=lambda: peer.state.faults.add(rules_of([{"service": "sns", "fault": "access_denied"}])),
            readable=False,
        )


@contextmanager
def _webhook(_folder: Path) -> Iterator[Way]:
    with receiver.serve() as peer:
        yield Way(
            channel=world.webhook(f"{peer.url}/hook"),
            arrived=lambda: [one.body for one in peer.requests if b"ping" not in one.body],
            refuse=lambda: peer.script(receiver.Trouble(reply=receiver.Reply(status=404))),
            readable=False,
        )


WAYS = {
    "slack": _slack,
    "email": _email,
    "file": _file,
    "pagerduty": _pagerduty,
    "sns": _sns,
    "sms": _sms,
    "webhook": _webhook,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    with WAYS[request.param](tmp_path) as opened:
        yield opened


def _told(way: Way, id: str, **changes: object) -> Message:
    return message(id, "way", way.channel.format, **changes)


def test_it_says_whom_it_reaches_and_what_it_wants(way: Way) -> None:
    assert way.channel.to
    assert isinstance(way.channel.format, Format)
    assert way.channel.pace >= 0
    assert 0 < way.channel.patience <= 120
    assert way.channel.readable is way.readable


def test_one_send_is_one_arrival_with_the_bytes_that_were_rendered(way: Way) -> None:
    assert way.channel.send(_told(way, "m1"), "")
    (arrived,) = way.arrived()
    assert b"hello" in arrived


def test_what_arrived_is_found_where_it_can_be_read_back(way: Way) -> None:
    first, second = _told(way, "m1"), _told(way, "m2")
    assert way.channel.find(first) == ("" if way.readable else None)
    name = way.channel.send(first, "")
    assert way.channel.find(first) == (name if way.readable else None)
    assert way.channel.find(second) == ("" if way.readable else None)


def test_a_reply_is_found_too(way: Way) -> None:
    name = way.channel.send(_told(way, "m1"), "")
    reply = _told(way, "m2", reply_to="m1")
    assert way.channel.find(reply) == ("" if way.readable else None)
    answered = way.channel.send(reply, name)
    assert way.channel.find(reply) == (answered if way.readable else None)
    assert len(way.arrived()) == 2


def test_what_comes_in_the_place_of_another_is_there_instead_or_beside_it(way: Way) -> None:
    name = way.channel.send(_told(way, "m1"), "")
    edited = way.channel.send(_told(way, "m2", edits="m1"), "", name)
    assert len(way.arrived()) == (1 if way.edits else 2)
    assert (edited == name) is way.edits


def test_a_refusal_is_permanent_in_one_line_with_nothing_sent(way: Way) -> None:
    way.refuse()
    with pytest.raises(DeliveryError) as told:
        way.channel.send(_told(way, "m1"), "")
    assert told.value.permanent
    assert not told.value.ambiguous
    assert "\n" not in told.value.message


def test_checking_tells_nobody(way: Way) -> None:
    way.channel.check()
    assert way.arrived() == []


@pytest.mark.parametrize(
    ("channel", "sends"),
    [
        pytest.param(lambda: world.slack("http://127.0.0.1:1"), True, id="slack"),
        pytest.param(lambda: world.email(1), True, id="email"),
        pytest.param(lambda: world.pagerduty("http://127.0.0.1:1/v2/enqueue"), True, id="pagerduty"),
        pytest.param(lambda: world.webhook("http://127.0.0.1:1/hook"), True, id="webhook"),
    ],
)
def test_a_peer_that_is_not_there_may_be_tried_again(channel: Callable[[], Channel], sends: bool) -> None:
    dead = channel()
    for act in (lambda: dead.send(message("m1", "way", dead.format), ""), dead.check):
        with pytest.raises(DeliveryError, match="not reached") as told:
            act()
        assert (told.value.permanent, told.value.ambiguous) == (False, False)
