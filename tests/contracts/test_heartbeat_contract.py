"""What every store of heartbeats promises: one row a job, every call taken, and a key made once however many ask for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.model.heartbeat import Beat, Pulse
from opsbot.probes import heartbeat
from opsbot.store import open_store
from opsbot.store.heartbeats import SqlHeartbeats
from opsbot.store.sql import SqlStore

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def beats(store: SqlStore) -> SqlHeartbeats:
    return SqlHeartbeats(store.engine)


def together(store: SqlStore) -> int:
    """How many may ask at once: a database in memory is one connection."""
    return 1 if str(store.engine.url) == "sqlite://" else 8


def test_the_key_is_made_once(store: SqlStore, beats: SqlHeartbeats) -> None:
    with ThreadPoolExecutor(together(store)) as pool:
        keys = set(pool.map(lambda _: beats.key(), range(16)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32


def test_two_stores_have_two_keys(beats: SqlHeartbeats, tmp_path: Path) -> None:
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    assert SqlHeartbeats(other.engine).key() != beats.key()
    other.close()


def test_awaiting_begins_once(beats: SqlHeartbeats) -> None:
    beats.expect(["a", "b", "a"], NOW)
    beats.expect(["a", "c"], NOW + timedelta(hours=1))
    known = {name: pulse.known - NOW for name, pulse in beats.pulses().items()}
    assert known == {"a": timedelta(0), "b": timedelta(0), "c": timedelta(hours=1)}
    beats.expect([], NOW)


def test_what_was_said_is_read_back_as_it_was(beats: SqlHeartbeats) -> None:
    said = Pulse(
        probe="full", known=NOW, at=NOW + timedelta(microseconds=1), ok=False, exit_code=3, started=NOW, seconds=1.5,
        said="disk full",
    )  # fmt: skip
    assert beats.note("full", NOW, lambda _: said) == said
    assert beats.pulses()["full"] == said
    again = replace(said, ok=True, exit_code=None, started=None, seconds=None)
    beats.note("full", NOW, lambda _: again)
    assert beats.pulses()["full"] == again


def test_calls_that_come_together_are_all_taken(store: SqlStore, beats: SqlHeartbeats) -> None:
    def once(number: int) -> None:
        beats.note("busy", NOW, lambda pulse: replace(pulse, said=f"{pulse.said}{number % 10}", at=NOW))

    with ThreadPoolExecutor(together(store)) as pool:
        list(pool.map(once, range(40)))
    assert sorted(beats.pulses()["busy"].said) == sorted("0123456789" * 4)


def test_what_a_database_cannot_store_becomes_a_question_mark(beats: SqlHeartbeats) -> None:
    beats.note("odd", NOW, lambda pulse: heartbeat.after(pulse, Beat.OK, NOW, text="a\0b\ud800"))
    assert beats.pulses()["odd"].said == "a?b?"
