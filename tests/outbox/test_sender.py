"""The daemon's sender as it runs: threads, real time, real peers; and what stands still, is stopped or comes twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.model.message import Delivery, Format, Message
from opsbot.model.status import Status
from opsbot.outbox import Sender
from opsbot.ports import Channel
from opsbot.replica import mail, slack
from opsbot.replica.slack import Fault
from opsbot.store.sql import SqlStore
from tests.outbox import world
from tests.outbox.world import fresh, message, queue

# Unmistakable for a machine that others use too; what is measured takes a few hundredths.
PATIENCE = 10.0


def now() -> datetime:
    return datetime.now(UTC)


def fresh_message(id: str, channel: str, format_: Format = Format.SLACK, **changes: object) -> Message:
    return message(id, channel, format_, **{"created_at": now()} | changes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = fresh(tmp_path / "opsbot.db")
    yield opened
    opened.close()


@contextmanager
def sending(store: SqlStore, channels: dict[str, Channel], **settings: timedelta) -> Iterator[Sender]:
    """A sender at work until the block ends."""
    sender = Sender(store, channels, now=now, **{"poll": timedelta(milliseconds=20)} | settings)  # type: ignore[arg-type]
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        yield sender
    finally:
        sender.stop(timedelta(0))
        thread.join()


def until(happened: Callable[[], bool]) -> float:
    """Seconds until it happened. Looks, because what it waits for is in another thread's database."""
    began, pause = time.monotonic(), threading.Event()
    while not happened():
        assert time.monotonic() - began < PATIENCE, "it did not happen"
        pause.wait(0.01)
    return time.monotonic() - began


def state(store: SqlStore, id: str) -> Delivery:
    found = store.message(id)
    assert found is not None
    return found.state


def test_f30_a_channel_that_never_answers_keeps_no_other_waiting(store: SqlStore, tmp_path: Path) -> None:
    with slack.serve(pace=0) as chat, mail.serve() as post:
        chat.slack.script(Fault(stall=True))
        channels = {"slack": world.slack(chat.url, timeout=30), "email": world.email(post.port),
                    "archive": world.file(tmp_path / "out")}  # fmt: skip
        with sending(store, channels):
            queue(store, fresh_message("s1", "slack"))
            until(lambda: chat.slack.calls == ["chat.postMessage"])
            letters = [fresh_message(f"e{n}", "email", Format.EMAIL) for n in range(5)]
            queue(store, *letters, fresh_message("f1", "archive", Format.EMAIL), run_id="run-2")
            seconds = until(lambda: len(post.messages) == 5 and state(store, "f1") is Delivery.SENT)
            assert state(store, "s1") is Delivery.SENDING
    assert seconds < 3


def test_what_is_new_is_sent_at_once(store: SqlStore) -> None:
    with slack.serve(pace=0) as chat, sending(store, {"slack": world.slack(chat.url, max_per_minute=0)}):
        for n in range(3):
            queue(store, fresh_message(f"m{n}", "slack"), run_id=f"run-{n}")
            until(lambda n=n: state(store, f"m{n}") is Delivery.SENT)  # type: ignore[misc]
    assert [post.outbox_id for post in chat.slack.posts] == ["m0", "m1", "m2"]


def test_f08_two_senders_keep_one_channels_pace_together(store: SqlStore) -> None:
    """The peer counts, and takes a message each 0.15 s."""
    with slack.serve(pace=0.15) as chat:
        channels = [{"slack": world.slack(chat.url, max_per_minute=300)} for _ in range(2)]
        queue(store, *(fresh_message(f"m{n}", "slack") for n in range(6)))
        with sending(store, channels[0]), sending(store, channels[1]):
            until(lambda: len(chat.slack.posts) == 6)
            until(lambda: state(store, "m5") is Delivery.SENT)
    assert chat.slack.calls.count("chat.postMessage") <= 7
    assert sorted(post.outbox_id for post in chat.slack.posts) == [f"m{n}" for n in range(6)]


def test_f08_a_new_critical_message_overtakes_a_backlog(store: SqlStore) -> None:
    with slack.serve(pace=0) as chat, sending(store, {"slack": world.slack(chat.url, max_per_minute=300)}):
        queue(store, *(fresh_message(f"m{n}", "slack") for n in range(30)))
        until(lambda: len(chat.slack.posts) >= 2)
        queue(store, fresh_message("worst", "slack", status=Status.CRITICAL), run_id="run-2")
        until(lambda: state(store, "worst") is Delivery.SENT)
        assert len(chat.slack.posts) < 10


def test_it_ends_when_nothing_was_due_for_a_while(store: SqlStore) -> None:
    sender = Sender(store, {}, now=now, idle=timedelta(seconds=0.2), poll=timedelta(milliseconds=20))
    began = time.monotonic()
    sender.run()
    assert time.monotonic() - began >= 0.2


def test_f28_told_to_stop_it_finishes_what_it_has_and_hands_back_the_rest(store: SqlStore) -> None:
    with slack.serve(pace=0) as chat:
        chat.slack.script(Fault(latency=0.3))
        queue(store, *(fresh_message(f"m{n}", "slack") for n in range(8)))
        sender = Sender(store, {"slack": world.slack(chat.url, max_per_minute=0)}, now=now)
        thread = threading.Thread(target=sender.run)
        thread.start()
        until(lambda: chat.slack.calls != [])
        sender.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    kept = {told.id: (told.state, told.attempts) for told in store.messages()}
    assert kept.pop("m0") == (Delivery.SENT, 1)
    # As if they had never been claimed: nobody needs to look for them.
    assert set(kept.values()) == {(Delivery.QUEUED, 0)}
    assert [post.outbox_id for post in chat.slack.posts] == ["m0"]


def test_f28_told_to_stop_now_it_hands_back_what_hangs_to_be_looked_for(store: SqlStore) -> None:
    with slack.serve(pace=0) as chat:
        chat.slack.script(Fault(stall=True, accepted=True))
        queue(store, fresh_message("m1", "slack"))
        channels = {"slack": world.slack(chat.url, timeout=0.3)}
        with sending(store, channels):
            until(lambda: chat.slack.posts != [])
        assert state(store, "m1") in (Delivery.QUEUED, Delivery.SENDING)
        with sending(store, channels, lease=timedelta(seconds=1)):
            until(lambda: state(store, "m1") is Delivery.SENT)
    assert [post.outbox_id for post in chat.slack.posts] == ["m1"]
    assert "conversations.history" in chat.slack.calls


def test_a_lease_is_renewed_for_as_long_as_an_attempt_takes(store: SqlStore) -> None:
    """A lease of 1.1 s and an attempt of 1.8 s: without renewal the second sender would take it up."""
    with slack.serve(pace=0) as chat:
        chat.slack.script(Fault(latency=1.8))
        queue(store, fresh_message("m1", "slack"))
        channels = {"slack": _Patient(world.slack(chat.url, timeout=5))}
        lease = timedelta(seconds=1.1)
        with sending(store, channels, lease=lease), sending(store, channels, lease=lease):  # type: ignore[arg-type]
            until(lambda: state(store, "m1") is Delivery.SENT)
    assert chat.slack.calls == ["chat.postMessage"]
    assert store.messages()[0].attempts == 1


class _Patient:
    """A channel whose requests take longer than it says."""

    patience = 0.1

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> object:
        return getattr(self._channel, name)


def test_many_to_a_fast_sink_are_noted_together_and_all_of_them(store: SqlStore, tmp_path: Path) -> None:
    queue(store, *(fresh_message(f"m{n:03}", "archive", Format.EMAIL) for n in range(120)))
    with sending(store, {"archive": world.file(tmp_path / "out")}):
        until(lambda: not store.messages(states=(Delivery.QUEUED, Delivery.SENDING)))
    assert len(list((tmp_path / "out").iterdir())) == 120
    assert {(told.state, told.attempts) for told in store.messages()} == {(Delivery.SENT, 1)}


def test_a_store_that_cannot_be_written_for_a_moment_costs_nothing(store: SqlStore, tmp_path: Path) -> None:
    """What has arrived is kept in mind until it can be noted."""
    queue(store, fresh_message("m1", "archive", Format.EMAIL))
    channel = world.file(tmp_path / "out")
    with sending(_Moody(store, 1), {"archive": channel}):  # type: ignore[arg-type]
        until(lambda: state(store, "m1") is Delivery.SENT)
    assert store.messages()[0].attempts == 1


class _Moody:
    """A store whose notes of arrival fail at first."""

    def __init__(self, store: SqlStore, failures: int) -> None:
        self._store, self._left = store, failures

    def settle_sent(self, sent: list[tuple[Message, str]], *, now: datetime) -> None:
        from opsbot.errors import StoreError

        if self._left:
            self._left -= 1
            raise StoreError("the disk is full")
        self._store.settle_sent(sent, now=now)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_channel_with_a_bug_does_not_end_its_thread(store: SqlStore, tmp_path: Path) -> None:
    class Broken:
        format, to, sender, pace, patience, readable = Format.SLACK, "nobody", "", 0.0, 0.0, False

        def send(self, message: Message, thread: str, card: str = "") -> str:
            raise ZeroDivisionError

        def find(self, message: Message, thread: str = "") -> str | None:
            return None

        def check(self) -> None:
            """Always well."""

    with sending(store, {"broken": Broken(), "archive": world.file(tmp_path / "out")}):
        queue(store, fresh_message("m1", "broken"), fresh_message("f1", "archive", Format.EMAIL))
        until(lambda: state(store, "f1") is Delivery.SENT)
        until(lambda: store.messages(channel="broken")[0].attempts > 0)
        queue(store, fresh_message("m2", "broken"), run_id="run-2")
        until(lambda: store.messages(channel="broken")[1].attempts > 0)
    assert {told.state for told in store.messages(channel="broken")} == {Delivery.QUEUED}


def test_a_late_backlog_comes_as_a_thread_when_nobody_sent_for_hours(store: SqlStore) -> None:
    with slack.serve(pace=0) as chat:
        old = now() - timedelta(hours=6)
        late = [replace(message(f"m{n}", "slack"), created_at=old + timedelta(minutes=n)) for n in range(3)]
        queue(store, *late)
        with sending(store, {"slack": world.slack(chat.url, max_per_minute=0)}):
            until(lambda: all(state(store, f"m{n}") is Delivery.SENT for n in range(3)))
    cover, *members = chat.slack.posts
    assert cover.text.startswith("Delayed 6 h: 3 messages")
    assert [(post.outbox_id, post.thread_ts) for post in members] == [(f"m{n}", cover.ts) for n in range(3)]
