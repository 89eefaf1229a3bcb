"""When everything breaks at once: one page and one digest a tenant, and no delay for the others; and what 10,000 cost."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from opsbot.alerting import Book, Looked, Policy, Route, turn
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from tests.alerting.world import CHAT, PAGE, START, Night, finding

EACH = tuple(Route(name=one.name, match=one.match, priority=one.priority, channels=one.channels, group_by=("alert",))
             for one in (PAGE, CHAT))  # fmt: skip


def broken(number: int, environment: str = "shop-prod") -> list[Finding]:
    return [finding("critical", f"r{n}", environment=environment) for n in range(number)]


def test_3000_at_once_are_one_page_and_one_digest(tmp_path: Path) -> None:
    night = Night(tmp_path, EACH)
    night.look(*broken(3000))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    assert night.last.subject == "P1 storm of 3,000 alerts for shop"
    assert night.reasons[-1] == "storm: 3000 alerts began to fire within a minute"
    assert "and 2,988 more; in all: ECS CPU 3,000" in night.last.body
    night.look(*(finding("ok", f"r{n}") for n in range(3000)))
    assert night.arrived() == ["pager resolve", "chat resolve"]
    assert night.store.alerts().told() == ()


def test_a_storm_grows_in_one_message_and_ends_by_itself(tmp_path: Path) -> None:
    night = Night(tmp_path, EACH)
    night.look(*broken(25))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    for number in (30, 35, 40):
        night.now += timedelta(seconds=20)
        night.look(*broken(number))
        assert night.arrived() == []
    assert night.passes(minutes=5) == ["pager trigger", "chat trigger"]
    assert night.last.subject == "P1 storm of 40 alerts for shop"
    night.look(*broken(41))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    assert "ECS CPU, r40" in night.last.subject


def test_twenty_are_no_storm_and_what_was_told_before_stays_by_itself(tmp_path: Path) -> None:
    night = Night(tmp_path, EACH)
    night.look(*broken(20))
    assert len(night.arrived()) == 40
    night.now += timedelta(seconds=30)
    night.look(*broken(60))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    assert night.last.subject == "P1 storm of 40 alerts for shop"


def test_a_storm_of_one_tenant_leaves_the_others_alone(tmp_path: Path) -> None:
    night = Night(tmp_path, EACH)
    other = Environment(name="edt-prod", regions=("eu-central-1",), tenant="edt")
    shop = Environment(name="shop-prod", regions=("eu-central-1",), tenant="shop")
    looked = Looked(
        job="health", at=START, findings=(*broken(500), *broken(1, "edt-prod")),
        environments={"shop-prod": shop, "edt-prod": other},
    )  # fmt: skip
    night.store.alerts().turn(lambda book: night.step(book, looked))
    assert len(night.arrived()) == 4
    assert sorted({one.subject for one in night.heard}) == [
        "P1 edt-prod: ECS CPU, r0: r0 at 93 %",
        "P1 storm of 500 alerts for shop",
    ]


def test_10000_alerts_are_judged_and_routed_in_time() -> None:
    """The figure promised is a second on a machine by itself; here others are at work too."""
    policy = Policy(routes=EACH, channels=frozenset(("pager", "chat")), storm=20)
    found = tuple(finding("critical", f"r{n}") for n in range(10_000))
    number = iter(range(10**9))
    began = time.process_time()
    done = turn(Book(), policy, START, lambda: str(next(number)), Looked(job="health", at=START, findings=found))
    took = time.process_time() - began
    assert len(done.alerts) == 10_000
    assert len(done.notices) == 2
    assert took < 10.0
