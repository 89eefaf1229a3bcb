"""What the page asks of the store, on every database: the same answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from opsbot.model.message import Delivery
from opsbot.model.run import RunState
from opsbot.model.status import Status
from opsbot.store.overview import Overview
from opsbot.store.sql import SqlStore
from tests import postgres
from tests.outbox.world import fresh, message
from tests.web.world import HOUR, NOW, ended, finding, keep


@pytest.fixture(params=["file", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    store = postgres.emptied() if request.param == "postgresql" else fresh(tmp_path / "opsbot.db")
    for n in range(4):
        state = RunState.SUCCEEDED if n else RunState.FAILED
        keep(store, ended(f"A{n}", "a", NOW - n * HOUR, state=state))
    keep(store, ended("B0", "b", NOW - HOUR / 2), finding("prod", Status.CRITICAL), finding("test", Status.WARNING), finding("dev", Status.OK),
         told=(message("m1", "slack", run_id="B0", created_at=NOW), message("m2", "mail", run_id="B0", created_at=NOW - HOUR)))  # fmt: skip
    keep(store, ended("S0", "a", NOW + HOUR, state=RunState.SKIPPED))
    yield store
    if request.param == "file":
        store.close()


def test_every_question_has_its_answer(filled: SqlStore) -> None:
    overview = Overview(filled)
    recent = overview.recent(["a", "b", "none"], 2)
    assert {job: [glance.id for glance in glances] for job, glances in recent.items()} == {
        "a": ["A0", "A1"],
        "b": ["B0"],
        "none": [],
    }
    assert (recent["a"][0].state, recent["a"][0].at, recent["a"][0].ended) == (
        RunState.FAILED,
        NOW,
        NOW + timedelta(seconds=41.3),
    )
    assert [run.id for run in overview.runs(limit=3)] == ["S0", "A0", "B0"]
    assert [run.id for run in overview.runs(job="a", states=(RunState.SUCCEEDED,), limit=2, offset=1)] == ["A2", "A3"]
    assert [run.id for run in overview.reported(limit=2)] == ["B0", "A1"]
    assert set(overview.those(["A0", "none"])) == {"A0"}
    assert overview.formats("B0") == ("html", "text", "json")
    report = overview.report("B0", "text")
    assert report is not None
    assert report.body == b"report\n"
    assert overview.report("B0", "slack") is None
    assert {(row.key, row.status, row.at) for row in overview.standing()} == {
        ("prod/ecs-cpu/lecture-backend", Status.CRITICAL, NOW - HOUR / 2),
        ("test/ecs-cpu/lecture-backend", Status.WARNING, NOW - HOUR / 2),
    }
    assert overview.standing_counts() == {("b", Status.CRITICAL): 1, ("b", Status.WARNING): 1}
    assert overview.said(["B0"], ["prod/ecs-cpu/lecture-backend"])["prod/ecs-cpu/lecture-backend"].value == 93.1
    assert overview.statuses("B0") == {Status.CRITICAL: 1, Status.WARNING: 1, Status.OK: 1}
    assert [(line.channel, line.state, line.number, line.oldest) for line in overview.backlog()] == [
        ("mail", Delivery.QUEUED, 1, NOW - HOUR),
        ("slack", Delivery.QUEUED, 1, NOW),
    ]
    assert [letter.id for letter in overview.letters(states=(Delivery.QUEUED,))] == ["m1", "m2"]
    assert overview.letters(run_id="A0") == ()
    assert overview.in_state() == {}
    assert {run.id: run.seconds for run in overview.ended(NOW - HOUR / 2)} == {"A0": 41.3, "B0": 41.3, "S0": 41.3}


def test_many_jobs_are_asked_for_at_once(filled: SqlStore) -> None:
    names = [f"job-{n}" for n in range(120)] + ["a"]
    recent = Overview(filled).recent(names, 1)
    assert (len(recent), [glance.id for glance in recent["a"]]) == (121, ["A0"])
