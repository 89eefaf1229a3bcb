"""An alarm whose actions are off for a time is on again by itself: once, also after a crash, and told if it cannot be."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from opsbot import app
from opsbot.daemon.changes import overdue, something_to_finish
from opsbot.errors import RunbookError
from opsbot.model.runbook import RunbookRun, RunState, StepState
from opsbot.replica.faults import FaultRule
from opsbot.replica.server import Running
from opsbot.runbooks import finishing, undoing
from opsbot.runbooks.approving import act
from opsbot.store.sql import SqlStore
from tests.runbooks.crashing import Died, Places
from tests.runbooks.stage import ANA, NOW, Stage
from tests.runbooks.test_looking_by_itself import rung
from tests.runbooks.test_run_command import opsbot, place

__all__ = ["place", "rung"]

HOUR = timedelta(hours=1)
WHERE, ALARM = "dhbw-prod", "lecture-web-5xx"
MUTE = (
    "---\nid: mute\nlimits: {max_runs: 99/1h}\n---\n# Mute\n\n"
    f"```step\n{{id: mute, uses: alarm.disable_actions, with: {{alarm: {ALARM}, for: 1h}}, verify: {{every: 1s, timeout: 5s}}}}\n```\n"
)
LOOK = f"# Look\n\n```step\n{{id: it, uses: alarm.enable_actions, with: {{alarm: {ALARM}}}}}\n```\n"


def muted(stage: Stage) -> RunbookRun:
    run = stage.run(MUTE, WHERE)
    stage.approve(run)
    assert stage.apply(run, MUTE).state is RunState.APPLIED
    return run


def is_on(stage: Stage) -> bool:
    return not stage.run(LOOK, WHERE).writes


def expire(stage: Stage) -> list[bool]:
    """What the daemon's child does."""
    journal = stage.store.journal()
    for run in journal.stranded(stage.now):
        finishing.finish(stage.hand(run), run)
    return [undoing.expire(stage.hand(run), run, begun) for run, begun in journal.due(stage.now)]


def test_it_is_on_again_after_its_time_and_not_before(stage: Stage) -> None:
    run = muted(stage)
    assert dict(run.writes[0].after) == {"actions": "off, and on again by itself after 1h"}
    stage.now = NOW + timedelta(minutes=59)
    assert (expire(stage), is_on(stage), something_to_finish(stage.store, stage.now)) == ([], False, False)
    stage.now = NOW + HOUR + timedelta(minutes=1)
    assert something_to_finish(stage.store, stage.now)
    assert (expire(stage), is_on(stage)) == ([True], True)
    ended = stage.kept(run)
    assert (ended.state, ended.why) == (RunState.ROLLED_BACK, "its time was over, and it was taken back")
    assert "runbook.expire" in stage.acts()
    stage.now += HOUR
    assert expire(stage) == []


def by_hand(stage: Stage, run: RunbookRun) -> None:
    other = stage.run(LOOK, WHERE)
    stage.approve(other)
    assert stage.apply(other, LOOK).state is RunState.APPLIED


def by_console(stage: Stage, run: RunbookRun) -> None:
    place = stage.environment(WHERE)
    stage.hands.act(place, place.home_region, "cloudwatch", "enable_alarm_actions", AlarmNames=[ALARM])


def by_rollback(stage: Stage, run: RunbookRun) -> None:
    assert stage.rollback(run).state is RunState.ROLLED_BACK


def by_another_run(stage: Stage, run: RunbookRun) -> None:
    """Switched on, and off again for reasons of its own: that one's time counts."""
    by_hand(stage, run)
    stage.now += timedelta(minutes=30)
    muted(stage)


@pytest.mark.parametrize("how", [by_hand, by_console, by_rollback, by_another_run])
def test_nothing_is_done_where_somebody_was_there_before(stage: Stage, cloud: Running, how: object) -> None:
    run = muted(stage)
    how(stage, run)  # type: ignore[operator]
    made = len(cloud.state.doings.events)
    stage.now = NOW + HOUR + timedelta(minutes=2)
    assert expire(stage) in ([], [True])
    assert len(cloud.state.doings.events) == made
    assert is_on(stage) is (how is not by_another_run)
    assert [run for run, _ in stage.store.journal().due(stage.now)] == []


@pytest.mark.parametrize("place", ["after note", "after act", "after settle", "before put_off", "before end"])
def test_a_death_while_it_is_switched_off_or_on_leaves_it_on_in_the_end(
    stage: Stage, cloud: Running, place: str
) -> None:
    run = stage.run(MUTE, WHERE)
    stage.approve(run)
    made = len(cloud.state.doings.events)
    for turn in (lambda: stage.apply(run, MUTE), lambda: expire(stage)):
        stage.places = Places(place)
        with suppress(Died):
            turn()
        stage.places = Places()
        stage.now += HOUR + timedelta(minutes=5)
    expire(stage)
    assert is_on(stage)
    assert len(cloud.state.doings.events) - made in (0, 2)
    states = stage.states(run)
    assert states["mute"] is (StepState.NOT_DONE if place == "after note" else StepState.DONE)
    assert StepState.BEGUN not in states.values()
    assert stage.store.journal().due(stage.now + 24 * HOUR) == ()


def test_what_cannot_be_switched_on_is_told_and_tried_again_for_a_day(stage: Stage, cloud: Running) -> None:
    run = muted(stage)
    cloud.state.faults.add([FaultRule(fault="access_denied", service="cloudwatch", operation="EnableAlarmActions")])
    stage.now = NOW + HOUR + timedelta(seconds=30)
    assert expire(stage) == [False]
    ended = stage.kept(run)
    assert ended.state is RunState.APPLIED
    assert (
        "the time of step mute is over, but taking it back failed: cloudwatch:EnableAlarmActions is denied" in ended.why
    )
    assert expire(stage) == []
    tries = 0
    while stage.now < NOW + timedelta(hours=30):
        stage.now += timedelta(hours=4)
        tries += len(expire(stage))
    assert tries == 6
    assert "it is not tried any more: do it by hand" in stage.kept(run).why
    cloud.state.faults.clear()
    assert stage.rollback(run).state is RunState.ROLLED_BACK
    assert is_on(stage)


def test_what_is_late_stands_on_the_health_page(stage: Stage) -> None:
    run = muted(stage)
    assert list(overdue(stage.store, NOW + HOUR)) == []
    (said,) = overdue(stage.store, NOW + 2 * HOUR)
    assert said.startswith(f"{run.id}: step mute was to be taken back at 20 Nov 08:00 UTC")


def test_a_target_that_another_run_has_is_left_alone(stage: Stage) -> None:
    run = muted(stage)
    other = stage.run(LOOK, WHERE)
    stage.approve(other)
    stage.now += HOUR + timedelta(minutes=1)
    told = act("x", other, ANA, stage.now)
    stage.store.journal().begin(other.number, [run.writes[0].key], stage.now, HOUR, 9, HOUR, told)
    with pytest.raises(RunbookError, match="is being changed by R-2"):
        expire(stage)


@pytest.mark.parametrize("length", ["30s", "25h", "soon"])
def test_a_time_that_is_too_short_or_too_long_is_refused(stage: Stage, length: str) -> None:
    with pytest.raises(RunbookError, match=r"with\.for: expected a duration"):
        stage.run(MUTE.replace("for: 1h", f"for: {length}"), WHERE)


def test_the_usual_time_is_an_hour(stage: Stage) -> None:
    assert stage.run(MUTE.replace(", for: 1h", ""), WHERE).writes[0].lasts == HOUR


def test_the_daemon_s_child_finishes_what_was_left_and_tells_the_incident(
    rung: SqlStore, place: Path, cloud: Running
) -> None:
    text = MUTE.replace("for: 1h", "for: 1m")
    (place / "runbooks" / "mute.md").write_text(text, encoding="utf-8")
    assert opsbot(place, "runbook", "run", "mute", "-i", "INC-1", "--env", WHERE, url=cloud.url).code == 0
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    applied = opsbot(place, "runbook", "apply", "R-1", url=cloud.url)
    assert applied.code == 0, applied.err
    assert "step mute is taken back by the daemon at " in applied.out
    with time_machine.travel(app.now() + timedelta(minutes=2)):
        assert opsbot(place, "_finish", url=cloud.url).code == 0
    run = rung.journal().run(1)
    assert run is not None
    assert run.state is RunState.ROLLED_BACK
    assert rung.incidents().timeline(1)[-1].text == "R-1 taken back by opsbot: its time was over, and it was taken back"
    assert "taken back by opsbot" in rung.messages(channel="chat", key="INC-1/R-1")[-1].subject
