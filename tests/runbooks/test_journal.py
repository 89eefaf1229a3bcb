"""What is kept of runs, on every database: each change noted once, one run a target, and texts as they can be kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.actions.telling import clock, number, said, spark
from opsbot.audit import faults
from opsbot.errors import RunbookError
from opsbot.model.runbook import Answer, Approval, Begun, RunbookRun, RunState, StepState, Took, Verify, Write
from opsbot.runbooks import planning
from opsbot.runbooks.approving import act
from opsbot.store.sql import SqlStore
from tests.contracts.conftest import store
from tests.runbooks.stage import ANA, BO, NOW

__all__ = ["store"]

HOUR = timedelta(hours=1)


def run(*, state: RunState = RunState.PLANNED) -> RunbookRun:
    took = Took(
        step="svc", uses="ecs.service", state=StepState.DONE, seconds=0.5,
        answer=Answer(headline="0 of 3 \ud800", rows=(("a", "b"),), values={"running": 0, "rows": ({"x": "1"},), "none": None}),
    )  # fmt: skip
    write = Write(
        step="back", uses="ecs.set_task_definition", given={"service": "quiz-api", "to": "previous"}, calls="ecs:UpdateService",
        before=(("task definition", "quiz-api:42"),), after=(("task definition", "quiz-api:41"),), key="ecs/lecture/quiz-api",
        undo="ecs.set_task_definition", undo_given={"to": "quiz-api:42"}, undo_says="back", verify=Verify(until="running > `0`"),
    )  # fmt: skip
    made = RunbookRun(
        number=0, runbook="roll-back", title="Roll back", book="0" * 64, environment="unilux-prod", region="eu-west-1",
        params=(("resource", "quiz-api"),), actor=ANA, at=NOW, state=state, took=(took,), writes=(write,),
    )  # fmt: skip
    return replace(made, digest=planning.digest(made))


def test_a_run_is_read_as_it_was_kept(store: SqlStore) -> None:
    kept = store.journal().keep(run(), act("runbook.plan", run(), ANA, NOW))
    found = store.journal().run(1)
    assert found is not None
    assert (found.writes, found.digest, found.params, found.actor) == (kept.writes, kept.digest, kept.params, ANA)
    assert found.took[0].answer == replace(run().took[0].answer, headline="0 of 3 ?")  # type: ignore[type-var]
    assert planning.digest(found) == found.digest


def test_each_step_of_a_life_is_taken_once_and_written_down(store: SqlStore) -> None:
    journal = store.journal()
    first, second = (journal.keep(run(), act("runbook.plan", run(), ANA, NOW)) for _ in range(2))
    told = act("x", first, ANA, NOW)
    lock = ["ecs/lecture/quiz-api"], NOW, timedelta(minutes=5), 1, HOUR
    with pytest.raises(RunbookError, match="R-1 is planned, expected approved"):
        journal.begin(1, *lock, told)
    for one in (first, second):
        journal.approve(one.number, Approval(actor=BO, digest=one.digest, at=NOW, until=NOW + HOUR), told)
    with pytest.raises(RunbookError, match="R-1 is approved, expected planned"):
        journal.approve(1, Approval(actor=BO, digest="", at=NOW, until=NOW), told)
    assert journal.begin(1, *lock, told).state is RunState.APPLYING
    held = NOW + timedelta(minutes=5)
    assert (journal.held_until(1, NOW), journal.held_until(1, NOW + HOUR)) == (held, None)
    with pytest.raises(RunbookError, match="is being changed by R-1"):
        journal.begin(2, *lock, told)
    journal.note(1, held, "back", "ecs/lecture/quiz-api", NOW, told)
    with pytest.raises(RunbookError, match="no change is made twice"):
        journal.note(1, held, "back", "ecs/lecture/quiz-api", NOW, told)
    journal.settle(1, "back", StepState.DONE, NOW, told, request_id="abc")
    assert journal.changes(1) == (Begun(step="back", state=StepState.DONE, at=NOW),)
    assert journal.end(1, RunState.APPLIED, "", NOW, told).ended_at == NOW
    with pytest.raises(RunbookError, match="was changed by 1 runbook runs in 60 min, and 1 are allowed"):
        journal.begin(2, *lock, told)
    later = ["ecs/lecture/quiz-api"], NOW + 2 * HOUR, timedelta(minutes=5), 1, HOUR
    assert journal.begin(2, *later, told).state is RunState.APPLYING
    assert [one.number for one in journal.runs()] == [2, 1]
    assert list(faults(store.audit().rows(), store.audit().head())) == []


@pytest.mark.parametrize("number", [1, 99])
def test_a_run_that_is_not_there(store: SqlStore, number: int) -> None:
    assert store.journal().run(number) is None
    with pytest.raises(RunbookError, match=f"there is no runbook run R-{number}"):
        store.journal().end(number, RunState.FAILED, "", NOW, act("x", run(), ANA, NOW))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("a\x1b[31mb\n\tc\u202ed", "a [31mb c d", id="nothing that commands a terminal"),
        pytest.param("x" * 300, "x" * 159 + "…", id="not too long"),
        pytest.param("key=AKIAABCDEFGHIJKLMNOP end", "key=(hidden) end", id="no secrets"),
    ],
)
def test_what_aws_said_is_made_fit_to_be_shown_and_kept(text: str, told: str) -> None:
    assert said(text) == told


def test_figures_and_times_are_short() -> None:
    assert [number(value) for value in (None, 0.0, 3.14159, 1234.5, 12.0)] == ["no data", "0", "3.14", "1,234", "12"]
    assert [clock(moment, NOW) for moment in (None, NOW, NOW - timedelta(days=1))] == ["-", "07:00", "19 Nov 07:00"]
    assert spark([0.0, None, 5.0, 10.0]) == "▁ ▅█"
    assert (spark([]), spark([None]), len(spark([1.0] * 500))) == ("", "", 48)
