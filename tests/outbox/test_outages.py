"""Channels that take nothing: for a while, until somebody acts, or only some of what they are given."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from opsbot.channels.plain import LONGEST, MOST_PARTS, parts
from opsbot.model.message import Delivery, Format, Message
from opsbot.model.status import Status
from opsbot.replica import mail
from opsbot.replica.slack import Fault
from tests.fault_proxy import Toxics, fault_proxy
from tests.outbox import world
from tests.outbox.office import HOUR, Office
from tests.outbox.world import START, message, queue

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    "toxics",
    [
        pytest.param(Toxics(latency=0.02), id="latency"),
        pytest.param(Toxics(black_hole=True), id="timeout"),
        pytest.param(Toxics(reset_request_after=200), id="reset in mid-request"),
        pytest.param(Toxics(reset_answer_after=0), id="reset before the answer"),
        pytest.param(Toxics(reset_answer_after=40), id="reset in mid-answer"),
        pytest.param(Toxics(slice_bytes=7), id="slicer"),
        pytest.param(Toxics(bandwidth=20_000), id="bandwidth"),
        pytest.param(Toxics(slow_close=0.2), id="slow close"),
        pytest.param(Toxics(down=True), id="down"),
    ],
)
def test_f09_whatever_a_network_does_a_message_is_posted_once(office: Office, toxics: Toxics) -> None:
    """The first connection goes wrong, the later ones do not."""
    with fault_proxy(office.slack.port) as proxy:
        proxy.toxics = toxics
        office.channels["slack"] = world.slack(proxy.url, timeout=0.3)
        queue(office.store, message("m1", "slack"))
        office.drain(wait=None)
        proxy.toxics = Toxics()
        office.drain()
        assert proxy.connections >= 1
    assert office.slack.idle()
    assert (office.posted, office.get("m1").state) == (["m1"], Delivery.SENT)
    assert office.store.outages() == ()


@pytest.mark.parametrize(
    ("toxics", "copies"),
    [
        pytest.param(Toxics(black_hole=True), 1, id="timeout"),
        pytest.param(Toxics(reset_request_after=60), 1, id="reset before the letter"),
        pytest.param(Toxics(slice_bytes=5), 1, id="slicer"),
        pytest.param(Toxics(down=True), 1, id="down"),
    ],
)
def test_f09_a_letter_survives_its_network(office: Office, toxics: Toxics, copies: int) -> None:
    with fault_proxy(office.mail.port) as proxy:
        proxy.toxics = toxics
        office.channels["email"] = world.email(proxy.port, timeout=0.3)
        queue(office.store, message("e1", "email", Format.EMAIL))
        office.drain(wait=None)
        proxy.toxics = Toxics()
        office.drain()
    assert [letter.message_id for letter in office.mail.messages] == ["<e1@example.org>"] * copies


SHUT = [
    "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "channel_not_found",
    "not_in_channel", "is_archived", "missing_scope", "restricted_action", "access_denied", "org_login_required",
]  # fmt: skip


@pytest.mark.parametrize("code", SHUT)
def test_f10_what_only_a_person_can_mend_is_told_elsewhere_once_and_kept(office: Office, code: str) -> None:
    office.slack.slack.script(*[Fault(error=code)] * 500)
    queue(office.store, *(message(f"m{n}", "slack") for n in range(5)))
    told = office.drain(wait=HOUR)
    assert set(told.values()) == {"held", "sent"}
    (letter,) = office.mail.messages
    assert letter.parsed["Subject"] == "opsbot cannot deliver to slack"
    assert code in letter.parsed.get_content()
    assert "opsbot outbox retry --channel slack" in letter.parsed.get_content()
    (trouble,) = office.troubles
    assert trouble.startswith("slack takes nothing for 1 h, 5 messages wait: #ops: chat.postMessage: Slack refused it:")
    # Rarely enough to fill nobody's log: every 15 minutes at most, once it is clear.
    assert office.slack.slack.calls.count("chat.postMessage") < 20


def test_f10_once_mended_everything_arrives_in_one_thread_with_its_delay(office: Office) -> None:
    office.slack.slack.script(Fault(error="not_in_channel"))
    queue(office.store, *(message(f"m{n}", "slack", created_at=START + n * MINUTE) for n in range(3)))
    office.drain(wait=None)
    assert (office.posted, [told.state.value for told in office.store.messages(channel="slack")]) == (
        [], ["held", "queued", "queued"],
    )  # fmt: skip
    office.clock.wait(5 * 3600)
    office.drain()
    cover, *members = office.slack.slack.posts
    assert cover.text.startswith("Delayed 5 h: 3 messages")
    assert [(post.outbox_id, post.thread_ts) for post in members] == [(f"m{n}", cover.ts) for n in range(3)]
    assert office.troubles == ()


def test_f10_what_nobody_mends_is_given_up_after_three_days_and_said_so(office: Office) -> None:
    office.slack.slack.script(*[Fault(error="not_in_channel")] * 20)
    queue(office.store, message("m1", "slack"))
    for hours in (0, 1, 73):
        office.clock.wait(hours * 3600)
        office.drain(wait=None)
    assert office.get("m1").state is Delivery.DEAD
    assert [letter.parsed["Subject"] for letter in office.mail.messages] == [
        "opsbot cannot deliver to slack", "Not delivered to slack: Delayed 1 h: 1 message",
    ]  # fmt: skip
    assert office.troubles == ("2 messages were not delivered to slack: opsbot outbox list --channel slack",)


def test_f10_a_retry_by_hand_gives_a_dead_letter_three_more_days(office: Office) -> None:
    office.slack.slack.script(Fault(error="no_text"), Fault(error="invalid_auth"))
    queue(office.store, message("m1", "slack"))
    assert office.drain(wait=None)["m1"] == "dead"
    office.clock.wait(73 * 3600)
    assert office.store.retry(["m1"], "ana", office.clock.now(), "token is new") == ("m1",)
    assert office.drain(wait=None)["m1"] == "held"
    assert office.store.reopen(["slack"]) is None
    office.drain(wait=None)
    assert office.get("m1").state is Delivery.SENT
    assert [(one.who, one.what, one.reason) for one in office.store.interventions("m1")] == [
        ("ana", "retry", "token is new")
    ]


def test_f10_an_outage_that_ends_before_it_was_told_is_not_told(office: Office) -> None:
    office.channels["email"] = world.email(1)
    office.slack.slack.script(Fault(error="invalid_auth"))
    queue(office.store, message("m1", "slack"))
    office.drain(wait=None)
    office.drain(wait=2 * MINUTE)
    assert office.get("m1").state is Delivery.SENT
    notices = [kept.state for kept in office.store.messages(channel="email")]
    assert notices == [Delivery.SUPERSEDED]


LONG = "\n".join(f"line {n:05} of a report that is longer than Slack takes" for n in range(200))


def _long(id: str) -> Message:
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in parts(LONG, [])]
    return replace(message(id, "slack"), body=json.dumps({"text": "headline", "blocks": blocks}).encode())


def test_f10_what_is_too_long_for_one_message_follows_in_its_thread(office: Office) -> None:
    office.slack.slack.script(Fault(error="msg_blocks_too_long"))
    queue(office.store, _long("m1"), message("m2", "slack", reply_to="m1"))
    office.drain()
    root, *replies = office.slack.slack.posts
    texts = [post.text for post in office.slack.slack.posts if post.outbox_id != "m2"]
    assert "\n".join(texts) == LONG
    assert all(len(text) <= LONGEST for text in texts)
    assert {post.thread_ts for post in replies} == {root.ts}
    assert [post.outbox_id for post in office.slack.slack.posts] == ["m1", "m2", "m1.part-2", "m1.part-3"]


@pytest.mark.parametrize(
    ("text", "many"),
    [
        pytest.param("", 1, id="nothing"),
        pytest.param("x" * LONGEST, 1, id="just one"),
        pytest.param("x" * (LONGEST + 1), 2, id="no place to cut"),
        pytest.param("word " * 3000, 4, id="between words"),
        pytest.param("x" * 100_000, MOST_PARTS, id="without end"),
    ],
)
def test_f10_parts_hold_every_character_or_say_how_many_are_missing(text: str, many: int) -> None:
    told = parts(text, [])
    assert (len(told), max(map(len, told)) <= LONGEST) == (many, True)
    if many < MOST_PARTS and text:
        assert "".join("".join(told).split()) == "".join(text.split())
    if many == MOST_PARTS:
        assert "characters more" in told[-1]


def test_f10_blocks_become_the_same_words() -> None:
    plain = {"type": "plain_text", "text": "Verdict"}
    blocks = [
        {"type": "header", "text": plain},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*a*"}, {"type": "mrkdwn", "text": "b"}]},
        {"type": "context", "elements": [plain, plain]},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}, {"type": "raw_text", "text": "1"}]]},
        {"type": "divider"},
        {"type": "nonsense", "text": plain},
        "not a block",
    ]
    assert parts("fallback", blocks) == ["Verdict\n*a*\nb\nVerdict | Verdict\nx | 1"]


def test_f11_greylisting_is_asked_again_in_5_to_30_minutes_and_for_two_days(office: Office) -> None:
    office.mail.moods.greylist = 10**6
    queue(office.store, message("e1", "email", Format.EMAIL))
    assert office.drain(wait=12 * HOUR)["e1"] == "queued"
    assert all(300 <= wait <= 1800 for wait in office.clock.waits)
    assert 12 * 2 <= office.get("e1").attempts <= 12 * 12
    assert office.store.outages() == ()
    office.clock.moment = START + 47.5 * HOUR
    assert office.drain(wait=HOUR)["e1"] == "dead"
    assert "451 4.7.1 greylisted" in office.slack.messages[0]["text"]


def test_f11_a_greylisted_letter_is_no_late_backlog(office: Office) -> None:
    office.mail.moods.greylist = 6
    queue(office.store, message("e1", "email", Format.EMAIL))
    assert office.drain(wait=4 * HOUR) == {"e1": "sent"}
    assert [letter.message_id for letter in office.mail.messages] == ["<e1@example.org>"]


PEOPLE = [f"{name}@example.org" for name in ("ana", "bo", "cy", "di", "ed")]


def test_f12_every_pattern_of_refusals_reaches_each_who_can_be_reached_once(office: Office) -> None:
    """Every subset refused for now, and of it every other one for good."""
    office.channels["email"] = world.email(office.mail.port, to=PEOPLE)
    for number, taken in enumerate(product((True, False), repeat=len(PEOPLE))):
        refused = [who for who, is_taken in zip(PEOPLE, taken, strict=True) if not is_taken]
        gone = refused[::2]
        office.mail.messages.clear()
        office.mail.moods.refusals = dict.fromkeys(refused, "450 busy") | dict.fromkeys(gone, "550 no such user")
        letter = message(f"e{number}", "email", Format.EMAIL, created_at=office.clock.now())
        queue(office.store, letter, run_id=f"run-{number}")
        office.drain(wait=None)
        office.mail.moods.refusals = dict.fromkeys(gone, "550 no such user")
        office.drain(wait=2 * HOUR)
        got = [who for letter in office.mail.messages for who in letter.recipients]
        assert sorted(got) == sorted(who for who in PEOPLE if who not in gone)
        assert len({letter.message_id for letter in office.mail.messages}) <= 1
        told = " ".join(message.error for message in office.store.messages(channel="email")[-3:])
        assert [who for who in gone if who not in told] == []


@pytest.mark.parametrize(
    ("served", "asked", "why"),
    [
        pytest.param("none", "starttls", "it offers no STARTTLS; nothing was sent", id="STARTTLS stripped"),
        pytest.param("starttls", "starttls", "its certificate was refused: self-signed", id="bad certificate"),
        pytest.param("plain", "none", "sign-in was refused: 535", id="AUTH 535"),
    ],
)
def test_f13_what_is_not_safe_is_not_sent_and_told_on_slack_in_one_line(
    office: Office, served: str, asked: str, why: str
) -> None:
    login = ("opsbot", "s3cret") if served == "plain" else None
    secrets = {"user": "opsbot", "password": "env:SMTP", "secret": "wrong-1234"} if login else {}
    with mail.serve(tls="none" if served == "plain" else served, login=login) as peer:
        office.channels["email"] = world.email(peer.port, tls=asked, **secrets)  # type: ignore[arg-type]
        queue(office.store, *(message(f"e{n}", "email", Format.EMAIL) for n in range(3)))
        office.drain(wait=HOUR)
        assert peer.messages == []
    assert {kept.state.value for kept in office.store.messages(channel="email")} == {"held"}
    (post,) = office.slack.slack.posts
    assert [line for line in post.text.splitlines() if why in line]
    assert "wrong-1234" not in post.text
    assert [why in trouble for trouble in office.troubles] == [True]


def test_f29_after_six_hours_without_a_network_the_backlog_comes_as_one_thread(office: Office) -> None:
    live = dict(office.channels)
    office.channels |= {"slack": world.slack("http://127.0.0.1:1"), "email": world.email(1)}
    for hour in range(6):
        now = office.clock.now()
        statuses = Status.CRITICAL if hour == 3 else Status.INFO
        root = message(f"s{hour}", "slack", created_at=now, subject=f"report {hour}", status=statuses)
        after = now + timedelta(microseconds=1)
        reply = message(f"r{hour}", "slack", created_at=after, subject=f"report {hour}", reply_to=root.id)
        letter = message(f"e{hour}", "email", Format.EMAIL, created_at=now, subject=f"report {hour}")
        told = [replace(one, run_id=f"run-{hour}") for one in (root, reply, letter)]
        queue(office.store, *told, run_id=f"run-{hour}")
        office.drain(wait=MINUTE)
        office.clock.moment = START + (hour + 1) * HOUR
    office.channels |= live
    queue(office.store, message("fresh", "slack", created_at=office.clock.now()), run_id="run-fresh")
    office.drain()
    _assert_slack_thread(office)
    _assert_mail_thread(office)
    assert office.store.outages() == ()


def _assert_slack_thread(office: Office) -> None:
    posts = [post for post in office.slack.slack.posts if not post.outbox_id.startswith("email.")]
    cover = next(post for post in posts if post.text.startswith("Delayed"))
    assert cover.text.splitlines()[0] == "Delayed 6 h: 6 messages"
    # The worst is named first, the rest as it came.
    assert [line.split()[-1] for line in cover.text.splitlines()[2:]] == ["3", "0", "1", "2", "4", "5"]
    members = [post.outbox_id for post in posts if post.thread_ts == cover.ts]
    assert members == [f"{kind}{hour}" for hour in range(6) for kind in "sr"]
    assert [post.outbox_id for post in posts if not post.thread_ts and post is not cover] == ["fresh"]


def _assert_mail_thread(office: Office) -> None:
    cover, *letters = [letter.parsed for letter in office.mail.messages if "slack" not in letter.parsed["Subject"]]
    assert cover["Subject"] == "Delayed 6 h: 6 messages"
    assert [letter["Message-ID"] for letter in letters] == [f"<e{hour}@example.org>" for hour in range(6)]
    assert {letter["In-Reply-To"] for letter in letters} == {cover["Message-ID"]}


def test_f29_a_cover_that_had_to_wait_says_how_late_everything_is_by_then(office: Office) -> None:
    queue(office.store, message("m1", "slack"))
    office.clock.wait(2 * 3600)
    office.slack.slack.script(Fault(error="is_archived"))
    office.drain(wait=None)
    assert office.posted == []
    office.clock.wait(3600)
    office.drain()
    cover, late = office.slack.slack.posts
    assert (cover.text.splitlines()[0], late.outbox_id) == ("Delayed 3 h: 1 message", "m1")


def test_f08_the_worst_leaves_first_and_lines_keep_their_order(office: Office) -> None:
    queue(
        office.store,
        message("i1", "slack"),
        message("w1", "slack", status=Status.WARNING),
        message("a1", "slack", key="line", status=Status.INFO),
        message("a2", "slack", key="line", status=Status.CRITICAL, reply_to="a1"),
        message("c1", "slack", status=Status.CRITICAL),
    )
    office.drain()
    assert office.posted == ["c1", "w1", "i1", "a1", "a2"] or office.posted == ["c1", "w1", "a1", "a2", "i1"]
    assert office.posted.index("a1") < office.posted.index("a2")


def test_a_message_that_breaks_its_peer_does_not_hold_up_the_others(office: Office) -> None:
    """Slack answers 500 to one message whenever it comes."""
    queue(office.store, message("poison", "slack", status=Status.CRITICAL), message("m1", "slack"))
    office.slack.slack.poison = "poison"
    office.drain(wait=10 * MINUTE)
    assert office.posted == ["m1"]
    assert office.get("poison").state is Delivery.QUEUED
