"""One trouble from its first finding to its end, in every system that people use for it, through the outbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
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
    def rung(self) -> list[str]:
        """What was to be noticed by people who had the card before their eyes."""
        return [post.text.rstrip(".") for post in self.chat.posts if post.broadcast]

    @property
    def thread(self) -> list[str]:
        return [post.text.partition(".")[0] for post in self.chat.posts if post.thread_ts]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_of(tmp_path, PAGE) as night:
        yield night


@contextmanager
def house_of(folder: Path, route: Route) -> Iterator[House]:
    with ExitStack() as stack:
        night = House(folder, routes=(route,))
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
    # It became worse: whoever had acknowledged the first one there was called again.
    assert [one.payload["summary"][:2] for one in house.pager.incidents] == ["P1", "P1"]
    facts = [json.loads(one.body) for one in house.hook.requests]
    assert [one["action"] for one in facts] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert len({one["key"] for one in facts}) == 1


def test_worse_in_a_hand_calls_again_everywhere(house: House) -> None:
    """An edit rings nobody, a reply neither, and a pager says nothing of what is acknowledged."""
    house.sees(a="warning")
    house.ack("a")
    assert (house.rung, [one.status for one in house.pager.open]) == ([], ["acknowledged"])
    house.passes(minutes=10)
    house.sees(a="critical")
    assert house.rung == ["P1: 1 firing. worse: warning became critical"]
    assert [one.status for one in house.pager.incidents] == ["resolved", "triggered"]
    house.passes(minutes=10)
    house.sees(a="critical")
    house.sees(a="warning")
    house.sees(a="ok")
    assert len(house.rung) == 1
    assert house.pager.open == []


def test_more_of_what_is_in_a_hand_calls_again_and_less_of_it_does_not(tmp_path: Path) -> None:
    with house_of(tmp_path, replace(PAGE, group_by=("check",))) as house:
        house.sees(a="critical", b="critical")
        house.ack("a")
        house.ack("b")
        house.passes(minutes=10)
        house.sees(a="critical", b="critical", c="critical")
        assert house.rung == ["P1: 3 firing. new: grouped with 2 others"]
        assert [one.status for one in house.pager.incidents] == ["resolved", "triggered"]
        # Nobody has all of it in hand now: one more is told where the others stand, and rings nobody.
        house.sees(a="critical", b="critical", c="critical", d="critical")
        house.passes(minutes=6)
        house.sees(a="ok", b="critical", c="critical", d="critical")
        house.passes(minutes=6)
        assert (len(house.rung), len(house.pager.incidents)) == (1, 2)
        house.sees(a="ok", b="ok", c="ok", d="ok")
        assert house.pager.open == []


def test_what_nobody_takes_in_hand_rings_at_each_repeat(house: House) -> None:
    house.sees(a="critical")
    house.passes(hours=4)
    assert house.rung == ["P1: 1 firing. repeat after 4h"]
    # There it rings by itself until somebody answers.
    assert len(house.pager.incidents) == 1


@pytest.mark.parametrize("at", [0, 1], ids=["as it is closed", "as it is opened"])
def test_a_call_that_breaks_between_its_two_events_ends_with_one_open(house: House, at: int) -> None:
    house.sees(a="warning")
    house.ack("a")
    house.paged.script(*[Trouble(accepted=True)] * at, Trouble(reset=True, accepted=True))
    house.sees(a="critical")
    assert [one.status for one in house.pager.open] == ["triggered"]
    house.sees(a="ok")
    assert house.pager.open == []


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
