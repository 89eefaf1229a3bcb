"""Whatever is being changed, and wherever its process dies: AWS saw the change at most once, and the next look is right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from opsbot.actions import ACTIONS
from opsbot.audit import faults
from opsbot.errors import RunbookError
from opsbot.model.runbook import RunbookRun, RunState, StepState
from opsbot.replica.faults import FaultRule
from opsbot.replica.server import Running
from opsbot.runbooks import applying
from opsbot.store import incidents_tables as t
from opsbot.store.engine import reading
from tests.runbooks.crashing import Died, Places, answers_lost, calls
from tests.runbooks.stage import Stage, read
from tests.runbooks.test_changing import CHANGES

CHANGING = [name for name, action in ACTIONS.items() if action.change]
BACK = [name for name in CHANGING if not CHANGES[name][2].startswith(("nothing", "only"))]
# Where it dies, and whether AWS has taken the call by then.
PLACES = [
    pytest.param("before note", False, id="before the note"),
    pytest.param("after note", False, id="before the call"),
    pytest.param("after act", True, id="after the call"),
    pytest.param("after settle", True, id="before it is verified"),
    pytest.param("lost", True, id="without an answer"),
]


def page(uses: str) -> str:
    given = CHANGES[uses][1]
    verify = "verify: {every: 1s, timeout: 5s}"
    return (
        "---\nid: one\nlimits: {max_runs: 99/1h}\n---\n# One\n\n"
        f"```step\n{{id: it, uses: {uses}, with: {given}, {verify}}}\n```\n"
    )


def approved(stage: Stage, cloud: Running, uses: str) -> RunbookRun:
    account = stage.environment("dhbw-prod").account_id
    cloud.state.doings.muted[account, "eu-central-1", "lecture-db-storage"] = False
    run = stage.run(page(uses), CHANGES[uses][0])
    stage.approve(run)
    return run


def dies(stage: Stage, cloud: Running, place: str, do: Callable[[], object], nth: int = 1) -> None:
    """Do it and die there, or go on without an answer; nothing is left of the process a quarter of an hour later."""
    stage.places = Places(place, nth)
    with suppress(Died), answers_lost(cloud) if place == "lost" else nullcontext():
        do()
    assert stage.places.dead is (place != "lost"), stage.places.passed
    stage.places = Places()
    stage.now += timedelta(minutes=15)


def whole(stage: Stage) -> None:
    """No target is locked and nobody is at work any more, and the log is as it was written."""
    with reading(stage.store.engine) as db:
        assert db.execute(select(t.target_lock)).all() == []
    assert stage.store.journal().stranded(stage.now) == ()
    assert list(faults(stage.store.audit().rows(), stage.store.audit().head())) == []


@pytest.mark.parametrize(("place", "taken"), PLACES)
@pytest.mark.parametrize("uses", CHANGING)
def test_a_change_is_made_at_most_once_and_the_next_look_says_what_came_of_it(
    stage: Stage, cloud: Running, uses: str, place: str, taken: bool
) -> None:
    run, before = approved(stage, cloud, uses), calls(cloud)
    dies(stage, cloud, place, lambda: stage.apply(run, page(uses)))
    assert calls(cloud) == before + taken
    if place == "lost":
        assert stage.kept(run).state is RunState.APPLIED
    else:
        ended = stage.apply(run, "this is no runbook any more")
        assert ended.state is (RunState.APPLIED if taken else RunState.FAILED), ended.why
        assert ended.why == f"it ended in the middle; {'all of it was done' if taken else 'not done: it'}"
    noted = {} if place == "before note" else {"it": StepState.DONE if taken else StepState.NOT_DONE}
    assert stage.states(run) == noted
    with pytest.raises(RunbookError, match="a plan is carried out once"):
        stage.apply(run, page(uses))
    assert calls(cloud) == before + taken
    whole(stage)


# What lies between is tried for one of them below: all are carried out by the same lines.
@pytest.mark.parametrize(("place", "taken"), [PLACES[1], PLACES[2], PLACES[4]])
@pytest.mark.parametrize("uses", BACK)
def test_what_is_taken_back_is_taken_back_once_wherever_that_died(
    stage: Stage, cloud: Running, uses: str, place: str, taken: bool
) -> None:
    run = approved(stage, cloud, uses)
    assert stage.apply(run, page(uses)).state is RunState.APPLIED
    before = calls(cloud)
    dies(stage, cloud, place, lambda: stage.rollback(run))
    assert calls(cloud) == before + taken
    if place != "lost":
        found = stage.apply(run, page(uses))
        assert found.state is (RunState.ROLLED_BACK if taken else RunState.FAILED)
        assert taken or found.why == "taking back ended in the middle; not taken back: it"
        whole(stage)
    if not taken:
        # It is known not to have been made: then it may be.
        assert stage.rollback(run).state is RunState.ROLLED_BACK
    assert stage.states(run) == {"it": StepState.DONE, "it/undo": StepState.DONE}
    assert calls(cloud) == before + 1
    with pytest.raises(RunbookError, match="there is nothing to take back"):
        stage.rollback(run)
    whole(stage)


@pytest.mark.parametrize("place", ["before renew", "after renew", "after note", "after act", "after settle"])
def test_who_is_stopped_lets_go_so_that_nobody_has_to_wait(stage: Stage, cloud: Running, place: str) -> None:
    run = approved(stage, cloud, "ecs.scale")
    stage.places = Places(place, stopped=True)
    with suppress(Died):
        stage.apply(run, page("ecs.scale"))
    assert stage.kept(run).state is RunState.APPLYING
    assert stage.store.journal().held_until(run.number, stage.now) is None
    stage.places = Places()
    assert stage.apply(run, page("ecs.scale")).state is (
        RunState.APPLIED if place in ("after act", "after settle") else RunState.FAILED
    )
    whole(stage)


def test_every_place_of_a_change_and_of_taking_it_back(stage: Stage, cloud: Running) -> None:
    """For every thing that is written or called: die before it, which is after the one before; then look."""
    uses = "ecs.scale"
    run = approved(stage, cloud, uses)
    stage.apply(run, page(uses))
    stage.rollback(run)
    passed = stage.places.passed
    assert len(passed) > 30
    for n, place in enumerate(passed):
        if place.startswith("after"):
            continue
        run, before = approved(stage, cloud, uses), calls(cloud)
        dies(
            stage,
            cloud,
            place,
            lambda run=run: (stage.apply(run, page(uses)), stage.rollback(run)),
            passed[: n + 1].count(place),
        )
        ended = stage.kept(run)
        if ended.state in (RunState.APPLYING, RunState.ROLLING_BACK):
            ended = stage.apply(run, page(uses))
        states = stage.states(run)
        assert StepState.BEGUN not in states.values()
        assert StepState.UNKNOWN not in states.values()
        done = list(states.values()).count(StepState.DONE)
        assert calls(cloud) == before + done, place
        whole(stage)
        if ended.state in (RunState.APPLIED, RunState.FAILED) and states.get("it") is StepState.DONE:
            assert stage.rollback(run).state is RunState.ROLLED_BACK
        elif ended.state is RunState.APPROVED:
            with pytest.raises(RunbookError, match="the approval expired"):
                stage.apply(run, page(uses))


TWICE = """\
---
id: twice
limits: {max_runs: 99/1h}
---
# Another definition, and all of it anew

```step
{id: other, uses: ecs.set_task_definition, with: {service: quiz-api, to: 'quiz-api:40'}, verify: {every: 1s, timeout: 9s}}
```
```step
{id: anew, uses: ecs.force_new_deployment, with: {service: quiz-api}, verify: {every: 1s, timeout: 9s}}
```
"""


@pytest.mark.parametrize(("place", "taken"), PLACES[1:3])
def test_what_the_change_before_did_is_not_taken_for_the_one_that_was_begun(
    stage: Stage, cloud: Running, place: str, taken: bool
) -> None:
    """The first has made a new deployment; whether the second has cannot be told by holding it against the plan."""
    run, before = stage.run(TWICE, "dhbw-prod"), calls(cloud)
    stage.approve(run)
    dies(stage, cloud, place, lambda: stage.apply(run, TWICE), 2)
    assert calls(cloud) == before + 1 + taken
    assert stage.apply(run, TWICE).state is (RunState.APPLIED if taken else RunState.FAILED)
    assert stage.states(run) == {"other": StepState.DONE, "anew": StepState.DONE if taken else StepState.NOT_DONE}
    assert stage.rollback(run).state is RunState.ROLLED_BACK
    whole(stage)


def test_whoever_stood_still_while_another_took_over_changes_nothing_more(stage: Stage, cloud: Running) -> None:
    """Asleep between two changes for an hour: what came of it was looked at meanwhile, and its target is free."""
    run, before = stage.run(TWICE, "dhbw-prod"), calls(cloud)
    stage.approve(run)
    asleep = stage.hand(run)

    def sleep(*_: object) -> None:
        if calls(cloud) == before + 1 and stage.kept(run).state is RunState.APPLYING:
            stage.now += timedelta(hours=1)
            assert stage.apply(run, TWICE).why == "it ended in the middle; not done: anew"

    with pytest.raises(RunbookError, match="this process stood still for so long that another has taken over"):
        applying.apply(replace(asleep, tell=sleep), stage.kept(run), lambda: read(TWICE))
    assert calls(cloud) == before + 1
    assert stage.kept(run).state is RunState.FAILED
    whole(stage)


def test_what_nobody_can_tell_is_asked_again_when_aws_answers(stage: Stage, cloud: Running) -> None:
    run = approved(stage, cloud, "ecs.scale")
    before = calls(cloud)
    dies(stage, cloud, "after act", lambda: stage.apply(run, page("ecs.scale")))
    cloud.state.faults.add([FaultRule(fault="access_denied", service="ecs")])
    unsure = stage.apply(run, page("ecs.scale"))
    assert (unsure.state, stage.states(run)) == (RunState.UNKNOWN, {"it": StepState.UNKNOWN})
    with pytest.raises(RunbookError, match="R-1 is unknown: there is nothing to take back"):
        stage.rollback(run)
    whole(stage)
    cloud.state.faults.clear()
    assert stage.apply(run, page("ecs.scale")).state is RunState.APPLIED
    assert (stage.states(run), calls(cloud)) == ({"it": StepState.DONE}, before + 1)
    whole(stage)
