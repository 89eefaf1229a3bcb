"""What people hear in a night, told as it happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.alerting import Dependency, Patience, Route
from opsbot.model.maintenance import Maintenance
from opsbot.model.message import Delivery
from opsbot.model.status import Priority, Status
from tests.alerting.world import CHAT, CHECKS, PAGE, START, Night, finding


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_paged_once_acknowledged_worse_paged_again_resolved_closed_out(tmp_path: Path) -> None:
    night = Night(tmp_path, (Route(name="all", priority=Priority.P2, channels=("pager",)),))
    assert night.sees(backend="warning") == ["pager trigger"]
    assert [night.sees(backend="warning") for _ in range(3)] == [[], [], []]
    assert night.ack() == ["pager acknowledge"]
    assert night.passes(hours=9) == []
    assert night.sees(backend="critical") == ["pager trigger"]
    assert night.sees(backend="critical") == []
    assert night.sees(backend="ok") == ["pager resolve"]
    assert night.reasons == ["new", "acknowledged by ana: looking", "worse: warning became critical", "resolved"]
    assert len({one.key for one in night.heard}) == 1
    assert (night.store.alerts().told(), night.store.alerts().due()) == ((), None)


def test_what_becomes_worse_reaches_more_people_and_eased_it_leaves_them(night: Night) -> None:
    assert night.sees(backend="warning") == ["chat trigger"]
    assert night.sees(backend="critical") == ["pager trigger", "chat trigger"]
    assert night.sees(backend="warning") == ["pager resolve"]
    assert night.reasons[-1] == "warning now, which is not told here"
    assert night.sees(backend="ok") == ["chat resolve"]


def test_it_is_repeated_until_somebody_has_it_in_hand(night: Night) -> None:
    night.sees(backend="warning")
    assert night.passes(hours=3, minutes=59) == []
    assert night.passes(minutes=1) == ["chat trigger"]
    assert night.reasons[-1] == "repeat after 4h"
    night.ack()
    assert night.passes(hours=30) == []


def test_an_acknowledged_page_comes_back_when_nobody_ends_it(night: Night) -> None:
    night.sees(backend="critical")
    night.ack()
    assert night.passes(hours=1, minutes=59) == []
    assert night.passes(minutes=1) == ["pager trigger", "chat trigger"]
    assert night.reasons[-1] == "acknowledged by ana 2h ago, and it still fires"


def test_more_of_a_kind_waits_for_more_and_comes_as_one(night: Night) -> None:
    night.sees(a="warning")
    assert night.sees(a="warning", b="warning") == []
    assert night.sees(a="warning", b="warning", c="warning") == []
    assert night.passes(minutes=5) == ["chat trigger"]
    assert night.reasons[-1] == "new: grouped with 1 other"
    assert "P2 shop-prod: 3 alerts" in night.last.subject
    assert night.sees(a="ok", b="warning", c="warning") == []
    assert night.sees(a="ok", b="ok", c="ok") == ["chat resolve"]
    assert all(f"ECS CPU, {name}" in night.last.body for name in "abc")


def test_more_of_what_is_in_hand_is_told_at_once_however_long_nothing_leaves(tmp_path: Path) -> None:
    route = Route(name="all", priority=Priority.P1, channels=("pager",), group_by=("check",))
    night = Night(tmp_path, (route,))
    night.sees(a="critical")
    night.ack("a")
    night.look(finding("critical", "a"), finding("critical", "b"))
    night.look(finding("critical", "a"), finding("critical", "b"), finding("critical", "c"))
    assert night.arrived() == ["pager trigger"]
    assert night.reasons[-1] == "new: grouped with 1 other"
    assert "3 alerts" in night.last.subject


def test_what_came_and_went_before_it_left_changes_nothing_about_who_has_it(tmp_path: Path) -> None:
    route = Route(name="all", priority=Priority.P1, channels=("pager",), group_by=("check",))
    night = Night(tmp_path, (route,))
    night.sees(a="critical")
    night.ack("a")
    night.look(finding("critical", "a"), finding("critical", "b"))
    assert night.sees(a="critical", b="ok") == []
    # The pager knows still that it is in hand.
    assert night.passes(minutes=30) == []


def test_that_it_is_in_hand_is_not_lost_on_the_way(tmp_path: Path) -> None:
    """It eased before the acknowledgement had left: the pager rings until it hears of it."""
    route = Route(name="all", priority=Priority.P1, channels=("pager",))
    night = Night(tmp_path, (route,))
    night.sees(a="critical")
    night.store.alerts().acknowledge(("shop-prod/ecs-cpu/a",), "ana", "", night.now)
    night.store.alerts().turn(lambda book: night.step(book, None))
    night.look(finding("warning", "a"))
    assert night.arrived() == ["pager acknowledge"]


def test_what_is_undone_before_it_leaves_is_not_told(night: Night) -> None:
    night.sees(a="warning")
    night.look(finding("warning", "a"), finding("warning", "b"))
    night.look(finding("warning", "a"), finding("ok", "b"))
    assert night.passes(hours=1) == []
    night.look(finding("critical", "c"))
    night.look(finding("ok", "c"))
    assert night.arrived() == []
    assert night.sees(a="ok") == ["chat resolve"]
    assert "ECS CPU, b" not in night.last.body


def test_what_fired_while_nothing_could_be_sent_is_told_when_it_is_over(night: Night) -> None:
    night.look(finding("critical"))
    night.now += timedelta(hours=2)
    night.look(finding("ok"))
    assert night.arrived() == ["pager resolve", "chat resolve"]
    assert night.reasons[-1] == "resolved; nothing could be sent while it fired"


def test_a_page_that_was_begun_is_followed_by_its_end(night: Night) -> None:
    """The sender died: nobody knows whether the page arrived, so its end goes out too, after it."""
    night.look(finding("critical"))
    night.store.claim(night.now, 60)
    night.look(finding("ok"))
    night.now += timedelta(minutes=2)
    assert sorted(night.arrived()) == ["pager resolve", "pager trigger"]


def test_a_silence_holds_back_what_is_new_and_says_so_at_its_end(night: Night) -> None:
    night.silence(hours=2, check="ecs-*")
    assert night.sees(backend="critical") == []
    assert night.alert().muted == "silence by ana"
    assert night.passes(hours=2) == ["pager trigger", "chat trigger"]
    assert night.reasons[-1] == "silence by ana is over, and it still fires"
    assert night.sees(backend="ok") == ["pager resolve", "chat resolve"]


def test_a_silence_never_holds_back_an_end_and_swallows_nothing_after_it(night: Night) -> None:
    night.sees(backend="critical")
    silence = night.silence(resource="backend")
    assert night.passes(hours=1) == []
    assert night.sees(backend="ok") == ["pager resolve", "chat resolve"]
    assert night.sees(backend="critical") == []
    night.store.alerts().end_silence(silence, night.now)
    assert night.passes() == ["pager trigger", "chat trigger"]


def test_what_was_never_told_has_no_end_to_tell(night: Night) -> None:
    night.silence(resource="backend")
    night.sees(backend="critical")
    assert night.sees(backend="ok") == []


def test_a_silence_until_resolved_ends_with_what_it_met(night: Night) -> None:
    night.sees(backend="critical")
    night.silence(hours=100, until_resolved=True, resource="backend")
    night.sees(backend="ok")
    assert [one.ended_at for one in night.store.alerts().silences()] == [night.now]
    assert night.sees(backend="critical") == ["pager trigger", "chat trigger"]


def test_planned_work_holds_back_what_is_new_and_what_outlasts_it_is_told(tmp_path: Path) -> None:
    hour = timedelta(hours=1)
    window = Maintenance(name="db-move", reason="Aurora", start=START, end=START + hour, checks=("ecs-*",))
    night = Night(tmp_path, more={"maintenance": (window,)})
    assert night.sees(backend="critical") == []
    assert night.passes(minutes=59) == []
    assert night.passes(minutes=1) == ["pager trigger", "chat trigger"]
    assert night.reasons[-1] == "maintenance db-move is over, and it still fires"


def test_planned_work_on_a_probe_covers_what_is_found_about_it(tmp_path: Path) -> None:
    window = Maintenance(name="m", reason="r", start=START, end=START + timedelta(hours=1), probes=("api",))
    night = Night(tmp_path, more={"maintenance": (window,)})
    night.look(*(finding("critical", name, check="uptime", area="uptime") for name in ("api", "shop")))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    assert night.alert("api").muted == "maintenance m"


def test_only_the_cause_is_told(tmp_path: Path) -> None:
    rule = Dependency(alerts=(("check", ("ecs-*", "rds-*")),), after=(("check", ("rds-down",)),))
    night = Night(tmp_path, more={"dependencies": (rule,)})
    cause = finding("critical", "db", check="rds-down", title="Database down")
    night.look(cause, finding("critical", "backend"))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    assert "Database down, db" in night.last.subject
    assert night.alert("backend").muted == "dependency on shop-prod/rds-down/db"
    night.look(finding("ok", "db", check="rds-down"), finding("critical", "backend"))
    assert sorted(night.arrived()) == ["chat resolve", "chat trigger", "pager resolve", "pager trigger"]


@pytest.mark.parametrize(
    ("checks", "seen", "why"),
    [
        pytest.param(CHECKS, (), "resolved: it is not there any more", id="the resource was deleted"),
        pytest.param(frozenset(("disk",)), (), "resolved: its check is gone", id="the check was switched off"),
        pytest.param(CHECKS, ("ecs-cpu",), "", id="that check could not be judged"),
        pytest.param(CHECKS, ("gap",), "", id="the account could not be looked at"),
        pytest.param(CHECKS, ("disk",), "resolved: it is not there any more", id="another check could not be judged"),
    ],
)
def test_nobody_is_left_waiting_for_what_is_gone(
    night: Night, checks: frozenset[str], seen: tuple[str, ...], why: str
) -> None:
    night.sees(backend="critical")
    night.look(*(finding("unknown", "x", check=name) for name in seen), whole=True, checks=checks)
    assert night.arrived() == (["pager resolve", "chat resolve"] if why else [])
    assert night.reasons[-1] == (why or "new")


def test_a_run_of_something_else_ends_nothing(night: Night) -> None:
    night.sees(backend="critical")
    night.look(whole=True, job="cost_anomalies")
    night.look(finding("ok", "other"))
    assert night.arrived() == []
    assert night.alert().fires


def test_an_account_that_cannot_be_judged_is_one_alert_after_three_runs(night: Night) -> None:
    blind = [finding("unknown", name, summary="access denied") for name in ("a", "b", "c")]
    for _ in range(2):
        night.look(*blind, finding("critical", "d"))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    night.look(*blind)
    assert night.arrived() == ["chat trigger"]
    assert "3 of 3 checks could not be judged, such as ECS CPU: access denied" in night.last.body
    assert night.sees(a="ok", b="ok", c="ok") == ["chat resolve"]


def test_a_job_that_fails_is_told_and_closed_by_its_next_success(night: Night) -> None:
    night.look(finding("unknown", "health", check="job-failed", environment="opsbot", title="Job health"))
    assert night.arrived() == ["chat trigger"]
    night.look(finding("ok"), job="other")
    assert night.arrived() == []
    night.look(finding("ok"))
    assert night.arrived() == ["chat resolve"]


def test_a_clock_set_back_pages_nobody_again_and_blinds_nobody(night: Night) -> None:
    night.sees(backend="critical")
    night.now -= timedelta(hours=3)
    assert night.sees(backend="critical") == []
    assert night.sees(backend="ok") == ["pager resolve", "chat resolve"]


def test_a_job_taken_away_closes_what_it_found(night: Night) -> None:
    night.sees(backend="critical")
    night.policy = replace(night.policy, jobs=frozenset(("health", "cost")))
    night.now += timedelta(hours=4)
    assert night.passes() == ["pager trigger", "chat trigger"]
    night.policy = replace(night.policy, jobs=frozenset(("cost",)))
    assert night.passes(hours=4) == ["pager resolve", "chat resolve"]
    assert night.reasons[-1] == "resolved: its job health is gone"
    assert night.passes(hours=9) == []


def test_a_route_taken_away_closes_what_it_opened(night: Night) -> None:
    night.sees(backend="critical")
    night.policy = Night(night.folder, (CHAT,)).policy
    assert night.passes(hours=5) == ["pager resolve", "chat trigger"]
    assert PAGE not in night.policy.routes


def test_flapping_is_told_once_and_listed(night: Night) -> None:
    told = []
    for _ in range(8):
        for status in ("critical", "ok"):
            night.now += timedelta(minutes=5)
            told += night.sees(backend=status)
    assert told.count("pager trigger") == 3 + 1
    assert "flapping: it came and went" in night.reasons[-1]
    night.passes(hours=7)
    assert night.heard[-1].short == "chat resolve"


def test_hostile_names_are_kept_found_again_and_disarmed(night: Night) -> None:
    name = "\x1b[31m<!channel>\ud800\0 *x*"
    night.look(finding("critical", name))
    assert night.arrived() == ["pager trigger", "chat trigger"]
    night.look(finding("critical", name))
    assert (night.arrived(), len([a for a in night.alerts() if a.fires])) == ([], 1)
    assert "\x1b" not in night.last.subject + night.last.body
    night.look(finding("ok", name))
    assert night.arrived() == ["pager resolve", "chat resolve"]


def test_a_channel_that_cannot_be_reached_now_hears_the_end_later(night: Night) -> None:
    night.sees(backend="critical")
    both, pager = night.channels, night.channels.pop("pager")
    night.policy = Night(night.folder, more={"channels": frozenset(night.channels)}).policy
    night.look(finding("warning"))
    assert night.arrived() == []
    both["pager"] = pager
    night.policy = Night(night.folder).policy
    assert night.passes(hours=4) == ["pager resolve", "chat trigger"]


def test_without_routes_alerts_are_known_and_nobody_is_told(tmp_path: Path) -> None:
    night = Night(tmp_path, ())
    assert night.sees(backend="critical") == []
    assert night.alert().fires
    assert night.store.messages(states=tuple(Delivery)) == ()


def test_a_note_is_told_where_a_route_asks_for_it(tmp_path: Path) -> None:
    notes = Route(name="notes", match=(("status", ("info",)),), channels=("mail",), repeat=None)
    night = Night(tmp_path, (notes,), {"patience": Patience(least=Status.INFO)})
    assert night.sees(volume="info") == ["mail trigger"]
    assert night.passes(days=30) == []


def test_the_first_word_waits_for_what_fires_a_moment_later_if_the_route_says_so(tmp_path: Path) -> None:
    wait = timedelta(seconds=30)
    night = Night(tmp_path, (Route(name="all", channels=("pager",), group_by=("environment",), wait=wait),))
    assert night.sees(a="critical") == []
    assert night.passes(seconds=20) == []
    assert night.sees(a="critical", b="critical") == []
    assert night.passes(seconds=9) == []
    # Thirty seconds after the first one, not after the last.
    assert night.passes(seconds=1) == ["pager trigger"]
    assert (night.reasons, "2 alerts" in night.last.subject) == (["new: 2 alerts in one group"], True)
    assert night.sees(a="ok", b="ok") == ["pager resolve"]
    night.passes(hours=1)
    night.sees(c="critical")
    night.now += timedelta(seconds=10)
    # What is over before anybody was told is nobody's business.
    assert night.sees(c="ok") == []
    assert night.passes(hours=1) == []
