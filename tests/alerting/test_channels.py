"""One trouble from its first finding to its end, in every system that people use for it, through the outbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest

from opsbot.alerting import Book, Looked, Route, turn
from opsbot.compose import compose_notices
from opsbot.model.status import Priority
from opsbot.outbox import deliver
from opsbot.ports import Step
from opsbot.replica import pagerduty, receiver, slack
from opsbot.replica.receiver import Reply, Trouble
from tests.alerting.world import Night
from tests.outbox import world

PAGE = Route(name="page", priority=Priority.P1, channels=("pager", "chat", "mail"))


class House(Night):
    """A night with a real Slack, PagerDuty and webhook (under the name of the mail) at the other end."""

    def reach(self, chat: slack.Running, pager: pagerduty.Running, hook: receiver.Receiver) -> None:
        self.chat, self.pager, self.hook = chat.slack, pager.pagerduty, hook
        self.paged = pager.receiver
        self.channels |= {
            "chat": world.slack(chat.url), "pager": world.pagerduty(pager.url),
            "mail": world.webhook(hook.url, now=lambda: self.now),
        }  # fmt: skip

    def step(self, book: Book, looked: Looked | None) -> Step:
        turned = turn(book, self.policy, self.now, self.new_id, looked)
        told = (compose_notices(one, self.channels[one.channel], "UTC") for one in turned.notices)
        return Step(turned=turned, messages=tuple(chain.from_iterable(told)))

    def arrived(self) -> list[str]:
        """Deliver, waiting for what is tried again; nothing is collected, the peers know."""
        deliver(self.store, self.channels, now=lambda: self.now, wait=self.wait, until=self.now + timedelta(minutes=2))
        return []

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def cards(self) -> list[str]:
        return [post.text for post in self.chat.posts if not post.thread_ts]

    @property
    def thread(self) -> list[str]:
        return [post.text.partition(".")[0] for post in self.chat.posts if post.thread_ts]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with ExitStack() as stack:
        night = House(tmp_path, routes=(PAGE,))
        night.reach(
            stack.enter_context(slack.serve(pace=0, now=lambda: night.now.timestamp())),
            stack.enter_context(pagerduty.serve()),
            stack.enter_context(receiver.serve()),
        )
        yield night


def test_a_trouble_is_one_card_one_incident_and_a_fact_a_change(house: House) -> None:
    house.sees(backend="warning")
    house.passes(minutes=10)
    house.sees(backend="critical")
    house.ack("backend", who="ana")
    assert [one.status for one in house.pager.open] == ["acknowledged"]
    house.passes(minutes=10)
    house.sees(backend="ok")
    house.passes(minutes=30)
    house.sees(backend="ok")
    assert len(house.cards) == 1
    assert house.cards[0].startswith("Resolved: shop-prod: ECS CPU, backend")
    assert house.thread == ["P1: 1 firing", "In hand: ana", "Resolved"]
    assert house.pager.open == []
    assert len(house.pager.incidents) == 1
    facts = [json.loads(one.body) for one in house.hook.requests]
    assert [one["action"] for one in facts] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert len({one["key"] for one in facts}) == 1


TROUBLES = [
    Trouble(reset=True),
    Trouble(reset=True, accepted=True),
    Trouble(half=True, accepted=True),
    Trouble(reply=Reply(status=429, headers={"Retry-After": "3"})),
    Trouble(reply=Reply(status=500)),
    Trouble(reply=Reply(status=202, body=b"<html>"), accepted=True),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=["drop", "taken", "half", "429", "500", "wrong JSON"])
def test_no_incident_is_left_open_whatever_a_network_does(house: House, trouble: Trouble) -> None:
    house.paged.script(trouble, trouble)
    house.hook.script(trouble)
    house.sees(backend="critical")
    house.passes(minutes=10)
    house.paged.script(trouble)
    house.sees(backend="ok")
    house.passes(minutes=30)
    house.sees(backend="ok")
    assert house.pager.open == []
    assert [one.payload["severity"] for one in house.pager.incidents] == ["error"]
    assert house.cards[0].startswith("Resolved")
    ids = [one.headers["idempotency-key"] for one in house.hook.requests]
    assert len(set(ids)) == 2


def test_after_its_end_a_new_trouble_is_a_new_card_and_a_new_incident(house: House) -> None:
    for status in ("critical", "ok", "ok", "critical"):
        house.sees(backend=status)
        house.passes(minutes=40)
    assert len(house.cards) == len(house.pager.incidents) == 2
    assert len(house.pager.open) == 1


def test_a_card_that_somebody_deleted_comes_back_with_its_next_change(house: House) -> None:
    house.sees(backend="warning")
    house.chat.delete(house.chat.posts[0].ts)
    house.sees(backend="critical")
    assert len(house.cards) == 1
    assert len(house.thread) == 1


def test_of_a_pager_that_was_down_only_what_is_true_by_then_arrives(house: House) -> None:
    house.paged.judge = lambda _arrived: Reply(status=503)
    house.sees(backend="critical")
    assert house.pager.incidents == []
    house.paged.judge = house.pager.take
    house.sees(backend="ok")
    house.passes(minutes=30)
    house.sees(backend="ok")
    house.passes(minutes=5)
    assert house.pager.open == []
    assert [one["event_action"] for one in house.pager.events][-1] == "resolve"
