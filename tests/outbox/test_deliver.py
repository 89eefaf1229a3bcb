"""Stories of the outbox against a Slack and a mail server that misbehave on request; only waiting moves the clock."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path

import pytest

from opsbot.errors import DeliveryError
from opsbot.model.message import Delivery, Format, Message
from opsbot.outbox import BACKOFF_CAP, GIVE_UP, backoff
from opsbot.outbox.retrying import OUTAGE_CAP
from opsbot.replica.slack import Fault
from tests.outbox import world
from tests.outbox.office import HOUR, Office
from tests.outbox.world import START, message, queue

ACCEPTED_THEN_RESET = Fault(reset=True, accepted=True)


def test_a_report_and_its_thread_and_a_letter_arrive_in_order(office: Office) -> None:
    thread = [message(f"m{n}", "slack", key="health", reply_to="m1" if n > 1 else None) for n in (1, 2, 3)]
    queue(office.store, *thread, message("e1", "email", Format.EMAIL))
    assert office.drain() == {"m1": "sent", "e1": "sent", "m2": "sent", "m3": "sent"}
    assert office.posted == ["m1", "m2", "m3"]
    root = office.slack.slack.posts[0]
    assert [post.thread_ts for post in office.slack.slack.posts] == ["", root.ts, root.ts]
    assert office.get("m1").provider_id == f"C0123456/{root.ts}"
    assert office.slack.slack.calls == ["chat.postMessage"] * 3
    assert office.drain() == {}


def test_a_channel_is_asked_once_a_second_while_others_go_on(office: Office) -> None:
    queue(office.store, *(message(f"m{n}", "slack") for n in (1, 2, 3)), message("m4", "email", Format.EMAIL))
    assert list(office.drain(wait=None)) == ["m1", "m4", "m2", "m3"]
    assert office.clock.waits == pytest.approx([60 / 57, 60 / 57])


def test_without_a_deadline_a_retry_is_left_to_the_next_drain(office: Office) -> None:
    office.slack.slack.script(Fault(status=503))
    queue(office.store, message("m1", "slack"))
    assert office.drain(wait=None) == {"m1": "queued"}
    assert office.clock.waits == []
    assert "503" in office.get("m1").error


@pytest.mark.parametrize(
    ("fault", "looks", "posts"),
    [
        pytest.param(Fault(status=503), True, 2, id="503"),
        pytest.param(Fault(status=500, error="internal_error"), True, 2, id="internal error"),
        pytest.param(Fault(error="fatal_error"), True, 2, id="ok:false fatal_error"),
        pytest.param(Fault(reset=True), True, 2, id="reset before it was taken"),
        pytest.param(ACCEPTED_THEN_RESET, True, 1, id="reset after it was taken"),
        pytest.param(Fault(stall=True), True, 2, id="no answer, not taken"),
        pytest.param(Fault(stall=True, accepted=True), True, 1, id="no answer, taken"),
    ],
)
def test_f09_a_doubtful_attempt_is_looked_up_and_never_told_twice(
    office: Office, fault: Fault, looks: bool, posts: int
) -> None:
    office.slack.slack.script(fault)
    queue(office.store, message("m1", "slack"))
    assert office.drain() == {"m1": "sent"}
    assert office.posted == ["m1"]
    assert ("conversations.history" in office.slack.slack.calls) is looks
    assert office.slack.slack.calls.count("chat.postMessage") == posts
    assert office.get("m1").provider_id == f"C0123456/{office.slack.slack.posts[0].ts}"


def test_a_doubtful_reply_is_looked_up_in_its_thread(office: Office) -> None:
    queue(office.store, message("m1", "slack"), message("m2", "slack", reply_to="m1"))
    office.slack.slack.script(Fault(), ACCEPTED_THEN_RESET)
    assert office.drain() == {"m1": "sent", "m2": "sent"}
    assert office.posted == ["m1", "m2"]
    assert office.slack.slack.calls[-2:] == ["chat.postMessage", "conversations.replies"]


def test_without_the_right_to_look_a_doubtful_message_is_told_again(office: Office) -> None:
    office.slack.slack.scopes.clear()
    office.slack.slack.script(ACCEPTED_THEN_RESET)
    queue(office.store, message("m1", "slack"))
    assert office.drain() == {"m1": "sent"}
    assert office.posted == ["m1", "m1"]


@pytest.mark.parametrize("seconds", [2, 3000])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=429, error="ratelimited"), id="429"),
        pytest.param(Fault(status=200, error="rate_limited"), id="rate_limited"),
        pytest.param(Fault(status=200, error="message_limit_exceeded"), id="message_limit_exceeded"),
    ],
)
def test_f08_retry_after_is_obeyed_and_holds_up_no_other_channel(office: Office, fault: Fault, seconds: int) -> None:
    office.slack.slack.script(replace(fault, retry_after=seconds))
    queue(office.store, message("m1", "slack"), message("m2", "slack"), message("m3", "email", Format.EMAIL))
    assert office.drain(wait=timedelta(seconds=1)) == {"m1": "queued", "m3": "sent"}
    assert office.drain(wait=timedelta(seconds=1)) == {}
    assert office.slack.slack.calls == ["chat.postMessage"]
    assert office.drain(wait=HOUR) == {"m1": "sent", "m2": "sent"}
    assert office.clock.waits == pytest.approx([seconds, 60 / 57])
    assert office.posted == ["m1", "m2"]


def test_a_refusal_for_good_is_told_by_the_other_channel(office: Office) -> None:
    office.slack.slack.script(Fault(error="no_text"))
    queue(office.store, message("m1", "slack", subject="2 of 8 need action"), message("m2", "slack", reply_to="m1"))
    assert office.drain() == {"m1": "dead", "m2": "sent", "m1.notice-1": "sent"}
    assert "no_text" in office.get("m1").error
    letter = office.mail.messages[0].parsed
    assert letter["Subject"] == "Not delivered to slack: 2 of 8 need action"
    assert (letter["From"], letter["To"]) == ("opsbot@example.org", "ops@example.org")
    assert letter["Message-ID"] == "<m1.notice-1@example.org>"
    assert "no_text" in letter.get_content()
    assert [post.thread_ts for post in office.slack.slack.posts] == [""]


def test_a_dead_letter_is_told_on_slack_without_markup_born_of_data(office: Office) -> None:
    office.mail.moods.refusals["ops@example.org"] = "550 no such <!channel> user"
    queue(office.store, message("e1", "email", Format.EMAIL, subject="<!channel> & co"))
    assert office.drain() == {"e1": "dead", "e1.notice-1": "sent"}
    text = office.slack.messages[0]["text"]
    assert "<" not in text
    assert "550 no such &lt;!channel&gt; user" in text


@pytest.mark.parametrize(
    "subject", ["a\r\nBcc: x@evil.example", "\x00\x1b[31m\u202e", "ü" * 500, "\ud800", "", "=?utf-8?q?x?="]
)
def test_a_notice_carries_any_subject_safely(office: Office, subject: str) -> None:
    office.slack.slack.script(Fault(error="no_text"))
    queue(office.store, message("m1", "slack", subject=subject))
    assert office.drain() == {"m1": "dead", "m1.notice-1": "sent"}
    (letter,) = office.mail.messages
    assert set(letter.parsed) == {
        "From", "To", "Date", "Message-ID", "Subject", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
        "MIME-Version",
    }  # fmt: skip
    assert letter.recipients == ("ops@example.org",)


def test_a_notice_that_dies_is_not_told_of(office: Office) -> None:
    office.slack.slack.script(Fault(error="no_text"))
    office.mail.moods.refusals["ops@example.org"] = "550 no such user"
    queue(office.store, message("m1", "slack"))
    assert office.drain() == {"m1": "dead", "m1.notice-1": "dead"}
    assert len(office.store.messages()) == 2


def test_the_only_channel_dying_ends_quietly(office: Office) -> None:
    del office.channels["email"]
    office.slack.slack.script(Fault(error="no_text"))
    queue(office.store, message("m1", "slack"))
    assert office.drain() == {"m1": "dead"}


def test_f11_greylisting_is_waited_out_with_the_same_message_id(office: Office) -> None:
    office.mail.moods.greylist = 3
    queue(office.store, message("e1", "email", Format.EMAIL))
    assert office.drain() == {"e1": "sent"}
    assert [letter.message_id for letter in office.mail.messages] == ["<e1@example.org>"]
    assert office.get("e1").attempts == 4


def test_a_letter_whose_end_was_not_heard_is_repeated_with_the_same_message_id(office: Office) -> None:
    office.mail.moods.drops = 1
    queue(office.store, message("e1", "email", Format.EMAIL))
    assert office.drain() == {"e1": "sent"}
    first, second = office.mail.messages
    assert first.content == second.content
    assert first.message_id == "<e1@example.org>"


def test_f12_those_who_have_it_never_get_it_twice(office: Office) -> None:
    people = [f"{name}@example.org" for name in ("ana", "bo", "cy")]
    office.channels["email"] = world.email(office.mail.port, to=people)
    office.mail.moods.refusals |= {people[1]: "451 later", people[2]: "550 no such user"}
    queue(office.store, message("e1", "email", Format.EMAIL))
    assert office.drain(wait=None) == {"e1": "sent", "e1.notice-1": "sent"}
    assert office.get("e1").error == "refused: bo@example.org (451 later), cy@example.org (550 no such user)"
    assert "cy@example.org" in office.slack.messages[0]["text"]
    office.mail.moods.refusals.clear()
    assert office.drain() == {"e1.rest": "sent"}
    assert office.mailed == [("ana@example.org",), ("bo@example.org",)]
    assert {letter.message_id for letter in office.mail.messages} == {"<e1@example.org>"}


def test_the_rest_of_a_letter_neither_holds_up_nor_supersedes_the_next(office: Office) -> None:
    people = ["ana@example.org", "bo@example.org"]
    office.channels["email"] = world.email(office.mail.port, to=people)
    office.mail.moods.refusals[people[1]] = "451 later"
    queue(office.store, message("e1", "email", Format.EMAIL, key="health"))
    office.drain(wait=None)
    queue(office.store, message("e2", "email", Format.EMAIL, key="health"), run_id="run-2")
    office.mail.moods.refusals.clear()
    assert office.drain() == {"e2": "sent", "e1.rest": "sent"}
    assert office.mailed == [(people[0],), tuple(people), (people[1],)]


def test_a_dead_peer_is_asked_ever_more_rarely_and_given_up_after_three_days(office: Office) -> None:
    office.channels["email"] = world.email(1)
    queue(office.store, message("e1", "email", Format.EMAIL))
    assert office.drain() == {"e1": "queued", NEWS: "sent"}
    longest = max(office.clock.waits)
    assert OUTAGE_CAP.total_seconds() / 2 < longest <= OUTAGE_CAP.total_seconds() + 30
    assert 30 <= office.get("e1").attempts <= 90
    office.clock.wait(GIVE_UP.total_seconds())
    notice = f"e1.notice-{office.get('e1').attempts + 1}"
    assert office.drain() == {"e1": "dead", notice: "sent"}
    assert "not reached" in office.get("e1").error
    assert "since Fri 20 Nov 07:00 UTC" in office.slack.messages[0]["text"]
    assert len(office.slack.messages) == 2


# An outage's notice is named after its channel and its beginning.
NEWS = "email.outage-20261120T070000000000"


def test_backoff_grows_to_its_cap_and_is_the_same_every_time() -> None:
    def seconds(attempts: int, id: str = "m1", error: DeliveryError | None = None) -> float:
        return backoff(replace(message(id, "slack"), attempts=attempts), error).total_seconds()

    for attempts, full in enumerate([5, 10, 20, 40, 80, 160, 300, 300, 300], 1):
        spread = [seconds(attempts, f"m{n}") for n in range(200)]
        assert (min(spread) >= 1, max(spread) <= full) == (True, True)
        # Full jitter: as likely at once as late.
        assert (min(spread) < 0.25 * full + 1, max(spread) > 0.9 * full) == (True, True)
    assert seconds(10**9) <= BACKOFF_CAP.total_seconds()
    assert seconds(3) == seconds(3)
    assert len({seconds(3, f"m{n}") for n in range(50)}) > 45
    later = DeliveryError("451", permanent=False, patient=True)
    greylisted = [seconds(attempts, f"m{n}", later) / 60 for attempts in (1, 2, 3, 9) for n in range(100)]
    assert (min(greylisted) >= 5, max(greylisted) <= 30, max(greylisted[:100]) <= 10) == (True, True, True)


def test_a_message_to_a_channel_that_is_gone_waits_and_does_not_stop_the_others(office: Office) -> None:
    queue(office.store, message("m1", "pager"), message("e1", "email", Format.EMAIL))
    told = office.drain(wait=None)
    assert (told["m1"], told["e1"]) == ("held", "sent")
    assert "no channel 'pager' is configured" in office.get("m1").error
    assert "pager" in office.slack.messages[0]["text"]
    office.clock.wait(GIVE_UP.total_seconds())
    assert office.drain()["m1"] == "dead"


class Broken:
    """A channel with a bug in it."""

    format = Format.SLACK
    to = "nobody"
    sender = ""
    pace = 0.0
    patience = 0.0
    readable = True

    def send(self, message: Message, thread: str, card: str = "") -> str:
        raise ZeroDivisionError("secret-token-1234")

    def find(self, message: Message, thread: str = "") -> str | None:
        raise KeyError("secret-token-1234")

    def check(self) -> None:
        """Never asked here."""


def test_a_channel_with_a_bug_does_not_stop_the_others_and_tells_no_secret(office: Office) -> None:
    office.channels["broken"] = Broken()
    queue(office.store, message("m1", "broken"), message("e1", "email", Format.EMAIL))
    assert office.drain(wait=timedelta(minutes=1)) == {"m1": "queued", "e1": "sent"}
    assert office.get("m1").error in ("channel 'broken' failed: KeyError", "channel 'broken' failed: ZeroDivisionError")
    office.clock.wait(GIVE_UP.total_seconds())
    assert office.drain()["m1"] == "unknown"
    assert not any(b"secret-token" in kept.body for kept in office.store.messages())


def test_only_one_run_is_told_when_only_one_is_wanted(office: Office) -> None:
    queue(office.store, message("m1", "slack"))
    queue(office.store, message("m2", "slack", run_id="run-2"), run_id="run-2")
    assert office.drain(only_run="run-2") == {"m2": "sent"}
    assert office.posted == ["m2"]


def test_a_sender_that_stalled_past_its_lease_costs_no_second_message(office: Office) -> None:
    queue(office.store, message("m1", "slack"))
    stalled = office.store.claim(START, 120)
    assert stalled is not None
    stamp = office.channels["slack"].send(stalled, "")
    assert office.drain(wait=timedelta(minutes=1)) == {}
    assert office.drain(wait=HOUR) == {"m1": "sent"}
    office.store.settle(stalled, Delivery.QUEUED, now=office.clock.now(), error="too late")
    assert office.posted == ["m1"]
    assert (office.get("m1").state, office.get("m1").provider_id) == (Delivery.SENT, stamp)


def test_f10_blocks_that_slack_refuses_arrive_as_plain_text(office: Office) -> None:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    body = json.dumps({"text": "2 of 8 need action", "blocks": blocks, "unfurl_links": False}).encode()
    queue(office.store, replace(message("m1", "slack"), body=body))
    assert office.drain() == {"m1": "sent"}
    (post,) = office.slack.slack.posts
    assert (post.text, post.blocks, post.outbox_id) == ("x" * 3001, (), "m1")


@pytest.mark.parametrize("seed", range(2))
def test_through_a_storm_of_faults_everything_arrives_once_and_in_order(office: Office, seed: int) -> None:
    chance = random.Random(seed)
    faults = [Fault(status=503), Fault(reset=True), ACCEPTED_THEN_RESET, Fault(error="internal_error"), Fault()]
    faults += [Fault(error="ratelimited", status=429, retry_after=chance.randint(1, 900))]
    office.slack.slack.script(*chance.choices(faults, k=40))
    threads = [
        [message(f"{key}{n}", "slack", key=key, reply_to=f"{key}0" if n else None) for n in range(4)] for key in "abcde"
    ]
    queue(office.store, *(told for thread in threads for told in thread))
    while office.store.messages(states=(Delivery.QUEUED, Delivery.SENDING)):
        office.drain()
    assert sorted(office.posted) == sorted(told.id for thread in threads for told in thread)
    roots = {post.outbox_id: post.ts for post in office.slack.slack.posts if not post.thread_ts}
    for thread in threads:
        arrived = [post for post in office.slack.slack.posts if post.outbox_id[0] == thread[0].key]
        assert [post.outbox_id for post in arrived] == [told.id for told in thread]
        assert {post.thread_ts for post in arrived[1:]} == {roots[thread[0].id]}


def test_files_are_written_once(office: Office, tmp_path: Path) -> None:
    office.channels["archive"] = world.file(tmp_path / "mail")
    queue(office.store, message("e1", "archive", Format.EMAIL))
    assert office.drain() == {"e1": "sent"}
    (written,) = (tmp_path / "mail").iterdir()
    assert str(written) == office.get("e1").provider_id
    assert message_from_bytes(written.read_bytes())["Subject"] == "hello"
