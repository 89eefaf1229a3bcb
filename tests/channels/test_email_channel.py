"""E-mail over real SMTP: every recipient's answer, encryption, sign-in, and what a mail server can say at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest

from opsbot import channels
from opsbot.errors import CloudError, DeliveryError
from opsbot.model.message import Format
from opsbot.ports import Channel
from opsbot.replica import mail
from tests.outbox import world
from tests.outbox.world import message

LETTER = message("e1", "email", Format.EMAIL)
HERE = "127.0.0.1"
PEOPLE = [f"{name}@example.org" for name in ("ana", "bo", "cy", "di", "ed")]


@pytest.fixture
def peer() -> Iterator[mail.Running]:
    with mail.serve() as running:
        yield running


def refused(channel: Channel) -> DeliveryError:
    with pytest.raises(DeliveryError) as told:
        channel.send(LETTER, "")
    assert "\n" not in told.value.message
    return told.value


def test_f12_every_pattern_of_refused_recipients(peer: mail.Running) -> None:
    channel = world.email(peer.port, to=PEOPLE)
    for pattern in product((True, False), repeat=len(PEOPLE)):
        peer.messages.clear()
        peer.moods.refusals = {who: "550 no such user" for who, taken in zip(PEOPLE, pattern, strict=True) if not taken}
        taken = [who for who in PEOPLE if who not in peer.moods.refusals]
        if not peer.moods.refusals:
            assert channel.send(LETTER, "") == "<e1@example.org>"
        else:
            error = refused(channel)
            assert error.permanent
            assert [who for who in PEOPLE if who in error.message] == list(peer.moods.refusals)
            assert (error.remaining is not None) is bool(taken)
        assert [letter.recipients for letter in peer.messages] == ([tuple(taken)] if taken else [])


def test_those_refused_for_now_remain(peer: mail.Running) -> None:
    peer.moods.refusals = {PEOPLE[0]: "550 no", PEOPLE[1]: "450 busy", PEOPLE[2]: "451 greylisted"}
    error = refused(world.email(peer.port, to=PEOPLE))
    assert error.remaining is not None
    assert (error.permanent, error.remaining) == (True, f"{PEOPLE[1]}, {PEOPLE[2]}")


def test_a_message_goes_to_those_it_names_and_nobody_else(peer: mail.Running) -> None:
    channel = world.email(peer.port, to=PEOPLE)
    channel.send(replace(LETTER, to=f"{PEOPLE[1]}, {PEOPLE[3]}, stranger@example.com"), "")
    channel.send(replace(LETTER, to=channel.to), "")
    assert [letter.recipients for letter in peer.messages] == [(PEOPLE[1], PEOPLE[3]), tuple(PEOPLE)]


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        pytest.param("450 4.2.1 mailbox busy", False, id="450"),
        pytest.param("451 4.7.1 greylisted", False, id="451"),
        pytest.param("550 5.1.1 no such user", True, id="550"),
    ],
)
def test_when_nobody_is_taken_it_depends_on_why(peer: mail.Running, answer: str, permanent: bool) -> None:
    peer.moods.refusals = {"ops@example.org": answer}
    error = refused(world.email(peer.port))
    assert (error.permanent, error.ambiguous) == (permanent, False)
    assert answer in error.message.replace("(", "").replace(")", "")


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [pytest.param("452 no space", False, id="452"), pytest.param("552 too big", True, id="552")],
)
def test_a_refusal_at_the_end_of_data(peer: mail.Running, answer: str, permanent: bool) -> None:
    peer.moods.at_data = [answer]
    error = refused(world.email(peer.port))
    assert (error.permanent, error.ambiguous) == (permanent, False)
    assert answer in error.message


def test_a_hang_up_after_data_leaves_doubt(peer: mail.Running) -> None:
    peer.moods.drops = 1
    error = refused(world.email(peer.port))
    assert (error.permanent, error.ambiguous) == (False, True)
    assert len(peer.messages) == 1


@pytest.mark.parametrize("answer", ["421 going down", "500 what?"])
def test_an_odd_farewell_does_not_make_it_undelivered(peer: mail.Running, answer: str) -> None:
    peer.moods.at_quit = answer
    assert world.email(peer.port).send(LETTER, "") == "<e1@example.org>"
    assert len(peer.messages) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_an_encrypted_and_signed_in_letter(tls: str) -> None:
    with mail.serve(tls=tls, login=("opsbot", "s3cret")) as peer:
        channel = world.email(
            peer.port, tls=tls, ca_file=peer.ca_file, user="opsbot", password="env:SMTP", secret="s3cret"
        )
        channel.check()
        assert channel.send(LETTER, "") == "<e1@example.org>"
        assert len(peer.messages) == 1


def _wrong_password(peer: mail.Running, tls: str) -> Channel:
    return world.email(
        peer.port, tls=tls, ca_file=peer.ca_file, user="opsbot", password="env:SMTP", secret="wrong-1234"
    )


def _strict(peer: mail.Running, tls: str) -> Channel:
    return world.email(peer.port, tls=tls)


def _trusting(peer: mail.Running, tls: str) -> Channel:
    return world.email(peer.port, tls=tls, ca_file=peer.ca_file)


@pytest.mark.parametrize(
    ("served", "name", "asked", "channel", "told"),
    [
        pytest.param("none", HERE, "starttls", _trusting, "it offers no STARTTLS; nothing was sent", id="stripped"),
        pytest.param("starttls", HERE, "starttls", _strict, "certificate was refused: self", id="unknown"),
        pytest.param("implicit", HERE, "implicit", _strict, "certificate was refused: self", id="unknown, 465"),
        pytest.param("starttls", "mail.example.com", "starttls", _trusting, "IP address mismatch", id="other name"),
        pytest.param("none", HERE, "implicit", _trusting, "no TLS could be agreed on", id="not a TLS port"),
        pytest.param("starttls", HERE, "starttls", _wrong_password, "sign-in was refused: 535", id="535"),
    ],
)  # fmt: skip
def test_f13_what_is_not_safe_is_refused_in_one_line(
    served: str, name: str, asked: str, channel: Callable[[mail.Running, str], Channel], told: str
) -> None:
    with mail.serve(tls=served, login=("opsbot", "s3cret"), certificate_for=name) as peer:
        error = refused(channel(peer, asked))
        assert peer.messages == []
    assert error.permanent
    assert told in error.message
    assert error.hint
    assert "wrong-1234" not in error.message + error.hint


def test_a_server_without_sign_in_is_told(peer: mail.Running) -> None:
    error = refused(world.email(peer.port, user="opsbot", password="env:SMTP", secret="s3cret"))
    assert error.permanent
    assert "AUTH" in error.message


def test_a_whole_letter_is_not_touched_and_a_bare_one_is_completed(peer: mail.Running) -> None:
    channel = world.email(peer.port)
    channel.send(LETTER, "")
    channel.send(replace(LETTER, body="Subject: bare\n\n.leading dot and ümlaut\n".encode()), "")
    whole, bare = peer.messages
    # The dates of a letter come from the message, not from a clock: a retry is the same bytes.
    assert whole.content.replace(b"Date: Fri, 20 Nov 2026 07:00:00 +0000\r\n", b"") == LETTER.body
    assert {name: bare.parsed[name] for name in ("From", "To", "Date", "Message-ID")} == {
        "From": "opsbot@example.org",
        "To": "ops@example.org",
        "Date": "Fri, 20 Nov 2026 07:00:00 +0000",
        "Message-ID": "<e1@example.org>",
    }
    assert bare.content.endswith(b"\r\n.leading dot and \xc3\xbcmlaut\r\n")


def _ses(answer: Callable[..., str] | None) -> Channel:
    table = {"kind": "email", "via": "ses", "region": "eu-central-1", "from": "opsbot@example.org", "to": PEOPLE[:2]}
    settings, problems = channels.decode("email", table)
    assert settings is not None, problems
    return channels.build("email", settings, lambda _reference: "", answer)


def test_ses_gets_the_region_the_people_and_the_bytes() -> None:
    asked: list[object] = []

    def send(region: str, sender: str, to: list[str], raw: bytes) -> str:
        asked.append((region, sender, to, raw[-7:]))
        return "0102-ses-id"

    assert _ses(send).send(LETTER, "") == "0102-ses-id"
    assert asked == [("eu-central-1", "opsbot@example.org", PEOPLE[:2], b"hello\r\n")]


@pytest.mark.parametrize("permanent", [True, False])
def test_a_refusal_of_ses_keeps_its_meaning(permanent: bool) -> None:
    def send(region: str, sender: str, to: list[str], raw: bytes) -> str:
        raise CloudError("ses:SendEmail denied", permanent=permanent, hint="see: opsbot iam-policy")

    error = refused(_ses(send))
    assert (error.permanent, error.hint) == (permanent, "see: opsbot iam-policy")


def test_ses_without_aws_is_told() -> None:
    assert refused(_ses(None)).permanent
