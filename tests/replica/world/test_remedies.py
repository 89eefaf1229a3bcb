"""What cures and what does not, and how a scenario says so: worked out on the world itself, without a clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.replica import healing, scenario
from opsbot.replica.doings import Doings
from opsbot.replica.remedies import WAYS, Remedy, Taken
from opsbot.replica.world import Incident, World
from tests.replica.world.test_healing import NOW, PLACE, world
from tests.replica.world.test_scenario_file import problems

__all__ = ["world"]


def took(by: str, *names: str, value: float = 1.0, document: str = "", after: int = 0) -> Taken:
    at = int(NOW.timestamp()) + after
    return Taken(account=PLACE[0], by=by, names=names, at=at, value=value, document=document)


def test_load_is_shared_in_proportion(world: World) -> None:
    start = int(NOW.timestamp()) // 300 * 300

    def load(name: str, left: World) -> Any:
        series = next(
            s for s in left.signals[PLACE] if s.name == "CPUUtilization" and ("ServiceName", name) in s.dimensions
        )
        return left.signals[PLACE][series].buckets(start, 12, 300).mean

    for name, tasks in (("busy-api", 6), ("calm-api", 2)):
        left = healing.mended(world, [took("ecs.scale", name, value=tasks)])
        was, now = load(name, world), load(name, left)
        assert was[0] == now[0]
        assert np.allclose(now[1:], was[1:] * 3 / tasks)


DEEDS = (
    ("ecs.set_task_definition", "quiz-api", st.sampled_from([40, 41, 42])),
    ("ecs.scale", "busy-api", st.integers(0, 9)),
    ("ecs.scale", "quiz-api", st.integers(0, 9)),
    ("ecs.force_new_deployment", "leaky-api", st.just(1)),
    ("lambda.set_alias", "export", st.integers(5, 7)),
    ("lambda.put_concurrency", "render", st.sampled_from([0, 10, 60])),
    ("asg.set_desired", "workers", st.integers(1, 12)),
)
deeds = st.lists(
    st.one_of(
        st.tuples(st.just(by), st.just(name), numbers, st.integers(0, 3600)) for by, name, numbers in DEEDS
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(made=deeds)
def test_whatever_is_done_in_whatever_order_the_past_stays_and_other_things_do_too(
    world: World, made: list[tuple[str, str, int, int]]
) -> None:
    taken = [
        took(by, name, value=value, after=later) for by, name, value, later in sorted(made, key=lambda one: one[3])
    ]
    for known in range(1, len(taken) + 1):
        before, after = healing.mended(world, taken[: known - 1]), healing.mended(world, taken[:known])
        last = taken[known - 1]
        start = int(NOW.timestamp()) // 300 * 300
        seen = (last.at - start) // 300 + 1
        for series, signal in before.signals[PLACE].items():
            was, now = (one.buckets(start, 16, 300) for one in (signal, after.signals[PLACE][series]))
            for field in ("count", "mean"):
                assert getattr(was, field)[:seen].tolist() == getattr(now, field)[:seen].tolist()


def test_where_nothing_was_done_it_is_the_very_same_world(world: World) -> None:
    doings = Doings()
    assert healing.as_left(world, doings) is world
    doings.taken.append(took("ecs.scale", "busy-api", value=6))
    left = healing.as_left(world, doings)
    assert healing.as_left(world, doings) is left
    same = [series for series, signal in left.signals[PLACE].items() if signal is world.signals[PLACE][series]]
    assert len(left.signals[PLACE]) - len(same) == 3


@pytest.mark.parametrize(
    "deed",
    [
        pytest.param(took("ecs.force_new_deployment", "quiz-api"), id="started anew"),
        pytest.param(took("ecs.set_task_definition", "calm-api", value=41), id="another service"),
        pytest.param(took("ecs.set_task_definition", "quiz-api", value=42), id="the same again"),
        pytest.param(replace(took("ecs.set_task_definition", "quiz-api", value=41), account="1"), id="another account"),
        pytest.param(took("lambda.put_concurrency", "render", value=49), id="too little"),
        pytest.param(took("asg.set_desired", "workers", value=4), id="as many as there were"),
        pytest.param(took("ssm.run_command", "store-1", document="AWS-UpdateSSMAgent"), id="another document"),
        pytest.param(took("ssm.run_command", "store-2", document="Heal-Tidy"), id="another machine"),
    ],
)
def test_what_is_no_cure_cures_nothing(world: World, deed: Taken) -> None:
    left = healing.mended(world, [deed])
    start = int(NOW.timestamp()) // 300 * 300
    for series, signal in world.signals[PLACE].items():
        was, now = (one.buckets(start, 12, 300) for one in (signal, left.signals[PLACE][series]))
        assert np.array_equal(was.mean * was.count, now.mean * now.count), series


SHIPPED = scenario.load(scenario.SHIPPED, anchor=NOW)
REMEDIES = [(incident, remedy) for incident in SHIPPED.incidents for remedy in incident.heals]


@pytest.mark.parametrize(("incident", "remedy"), REMEDIES, ids=lambda one: getattr(one, "by", None) or one.resource)
def test_every_remedy_of_the_shipped_scenario_cures(incident: Incident, remedy: Remedy) -> None:
    account = next(one.account for one in SHIPPED.environments if one.name == incident.environment)
    value = next((one for one in (remedy.most, remedy.least) if abs(one) < 1e9), 30)
    name = remedy.on or incident.resource.partition(":")[0]
    left = healing.mended(
        SHIPPED, [replace(took(remedy.by, name, value=value, document=remedy.document), account=account)]
    )
    place = next(place for place in SHIPPED.signals if place[0] == account)
    sick = next(one for one in SHIPPED.resources(*place, incident.kind) if one.name == incident.resource)
    later = NOW + timedelta(minutes=20)
    assert (SHIPPED.trouble(sick, incident.metric, later), left.trouble(sick, incident.metric, later)) == (
        incident,
        None,
    )
    assert left.cause(sick, incident.metric, later) == SHIPPED.cause(sick, incident.metric, later)
    assert left.trouble(sick, incident.metric, NOW) is not None


def test_what_is_shipped_can_mostly_be_cured() -> None:
    assert len({incident.resource for incident, _ in REMEDIES}) >= 10
    assert {remedy.by for _, remedy in REMEDIES} >= {"ecs.scale", "ecs.set_task_definition", "lambda.set_alias"}


BUSY = """
[[environments]]
name = "a-prod"
tenant = "a"
account = "200000000001"
regions = ["eu-central-1"]
[[environments.resources]]
kind = "ecs-service"
names = ["web"]
[[environments.resources]]
kind = "lambda-function"
names = ["render"]
[[incidents]]
environment = "a-prod"
kind = "lambda-function"
resource = "render"
metric = "Errors"
value = 0.1
from = "-1h"
story = "errors"
expect = "lambda-errors"
[[incidents.heals]]
"""


@pytest.mark.parametrize(
    ("heals", "told"),
    [
        pytest.param('by = "lambda.set_alais"', f"by: expected one of {', '.join(WAYS)}, found 'lambda.set_alais'", id="way"),
        pytest.param('by = "ecs.scale"\nleast = 4', "on: expected the ecs-service that ecs.scale is done to, found nothing", id="whose"),
        pytest.param('by = "ecs.scale"\nleast = 4\non = "wbe"', "on: a-prod has no ecs-service called 'wbe'; did you mean \"web\"?", id="name"),
        pytest.param('by = "ecs.scale"\non = "web"', "least: expected least or most: which numbers cure; only CPUUtilization is shared by more", id="how many"),
        pytest.param('by = "lambda.put_concurrency"', "least: expected least or most: which numbers cure; only CPUUtilization is shared by more", id="limit"),
        pytest.param('by = "ssm.run_command"', "document: expected a text, found nothing", id="document"),
        pytest.param('by = "lambda.set_alias"\ndocument = "x"', "document: unknown key", id="no document"),
        pytest.param('by = "lambda.set_alias"\nafter = "soon"', "after: expected a duration such as \"90m\", \"3h\" or \"2d\", found 'soon'", id="when"),
    ],
)  # fmt: skip
def test_a_remedy_that_cannot_be_meant_is_told(tmp_path: Path, heals: str, told: str) -> None:
    text = f'seed = 1\ncaller_account = "100000000001"\n{BUSY}{heals}\n'
    assert [one.partition(".heals[0].")[2] for one in problems(tmp_path, text)] == [told]
