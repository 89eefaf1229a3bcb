"""Slack's answers, one by one, and what is read back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.channels.slack import EVENT
from opsbot.errors import DeliveryError
from opsbot.model.message import Message
from opsbot.replica import slack
from opsbot.replica.blocks import problems
from opsbot.replica.slack import Fault
from tests.outbox import world
from tests.outbox.world import START, message


@pytest.fixture
def peer() -> Iterator[slack.Running]:
    with slack.serve(pace=0, now=START.timestamp) as running:
        yield running


def refused(peer: slack.Running, fault: Fault) -> DeliveryError:
    peer.slack.script(fault)
    with pytest.raises(DeliveryError) as told:
        world.slack(peer.url, timeout=0.3).send(message("m1", "slack"), "")
    return told.value


@pytest.mark.parametrize(
    ("fault", "permanent", "ambiguous", "retry_after"),
    [
        pytest.param(Fault(error="ratelimited", status=429, retry_after=7), False, False, 7.0, id="429"),
        pytest.param(Fault(error="ratelimited", status=429), False, False, 30.0, id="429 without a time"),
        pytest.param(
            Fault(error="ratelimited", status=429, retry_after=10**6), False, False, 3600.0, id="429 for days"
        ),
        pytest.param(Fault(error="rate_limited", retry_after=2), False, False, 2.0, id="rate_limited"),
        pytest.param(Fault(error="message_limit_exceeded"), False, False, 30.0, id="message_limit_exceeded"),
        pytest.param(Fault(status=500), False, True, None, id="500"),
        pytest.param(Fault(status=502), False, True, None, id="502"),
        pytest.param(Fault(status=503), False, True, None, id="503"),
        pytest.param(Fault(error="internal_error"), False, True, None, id="internal_error"),
        pytest.param(Fault(error="service_unavailable"), False, True, None, id="service_unavailable"),
        pytest.param(Fault(error="request_timeout"), False, True, None, id="request_timeout"),
        pytest.param(Fault(error="<html>proxy login</html>"), False, True, None, id="an answer that is not Slack's"),
        pytest.param(Fault(reset=True), False, True, None, id="reset"),
        pytest.param(Fault(stall=True), False, True, None, id="time-out"),
        pytest.param(Fault(error="invalid_auth"), True, False, None, id="invalid_auth"),
        pytest.param(Fault(error="not_authed"), True, False, None, id="not_authed"),
        pytest.param(Fault(error="token_revoked"), True, False, None, id="token_revoked"),
        pytest.param(Fault(error="token_expired"), True, False, None, id="token_expired"),
        pytest.param(Fault(error="account_inactive"), True, False, None, id="account_inactive"),
        pytest.param(Fault(error="channel_not_found"), True, False, None, id="channel_not_found"),
        pytest.param(Fault(error="not_in_channel"), True, False, None, id="not_in_channel"),
        pytest.param(Fault(error="is_archived"), True, False, None, id="is_archived"),
        pytest.param(Fault(error="missing_scope"), True, False, None, id="missing_scope"),
        pytest.param(Fault(error="some_new_code"), True, False, None, id="a code nobody knows yet"),
    ],
)
def test_f10_every_answer_has_its_meaning(
    peer: slack.Running, fault: Fault, permanent: bool, ambiguous: bool, retry_after: float | None
) -> None:
    error = refused(peer, fault)
    assert (error.permanent, error.ambiguous, error.retry_after) == (permanent, ambiguous, retry_after)
    assert peer.slack.calls == ["chat.postMessage"]
    assert error.message.startswith("#ops: ")
    assert "xoxb" not in error.message
    assert error.hint or not permanent
    # Whatever is said of the token, the channel or the weather is true of the next message too; a new code may not be.
    assert error.peer is (fault.error != "some_new_code")


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_too_long", "msg_blocks_too_long"])
def test_too_fancy_is_sent_plain_within_the_same_attempt(peer: slack.Running, code: str) -> None:
    peer.slack.script(Fault(error=code))
    world.slack(peer.url).send(message("m1", "slack"), "")
    assert [(post["text"], post["blocks"]) for post in peer.messages] == [("hello", [])]


def test_plain_text_that_is_refused_too_ends_it(peer: slack.Running) -> None:
    peer.slack.script(Fault(error="invalid_blocks"), Fault(error="msg_too_long"))
    with pytest.raises(DeliveryError) as told:
        world.slack(peer.url).send(message("m1", "slack"), "")
    assert told.value.permanent


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused_before_it_leaves(peer: slack.Running, body: bytes) -> None:
    with pytest.raises(DeliveryError) as told:
        world.slack(peer.url).send(replace(message("m1", "slack"), body=body), "")
    assert told.value.permanent
    assert peer.slack.calls == []


def test_the_metadata_carries_the_outbox_id_and_the_body_goes_as_it_is(peer: slack.Running) -> None:
    body = {"text": "a", "blocks": [{"type": "divider"}], "unfurl_links": False, "unfurl_media": False}
    world.slack(peer.url).send(replace(message("m1", "slack"), body=json.dumps(body).encode()), "")
    (post,) = peer.slack.posts
    assert post.metadata == {"event_type": EVENT, "event_payload": {"id": "m1"}}
    assert (post.text, post.blocks) == ("a", ({"type": "divider"},))


def _post(peer: slack.Running, id: str, **changes: object) -> Message:
    told = message(id, "slack", **changes)
    world.slack(peer.url).send(told, "")
    return told


def test_it_is_found_behind_hundreds_of_others(peer: slack.Running) -> None:
    told = _post(peer, "m1")
    for n in range(450):
        peer.slack.post({"channel": "C0123456", "text": f"chatter {n}"})
    assert world.slack(peer.url).find(told) == f"C0123456/{peer.slack.posts[0].ts}"
    assert peer.slack.calls.count("conversations.history") == 3


def test_a_channel_with_more_than_anybody_reads_cannot_be_told_of(peer: slack.Running) -> None:
    told = _post(peer, "m1")
    for n in range(4_000):
        peer.slack.post({"channel": "C0123456", "text": f"chatter {n}"})
    assert world.slack(peer.url).find(told) is None


def test_only_our_own_metadata_counts(peer: slack.Running) -> None:
    forged = {"event_type": "somebody_else", "event_payload": {"id": "m1"}}
    peer.slack.post({"channel": "C0123456", "text": "x", "metadata": forged})
    assert world.slack(peer.url).find(message("m1", "slack")) == ""


def test_what_was_told_long_ago_is_not_looked_for(peer: slack.Running) -> None:
    _post(peer, "m1")
    assert world.slack(peer.url).find(message("m1", "slack", created_at=START + timedelta(hours=1))) == ""


@pytest.mark.parametrize("scope", ["channels:history"])
def test_without_the_scope_nobody_can_tell(peer: slack.Running, scope: str) -> None:
    told = _post(peer, "m1")
    peer.slack.scopes.discard(scope)
    assert world.slack(peer.url).find(told) is None


def test_a_bad_token_is_found_by_the_check() -> None:
    with slack.serve(token="xoxb-other") as peer, pytest.raises(DeliveryError, match="invalid_auth") as told:
        world.slack(peer.url).check()
    assert "token" in told.value.hint


def test_the_client_says_nothing_of_its_own(
    peer: slack.Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        refused(peer, Fault(reset=True))
    assert [record for record in caplog.records if "xoxb" in record.getMessage() or "slack" in record.name] == []
    assert capfd.readouterr() == ("", "")


def test_the_replica_edits_a_message_in_place(peer: slack.Running) -> None:
    _post(peer, "m1")
    (post,) = peer.slack.posts
    peer.slack.update({"channel": post.channel, "ts": post.ts, "text": "better now"})
    assert [(edited["ts"], edited["text"]) for edited in peer.messages] == [(post.ts, "better now")]
    with pytest.raises(slack.Refused, match="message_not_found"):
        peer.slack.update({"channel": post.channel, "ts": "1.0", "text": "x"})


def test_the_replica_keeps_slacks_pace() -> None:
    with slack.serve(pace=60) as peer:
        channel = world.slack(peer.url)
        channel.send(message("m1", "slack"), "")
        with pytest.raises(DeliveryError) as told:
            channel.send(message("m2", "slack"), "")
        assert told.value.retry_after == 1.0


TEXT = {"type": "mrkdwn", "text": "x"}
CELL = {"type": "raw_text", "text": "x"}


@pytest.mark.parametrize(
    ("blocks", "wrong"),
    [
        pytest.param([{"type": "section", "text": TEXT}] * 50, [], id="50 blocks"),
        pytest.param([{"type": "section", "text": TEXT}] * 51, ["51 blocks, at most 50"], id="51 blocks"),
        pytest.param([{"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}], [], id="header of 150"),
        pytest.param(
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            ["blocks[0]: 151 characters, at most 150"],
            id="header of 151",
        ),
        pytest.param([{"type": "header", "text": TEXT}], ["blocks[0]: a header is plain_text"], id="header in mrkdwn"),
        pytest.param([{"type": "section", "text": {**TEXT, "text": "x" * 3000}}], [], id="section of 3,000"),
        pytest.param(
            [{"type": "section", "text": {**TEXT, "text": "x" * 3001}}],
            ["blocks[0]: 3001 characters, at most 3000"],
            id="section of 3,001",
        ),
        pytest.param(
            [{"type": "section", "text": {**TEXT, "text": ""}}], ["blocks[0]: text is empty"], id="empty section"
        ),
        pytest.param([{"type": "section"}], ["blocks[0]: a section has text or fields"], id="bare section"),
        pytest.param([{"type": "section", "fields": [TEXT] * 11}], ["blocks[0]: at most 10 fields"], id="11 fields"),
        pytest.param(
            [{"type": "context", "elements": []}], ["blocks[0]: a context has 1 to 10 elements"], id="no element"
        ),
        pytest.param([{"type": "table", "rows": [[CELL, CELL]]}], [], id="table"),
        pytest.param(
            [{"type": "table", "rows": [[{**CELL, "text": ""}]]}], ["blocks[0]: a table cell is empty"], id="empty cell"
        ),
        pytest.param([{"type": "table", "rows": [[CELL]]}] * 2, ["more than one table"], id="two tables"),
        pytest.param(
            [{"type": "table", "rows": [[CELL]] * 101}], ["blocks[0]: a table has 1 to 100 rows"], id="101 rows"
        ),
        pytest.param(
            [{"type": "table", "rows": [[CELL] * 21]}], ["blocks[0]: a table has 1 to 20 columns"], id="21 columns"
        ),
    ],
)
def test_the_replica_knows_slacks_limits(blocks: list[dict[str, object]], wrong: list[str]) -> None:
    assert list(problems(blocks)) == wrong
