"""Incidents that routes open: one of each trouble, whatever happens to its alerts, its messages and the process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot import incidents
from opsbot.audit import faults
from opsbot.incidents import By
from opsbot.model.actor import Actor
from opsbot.model.incident import EntryKind, Incident, IncidentState, times
from opsbot.model.status import Priority
from tests.alerting.world import CHAT, PAGE, START, Night, finding

ANA = Actor(login="ana@laptop", arn="arn:aws:sts::1:assumed-role/sre/ana")
RUNG = replace(PAGE, incident=True, diagnose=True, group_by=("environment",))


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path, (RUNG, CHAT))


def only(night: Night) -> Incident:
    (found,) = night.store.incidents().incidents()
    return found


def told(night: Night, number: int = 1) -> list[str]:
    return [f"{one.kind} {one.text}" for one in night.store.incidents().timeline(number)]


def test_from_the_page_to_the_offer_to_end_it(night: Night) -> None:
    night.look(finding("critical", since=START - timedelta(minutes=5), runbook="system-down"))
    night.now += timedelta(seconds=3)
    assert night.arrived() == ["pager trigger", "chat trigger"]
    night.now += timedelta(minutes=4)
    night.ack()
    night.now += timedelta(minutes=20)
    night.sees(backend="ok")
    one = only(night)
    assert (one.id, one.priority, one.state) == ("INC-1", Priority.P1, IncidentState.MITIGATED)
    assert (one.tenant, one.environment, one.runbook) == ("shop", "shop-prod", "system-down")
    took = times(one)
    assert took.detect == timedelta(minutes=5)
    assert took.tell == timedelta(seconds=3)
    assert took.acknowledge == timedelta(minutes=4, seconds=3)
    assert told(night) == [
        "opened opened as P1 by the route page: shop-prod: ECS CPU, backend",
        "told told pager",
        "acked acknowledged: looking",
        "alert shop-prod/ecs-cpu/backend: resolved",
        "mitigated all its alerts are over; to end it: opsbot incident resolve INC-1",
    ]
    rows = list(night.store.audit().rows())
    assert [row.act.what for row in rows] == [
        "incident.open", "incident.told", "incident.ack", "alert.ack", "incident.alerts",
    ]  # fmt: skip
    assert not list(faults(rows, night.store.audit().head()))


def test_what_joins_and_what_fires_again_is_the_same_incident(night: Night) -> None:
    night.sees(a="critical")
    night.sees(a="critical", b="critical")
    assert only(night).alerts == ("shop-prod/ecs-cpu/a", "shop-prod/ecs-cpu/b")
    night.sees(a="ok", b="critical")
    assert only(night).state is IncidentState.OPEN
    night.sees(a="ok", b="ok")
    assert only(night).state is IncidentState.MITIGATED
    night.now += timedelta(minutes=1)
    night.sees(a="critical")
    one = only(night)
    assert (one.state, one.mitigated_at) == (IncidentState.OPEN, None)
    assert "alert it fires again" in told(night)


def test_looking_again_after_a_restart_and_by_time_opens_nothing(night: Night) -> None:
    for _ in range(3):
        night.sees(a="critical")
        night.passes(hours=5)
    assert len(told(night)) == 2


def test_somebody_ends_it_while_it_fires_and_only_a_new_episode_is_a_new_one(night: Night) -> None:
    night.sees(a="critical")
    by = By(actor=ANA, now=night.now)
    night.store.incidents().change(1, incidents.resolved(by, "known"), by.act("resolve"))
    night.sees(a="critical")
    night.passes(hours=5)
    assert only(night).state is IncidentState.RESOLVED
    night.sees(a="ok")
    night.now += timedelta(hours=1)
    night.sees(a="critical")
    assert [one.id for one in night.store.incidents().incidents()] == ["INC-2", "INC-1"]


def test_a_trouble_that_somebody_opened_by_hand_is_not_opened_twice(night: Night) -> None:
    by = By(actor=ANA, now=night.now)
    night.store.incidents().open(*incidents.opened(by, "quiz is down", Priority.P2, findings=(finding("critical"),)))
    night.sees(backend="critical", other="critical")
    one = only(night)
    assert (one.title, one.priority) == ("quiz is down", Priority.P1)
    assert one.alerts == ("shop-prod/ecs-cpu/backend", "shop-prod/ecs-cpu/other")
    assert "priority P2 became P1" in told(night)


def test_what_is_muted_opens_one_when_it_is_told(night: Night) -> None:
    night.silence(hours=2, check="ecs-*")
    night.sees(backend="critical")
    assert night.store.incidents().incidents() == ()
    night.passes(hours=2)
    assert only(night).alerts == ("shop-prod/ecs-cpu/backend",)


def test_what_becomes_critical_takes_the_route_that_opens_one(night: Night) -> None:
    night.sees(backend="warning")
    assert night.store.incidents().incidents() == ()
    night.sees(backend="critical")
    assert only(night).priority is Priority.P1


def test_a_storm_is_one_incident_a_tenant(night: Night) -> None:
    night.look(*(finding("critical", f"r{n}") for n in range(300)))
    night.arrived()
    one = only(night)
    assert (one.title, len(one.alerts), one.told_at) == ("storm of 300 alerts for shop", 300, night.now)
    (opened, *_) = night.store.incidents().timeline(1)
    assert (len(opened.lines), opened.lines[-1]) == (41, "and 260 more")
    night.look(*(finding("ok", f"r{n}") for n in range(300)))
    assert "alert 300 alerts resolved" in told(night)


def test_an_ack_is_taken_once_and_by_name(night: Night) -> None:
    night.sees(a="critical", b="critical")
    alerts = night.store.alerts()
    alerts.acknowledge(("shop-prod/ecs-cpu/a",), "ana", "mine", night.now, ANA)
    alerts.acknowledge(("shop-prod/ecs-cpu/b",), "bo", "mine too", night.now)
    assert only(night).acked_by == ANA.name
    assert [one.kind for one in night.store.incidents().timeline(1)].count(EntryKind.ACKED) == 1
    assert alerts.acknowledge(("shop-prod/ecs-cpu/none",), "bo", "", night.now) == ()


def test_everything_people_do_is_a_row_of_the_log(night: Night) -> None:
    night.sees(a="critical")
    silence = night.silence(resource="a")
    night.store.alerts().end_silence(silence, night.now, ANA)
    night.look(finding("critical", "z", check="disk"))
    (waiting, *_) = night.store.messages(channel="chat")[-1:]
    night.store.drop((waiting.id,), "ana", "told them", night.now, ANA)
    night.store.retry((waiting.id,), "ana", night.now, actor=ANA)
    night.store.ledger().pause("health", night.now + timedelta(hours=1), "ana", "move", night.now, ANA)
    night.store.ledger().pause("health", None, "ana", "", night.now, ANA)
    rows = [row.act for row in night.store.audit().rows() if not row.act.what.startswith("incident.")]
    assert [(act.what, act.actor.short) for act in rows] == [
        ("silence.add", "ana"), ("silence.end", "ana"), ("message.drop", "ana"), ("message.retry", "ana"),
        ("job.pause", "ana"), ("job.resume", "ana"),
    ]  # fmt: skip
    assert not list(faults(night.store.audit().rows(), night.store.audit().head()))


def test_what_is_old_goes_and_the_audit_log_stays(night: Night) -> None:
    for n in range(3):
        night.sees(a="critical")
        night.sees(a="ok")
        by = By(actor=ANA, now=night.now)
        night.store.incidents().change(n + 1, incidents.resolved(by), by.act("resolve"))
        night.now += timedelta(hours=1)
    rows = len(list(night.store.audit().rows()))
    night.store.prune(night.now + timedelta(days=799))
    assert len(night.store.incidents().incidents()) == 3
    night.store.prune(night.now + timedelta(days=801))
    assert [one.number for one in night.store.incidents().incidents()] == [3]
    assert night.store.incidents().timeline(1) == ()
    assert len(list(night.store.audit().rows())) == rows
    night.sees(a="critical")
    assert night.store.incidents().incidents()[0].number == 4
