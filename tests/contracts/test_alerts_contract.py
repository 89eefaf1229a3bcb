"""What the store promises of alerts, on every database of `conftest.store`."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.errors import Fenced
from opsbot.model.alert import Ack
from opsbot.model.message import Action
from opsbot.model.run import RunState
from opsbot.model.status import Priority
from opsbot.ports import Step
from opsbot.store.sql import SqlStore
from tests.alerting.world import START, Night, finding
from tests.outbox.world import run


@pytest.fixture
def night(store: SqlStore, tmp_path: Path) -> Night:
    made = Night(tmp_path)
    made.store = store
    return made


def test_everything_comes_back_as_it_was_kept(night: Night) -> None:
    found = finding(
        "critical", "b\u00fc\ud800", summary="bad", since=START - timedelta(hours=1), labels=(("team", "web"),)
    )
    step = night.look(found, finding("warning", "c"))
    assert list(night.alerts()) == sorted(step.turned.alerts, key=lambda alert: alert.key)
    assert list(night.store.alerts().told()) == sorted(step.turned.told, key=lambda one: (one.key, one.channel))
    assert night.store.alerts().due() == step.turned.due
    night.silence(hours=1, until_resolved=True, resource="c")
    assert [one.met for one in night.store.alerts().silences()] == [True]
    paged = next(one for one in night.store.messages() if one.channel == "pager")
    assert (paged.action, paged.priority) == (Action.TRIGGER, Priority.P1)


def test_alerts_and_messages_are_kept_with_the_runs_end_or_not_at_all(night: Night) -> None:
    mine = replace(run("r1", state=RunState.RUNNING), attempt=0)
    night.store.begin(mine)
    stolen = replace(mine, attempt=7, state=RunState.SUCCEEDED)

    def turn(book: object) -> Step:
        return night.step(book, None)  # type: ignore[arg-type]

    with pytest.raises(Fenced):
        night.store.commit(stolen, (), (), (), turn)
    assert (night.alerts(), night.store.messages()) == ([], ())
    night.store.commit(replace(mine, state=RunState.SUCCEEDED), (finding("critical"),), (), (), turn)
    assert night.store.alerts().due() is None


def test_many_who_find_the_same_at_once_page_once(night: Night) -> None:
    # A database in memory is one connection, which threads cannot share.
    number = 4 if night.store.engine.url.database else 1
    looks = [threading.Thread(target=night.look, args=(finding("critical"),)) for _ in range(number)]
    for look in looks:
        look.start()
    for look in looks:
        look.join()
    assert sorted(one.channel for one in night.store.messages()) == ["chat", "pager"]


def test_an_acknowledgement_is_of_what_fires_and_is_due_at_once(night: Night) -> None:
    night.look(finding("critical"))
    alerts, keys = night.store.alerts(), ("shop-prod/ecs-cpu/backend", "shop-prod/ecs-cpu/none")
    assert tuple(alerts.acknowledge(keys, "ana", "looking", START)) == keys[:1]
    assert night.alert().ack == Ack(who="ana", at=START, reason="looking")
    due = alerts.due()
    assert due is not None
    assert due < START


def test_a_silence_ends_once(night: Night) -> None:
    made = night.silence(resource="backend")
    ended = night.store.alerts().end_silence(made, START)
    assert ended is not None
    assert ended.ended_at == START
    assert night.store.alerts().end_silence(made, START) is None
    assert night.store.alerts().end_silence("sil-none", START) is None
