"""A clock that was ahead, and was set right: what it stamped holds nothing up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsbot.model.message import Delivery
from opsbot.outbox import Sender
from opsbot.replica.slack import Fault
from tests.outbox import world
from tests.outbox.office import Office
from tests.outbox.world import START, message, queue

AHEAD = timedelta(days=1)


def test_what_a_dead_sender_of_tomorrow_holds_is_due_and_is_sent(office: Office) -> None:
    queue(office.store, message("m1", "slack"))
    assert office.store.claim(START + AHEAD, 60) is not None
    assert office.store.messages_due(START)["slack"] <= START
    # Whoever holds it by a clock that is right is left alone.
    assert office.store.messages_due(START + AHEAD)["slack"] > START + AHEAD
    assert office.drain() == {"m1": "sent"}
    assert office.store.messages_due(START) == {}


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(error="is_archived"), Fault(error="ratelimited", status=429, retry_after=3600)],
    ids=["an outage", "held", "429"],
)  # fmt: skip
def test_what_failed_tomorrow_is_tried_again_today(office: Office, fault: Fault) -> None:
    """The wait of the message, and that of its channel."""
    office.slack.slack.script(fault)
    queue(office.store, message("m1", "slack", created_at=START + AHEAD))
    office.clock.moment = START + AHEAD
    office.drain(wait=None)
    assert office.get("m1").state is not Delivery.SENT
    office.clock.moment = START
    assert office.store.messages_due(START)["slack"] <= START
    (taken,) = office.store.claim_of("slack", START, 60)
    assert taken.id == "m1"


@pytest.mark.parametrize("wait", [60, 3600])
def test_a_wait_that_a_peer_asked_for_is_kept(office: Office, wait: int) -> None:
    office.slack.slack.script(Fault(error="ratelimited", status=429, retry_after=wait))
    queue(office.store, message("m1", "slack"))
    office.drain(wait=None)
    assert office.store.messages_due(START)["slack"] == START + timedelta(seconds=wait)
    assert office.store.claim_of("slack", START, 60) == ()


def test_the_daemons_sender_takes_up_what_a_sender_of_tomorrow_held(office: Office) -> None:
    """It ends because nothing was due for a while: by then it has sent it."""
    queue(office.store, message("m1", "slack"))
    assert office.store.claim(START + AHEAD, 60) is not None
    channels = {"slack": world.slack(office.slack.url, max_per_minute=0)}
    idle, poll = timedelta(seconds=0.3), timedelta(milliseconds=20)
    Sender(office.store, channels, now=lambda: START, idle=idle, poll=poll).run()
    assert office.posted == ["m1"]
