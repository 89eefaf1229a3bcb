"""Words for phones and facts for machines: within their limits whatever is in them, and with nothing that is a secret."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.compose import compose, compose_notice, compose_notices
from opsbot.errors import DeliveryError
from opsbot.model.alert import Ack, Notice
from opsbot.model.message import Action, Format, Message
from opsbot.model.report import About, Report
from opsbot.model.status import Priority, Status
from opsbot.outbox import telling
from opsbot.render import event, notice, short
from opsbot.replica.blocks import problems
from tests.alerting.world import START, Night, finding
from tests.config.json_schema import faults
from tests.outbox import world
from tests.render import morning, sample


def told(tmp_path: Path, *names: str, status: str = "critical", **more: object) -> Notice:
    """The notice of these resources at their worst."""
    night = Night(tmp_path)
    found = [finding(status, name, **more) for name in names or ("backend",)]
    return next(one for one in night.look(*found).turned.notices if one.channel == "chat")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("P1 shop: CPU at 93 %", "P1 shop: CPU at 93 %"),
        ("“Größe” – 5 ≥ 4 …", '"Größe" - 5 >= 4 ...'),
        ("Łódź č", "Lodz c"),
        ("a\nb\tc\x1b[31m\u202e", "a b c"),
        ("x" * 161, "x" * 157 + "..."),
        ("€" * 81, "€" * 78 + "..."),
        ("日" * 71, "日" * 67 + "..."),
        ("", ""),
    ],
)
def test_a_text_message_fits_one_part(text: str, sent: str) -> None:
    assert short.sms(text) == sent


def test_what_to_type_is_kept_whole_or_left_out() -> None:
    tail = "opsbot ack --group opsbot-123456789012"
    assert short.sms("x" * 300, tail) == "x" * (159 - len(tail) - 3) + f"...\n{tail}"
    assert short.sms("日" * 300, tail) == "日" * 67 + "..."


@given(st.text(max_size=400), st.sampled_from(["", "opsbot ack --group opsbot-1"]))
@settings(deadline=None)
def test_no_text_is_ever_more_than_140_bytes(text: str, tail: str) -> None:
    sent = short.sms(text, tail)
    septets = short._septets(sent)
    assert septets <= 160 if septets is not None else len(sent.encode("utf-16-le", "replace")) <= 140


def test_a_page_says_what_and_how_to_take_it(tmp_path: Path) -> None:
    one = replace(told(tmp_path), priority=Priority.P1)
    assert short.notice_sms(one).startswith("P1 shop-prod: ECS CPU, backend: backend at 93 %")
    assert short.notice_sms(one).endswith(f"\nopsbot ack --group {one.key[:19]}")
    assert "opsbot ack" not in short.notice_sms(replace(one, action=Action.RESOLVE, over=one.firing, firing=()))


HOSTILE = "x<!channel>*b*`rm`\u202e\x1b[31m & xoxb-1234567890-abcdefghij" + "ü" * 3000


@pytest.mark.parametrize("format_", [Format.SLACK, Format.EMAIL, Format.EVENT, Format.TEXT, Format.JSON])
def test_no_name_breaks_any_of_them(tmp_path: Path, format_: Format) -> None:
    one = replace(told(tmp_path, HOSTILE, summary=HOSTILE, title=HOSTILE), reason=HOSTILE, tenant=HOSTILE)
    channel = _formatted(tmp_path, format_)
    body = compose_notice(one, channel, "UTC").body
    if format_ in (Format.SLACK, Format.EMAIL):
        return
    shown = body.decode()
    assert json.loads(shown)
    assert "xoxb-1234567890" not in shown
    assert "\\u001b" not in shown
    assert "\u202e" not in shown
    assert len(body) < 60_000


def _formatted(folder: Path, format_: Format) -> world.Channel:
    channel = world.file(folder / "any")
    channel.format = format_  # type: ignore[misc]
    return channel


def test_an_event_is_one_that_pagerduty_takes(tmp_path: Path) -> None:
    names = tuple(f"service-{n}" for n in range(40))
    one = replace(told(tmp_path, *names), ack=Ack(who="ana", at=START), priority=Priority.P0)
    made = event.of_notice(one)
    payload = made["payload"]
    assert (made["event_action"], made["dedup_key"], payload["severity"]) == ("trigger", one.key, "critical")
    assert payload["source"].startswith("shop-prod/")
    assert payload["custom_details"]["and"].startswith("28 more")
    assert payload["custom_details"]["acknowledge"] == f"opsbot ack --group {one.key[:19]}"
    assert all(isinstance(value, str) for value in payload["custom_details"].values())


@pytest.mark.parametrize(
    ("priority", "severity"),
    [(Priority.P0, "critical"), (Priority.P1, "error"), (Priority.P2, "warning"), (Priority.P3, "info")],
)
def test_a_priority_is_a_severity(tmp_path: Path, priority: Priority, severity: str) -> None:
    assert event.of_notice(replace(told(tmp_path), priority=priority))["payload"]["severity"] == severity


@pytest.mark.parametrize("key", ["x" * 300, "schlüssel", "a\nb"])
def test_a_key_of_any_kind_is_one_that_fits_and_stays_the_same(key: str) -> None:
    assert event.dedup_key(key) == event.dedup_key(key) != event.dedup_key(f"{key}.")
    assert len(event.dedup_key(key)) <= 255
    assert event.dedup_key("opsbot-12") == "opsbot-12"


def test_a_first_notice_is_a_card_and_a_later_one_edits_it_with_a_reply(tmp_path: Path) -> None:
    channel = _formatted(tmp_path, Format.SLACK)
    first = told(tmp_path)
    (card,) = compose_notices(first, channel, "UTC")
    assert (card.edits, card.reply_to) == (None, None)
    later = replace(first, id="later", edits=first.id, reason="worse: warning became critical", status=Status.CRITICAL)
    edit, reply = compose_notices(later, channel, "UTC")
    assert (edit.id, edit.edits, edit.key) == ("later", first.id, card.key)
    assert (reply.reply_to, reply.edits, reply.key == card.key) == ("later", None, False)
    assert b"worse: warning became critical" in reply.body
    assert list(problems(json.loads(reply.body)["blocks"])) == []


@pytest.mark.parametrize("format_", [Format.EMAIL, Format.EVENT, Format.TEXT, Format.JSON])
def test_what_cannot_be_edited_is_told_again(tmp_path: Path, format_: Format) -> None:
    later = replace(told(tmp_path), edits="before")
    (one,) = compose_notices(later, _formatted(tmp_path, format_), "UTC")
    assert (one.edits, one.reply_to) == (None, None)


def test_what_changed_names_what_it_is_about(tmp_path: Path) -> None:
    names = tuple(f"service-{n}" for n in range(9))
    one = told(tmp_path, *names)
    text = json.dumps(short.change(one, "UTC"))
    assert "9 firing" in text
    assert "and 4 more" in text
    closed = replace(one, action=Action.RESOLVE, firing=(), over=one.firing, fires=0, ended=9, reason="resolved")
    assert short.change(closed, "UTC")["text"] == "Resolved. resolved."
    assert notice.headline(replace(closed, at=START + timedelta(hours=1))).startswith("Resolved: ")


SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/webhook.schema.json").read_text())


def _known(name: str) -> set[str]:
    """The keys that the page promises of one kind of message."""
    told = next(one for one in SCHEMA["oneOf"] if one["properties"]["schema"]["const"] == name)
    return set(told["properties"])


@pytest.mark.parametrize("action", list(Action))
def test_a_webhook_s_notice_is_as_its_schema_says(tmp_path: Path, action: Action) -> None:
    one = replace(told(tmp_path, "a", "b", value=93.5, labels=(("team", "web"),)), action=action)
    made = json.loads(compose_notice(one, _formatted(tmp_path, Format.JSON), "UTC").body)
    assert list(faults(made, SCHEMA, SCHEMA)) == []
    assert set(made) == _known("opsbot.notice/1")
    assert set(made["firing"][0]) == set(SCHEMA["$defs"]["alert"]["properties"])


def _composed(folder: Path, format_: Format, report: Report, about: About) -> list[Message]:
    channel, now = _formatted(folder, format_), morning.NOW
    return list(compose(report, about, channel, "ops", (), now=now, new_id=lambda: "id"))


def test_a_webhook_s_report_is_as_its_schema_says(tmp_path: Path) -> None:
    about = replace(sample.about(), url="https://ops.example.org/runs/1")
    (message,) = _composed(tmp_path, Format.JSON, sample.report(), about)
    made = json.loads(message.body)
    assert list(faults(made, SCHEMA, SCHEMA)) == []
    assert set(made) == _known("opsbot.report/1")
    assert made["text"].startswith(("●", "✖", "!"))


@pytest.mark.parametrize("format_", [Format.EVENT, Format.TEXT, Format.JSON])
def test_what_opsbot_says_of_itself_goes_to_machines_too(tmp_path: Path, format_: Format) -> None:
    error = DeliveryError("Slack refused it: invalid_auth \ud800", permanent=True, peer=True, hint="a new token")
    late = world.message("m1", "chat", subject="Größe \ud83d")
    made = telling.of_dead_letter(late, error, "ops", _formatted(tmp_path, format_), morning.NOW)
    shown = json.loads(made.body)
    assert "invalid_auth" in made.body.decode()
    if format_ is Format.JSON:
        assert list(faults(shown, SCHEMA, SCHEMA)) == []
    if format_ is Format.EVENT:
        assert (shown["event_action"], shown["payload"]["severity"]) == ("trigger", "warning")


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (Status.CRITICAL, "trigger"), (Status.WARNING, "resolve"), (Status.INFO, "resolve"), (Status.OK, "resolve"),
        (Status.UNKNOWN, None),
    ],
)  # fmt: skip
def test_a_report_is_an_incident_while_it_is_critical(tmp_path: Path, status: Status, action: str | None) -> None:
    report = replace(sample.report(), status=status)
    found = _composed(tmp_path, Format.EVENT, report, sample.about())
    assert [json.loads(one.body)["event_action"] for one in found] == ([action] if action else [])
    # One line a job: what has not left is superseded by the next morning's.
    assert {one.key for one in found} <= {"opsbot/job/daily_health"}


def test_a_report_for_sns_is_what_a_terminal_shows_cut_to_what_anybody_reads(tmp_path: Path) -> None:
    (message,) = _composed(tmp_path, Format.TEXT, sample.report(), sample.about())
    made = json.loads(message.body)
    assert len(made["default"]) < 12_200
    assert len(made["sms"]) <= 160
    assert sample.report().headline in made["sms"]
