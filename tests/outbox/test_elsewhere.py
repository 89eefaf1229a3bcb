"""A page whose channel takes nothing: others hear of it within a minute, once, and the page itself is not given up."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from opsbot.model.message import Action, Delivery, Format, Message
from opsbot.model.status import Priority
from opsbot.outbox import Sender
from opsbot.replica import pagerduty
from opsbot.replica.receiver import Reply
from opsbot.replica.slack import Fault
from tests.outbox import world
from tests.outbox.office import Office
from tests.outbox.world import START, message, queue

SHUT = Fault(error="is_archived")
SLOW = Fault(error="ratelimited", status=429, retry_after=3600)
ERROR = Fault(status=503)


def page(id: str = "m1", channel: str = "slack", format_: Format = Format.SLACK, **changes: object) -> Message:
    told: dict[str, object] = {"action": Action.TRIGGER, "priority": Priority.P0, "subject": "P0 shop-prod: down"}
    return message(id, channel, format_, **told | changes)


def letters(office: Office) -> list[str]:
    return [str(letter.parsed["Subject"]) for letter in office.mail.messages]


@pytest.mark.parametrize("fault", [ERROR, SLOW], ids=["an error", "asked to wait an hour"])
def test_a_page_is_told_elsewhere_after_a_minute_and_once(office: Office, fault: Fault) -> None:
    office.slack.slack.script(*[fault] * 50)
    queue(office.store, page())
    office.drain(wait=timedelta(seconds=40))
    assert letters(office) == []
    office.clock.moment = START + timedelta(seconds=70)
    office.drain(wait=timedelta(minutes=10))
    assert letters(office) == ["Not yet delivered to slack: P0 shop-prod: down"]
    assert b"opsbot alerts" in office.mail.messages[0].content
    assert office.get("m1").state is Delivery.QUEUED


def test_what_waits_behind_a_shut_channel_without_being_tried_is_told_too(office: Office) -> None:
    office.slack.slack.script(SLOW)
    queue(office.store, message("report", "slack"))
    office.drain(wait=None)
    queue(office.store, page(), run_id="run-2")
    office.clock.moment += timedelta(minutes=2)
    office.drain(wait=None)
    assert (office.get("m1").attempts, letters(office)) == (0, ["Not yet delivered to slack: P0 shop-prod: down"])


@pytest.mark.parametrize(
    ("changes", "minutes", "told"),
    [
        pytest.param({"priority": Priority.P1}, 3, 0, id="P1 after three minutes"),
        pytest.param({"priority": Priority.P1}, 6, 1, id="P1 after six"),
        pytest.param({"priority": Priority.P2}, 14, 0, id="P2"),
        pytest.param({"action": Action.RESOLVE}, 14, 0, id="an end"),
        pytest.param({"action": Action.NONE, "priority": None}, 14, 0, id="a report"),
        pytest.param({"not_before": START + timedelta(minutes=30)}, 14, 0, id="it gathers still"),
    ],
)
def test_only_what_cannot_wait_is_told_elsewhere(
    office: Office, changes: dict[str, object], minutes: int, told: int
) -> None:
    office.slack.slack.script(*[ERROR] * 50)
    queue(office.store, page(**changes))
    office.drain(wait=None)
    office.clock.moment = START + timedelta(minutes=minutes)
    office.drain(wait=None)
    assert len(letters(office)) == told


def test_of_an_old_page_that_nobody_has_tried_yet_nothing_is_said(office: Office) -> None:
    """The daemon was off for an hour."""
    queue(office.store, page())
    office.clock.moment += timedelta(minutes=20)
    assert office.store.claim(office.clock.now(), 60) is not None
    assert office.store.stranded({Priority.P0: timedelta(minutes=1)}, office.clock.now()) == ()


def test_it_is_told_by_who_does_not_know_yet_and_rings(office: Office) -> None:
    """The letters' people have heard of the group; the pager's have not."""
    with pagerduty.serve() as running:
        office.channels["pager"] = world.pagerduty(running.url)
        office.slack.slack.script(*[ERROR] * 50)
        queue(office.store, page(key="trouble"), page("m2", "email", Format.EMAIL, key="trouble"))
        office.drain(wait=None)
        office.clock.moment += timedelta(minutes=2)
        office.drain(wait=None)
        assert [one.payload["summary"] for one in running.pagerduty.open] == [
            "Not yet delivered to slack: P0 shop-prod: down"
        ]
    assert letters(office) == ["hello"]


def test_what_is_told_elsewhere_calls_by_name_and_is_not_told_on(office: Office) -> None:
    office.channels["slack"] = world.slack(office.slack.url, max_per_minute=0, mention=["U0ANA"])
    office.channels["pager"] = world.pagerduty("http://127.0.0.1:9")
    del office.channels["email"]
    queue(office.store, page(channel="pager", format_=Format.EVENT))
    office.drain(wait=None)
    office.clock.moment += timedelta(minutes=2)
    office.drain(wait=timedelta(minutes=8))
    (post,) = office.slack.slack.posts
    assert "<@U0ANA>" in str(post.blocks)
    assert post.outbox_id == "m1.elsewhere"


def test_with_no_other_channel_it_waits(office: Office) -> None:
    del office.channels["email"]
    office.slack.slack.script(*[ERROR] * 50)
    queue(office.store, page())
    office.drain(wait=timedelta(minutes=10))
    assert [one.id for one in office.store.messages()] == ["m1"]


def test_two_senders_tell_it_once(office: Office) -> None:
    queue(office.store, page())
    claimed = office.store.claim(START, 60)
    assert claimed is not None
    notice = message("m1.elsewhere", "email", Format.EMAIL)
    assert [office.store.detour(claimed, notice) for _ in range(2)] == [True, False]
    office.store.settle(claimed, Delivery.SENT, now=START)
    assert not office.store.detour(claimed, message("other", "email", Format.EMAIL))


def test_the_daemons_sender_tells_it_while_its_channel_is_shut(office: Office) -> None:
    """It asks for an hour; the letter leaves at once, for the page is two minutes old."""
    moment = datetime.now(UTC)
    with pagerduty.serve() as running:
        running.receiver.judge = lambda _arrived: Reply(status=429, headers={"Retry-After": "3600"})
        channels = office.channels | {"pager": world.pagerduty(running.url)}
        del channels["slack"]
        queue(office.store, page(channel="pager", format_=Format.EVENT, created_at=moment - timedelta(minutes=2)))
        (claimed,) = office.store.claim_of("pager", moment, 60)
        later = moment + timedelta(hours=1)
        office.store.settle(claimed, Delivery.QUEUED, now=moment, not_before=later, hold_channel=True)
        sender = Sender(office.store, channels, now=lambda: datetime.now(UTC), poll=timedelta(milliseconds=20))
        thread = threading.Thread(target=sender.run)
        thread.start()
        try:
            end, pause = time.monotonic() + 20, threading.Event()
            while not office.mail.messages and time.monotonic() < end:
                pause.wait(0.01)
        finally:
            sender.stop(timedelta(0))
            thread.join()
    assert letters(office) == ["Not yet delivered to pager: P0 shop-prod: down"]
