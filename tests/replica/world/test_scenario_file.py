"""A scenario file is read strictly: each mistake has its message, and all of them come at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsbot.errors import ConfigError, Problem
from opsbot.replica import scenario
from opsbot.replica.parsing import read_world
from opsbot.replica.reading import Section

GOOD = """
seed = 7
caller_account = "100000000001"
[settle]
"AWS/ECS" = 120
[shapes.office]
hours = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]
days = [1, 1, 1, 1, 1, 0.2, 0.2]
[[stacks.web]]
kind = "ecs-service"
cluster = "main"
names = ["{tenant}-web", "worker"]
shape = "office"
[[environments]]
name = "acme-prod"
tenant = "acme"
account = "200000000001"
regions = ["eu-central-1"]
stacks = ["web"]
[[environments.resources]]
kind = "lambda-function"
names = ["render"]
timeout = 10
[[incidents]]
environment = "acme-prod"
kind = "ecs-service"
resource = "acme-web"
metric = "CPUUtilization"
value = 93
from = "-3h"
story = "busy"
expect = "ecs"
[[alarms]]
environment = "acme-prod"
name = "busy"
kind = "ecs-service"
resource = "worker"
metric = "CPUUtilization"
threshold = 80
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        scenario.load(path)
    return [str(problem) for problem in raised.value.problems]


def test_a_small_scenario_becomes_a_world(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(GOOD, encoding="utf-8")
    world = scenario.load(path, anchor=datetime(2026, 11, 20, 7, 2, tzinfo=UTC))
    account, region = "200000000001", "eu-central-1"
    assert world.accounts == ("100000000001", account)
    assert [r.name for r in world.resources(account, region, "ecs-service")] == ["acme-web", "worker"]
    assert {series.name for series in world.series(account, region)} == {
        *("CPUUtilization", "MemoryUtilization"),
        *("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"),
    }
    assert (world.settle("AWS/ECS"), world.settle("AWS/RDS")) == (120, 300)
    assert [alarm.name for alarm in world.alarms(account, region)] == ["busy"]
    assert world.incidents[0].window.began(1_795_158_000) == 1_795_147_200  # 04:00: the anchor is rounded down
    assert world.series("1", "nowhere") == {}
    assert world.role("arn:aws:iam::200000000001:role/other") is None


MISTAKES = [
    pytest.param("seed = 7", 'seed = "7"', "s.toml.seed: expected a whole number of at least 0, found '7'", id="type"),
    pytest.param("seed = 7", "", "s.toml.seed: expected a whole number of at least 0, found nothing", id="missing"),
    pytest.param(
        "seed = 7", "seed = true", "s.toml.seed: expected a whole number of at least 0, found True", id="bool"
    ),
    pytest.param(
        'tenant = "acme"',
        'tenant = "acme"\nacount = "1"',
        's.toml.environments[0].acount: unknown key; did you mean "account"?',
        id="unknown key",
    ),
    pytest.param(
        '"200000000001"',
        '"42"',
        "s.toml.environments[0].account: expected an account of 12 digits as a text, found '42'",
        id="account",
    ),
    pytest.param(
        "timeout = 10",
        "memmory = 10",
        's.toml.environments[0].resources[0].memmory: unknown key; did you mean "memory"?',
        id="option of the kind",
    ),
    pytest.param(
        'stacks = ["web"]',
        'stacks = ["web", "wbe"]',
        "s.toml.environments[0].stacks: no stack is called 'wbe'; did you mean \"web\"?",
        id="stack",
    ),
    pytest.param(
        'stacks = ["web"]',
        "stacks = []",
        "s.toml.stacks.web: no environment uses this stack",
        id="stack without use",
    ),
    pytest.param(
        'shape = "office"',
        'shape = "offize"',
        "s.toml.stacks.web[0].shape: no shape is called 'offize'; did you mean \"office\"?",
        id="shape",
    ),
    pytest.param("days = [1, 1,", "days = [1,", "expected 7 numbers from 0 to 1", id="six days"),
    pytest.param("days = [1, 1,", "days = [3, 1,", "expected 7 numbers from 0 to 1", id="more than all"),
    pytest.param(
        'names = ["render"]',
        'names = ["render", "render"]',
        "s.toml.environments[0].resources[0].names: acme-prod already has a lambda-function called 'render'",
        id="one name twice",
    ),
    pytest.param(
        'names = ["render"]',
        'names = ["render"]\nlevels = { Durration = 1 }',
        'levels.Durration: a lambda-function has no such metric; did you mean "Duration"?',
        id="level of an unknown metric",
    ),
    pytest.param(
        'resource = "acme-web"',
        'resource = "acme-wbe"',
        "s.toml.incidents[0].resource: acme-prod has no ecs-service called 'acme-wbe'; did you mean \"acme-web\"?",
        id="incident without resource",
    ),
    pytest.param(
        'metric = "CPUUtilization"\nvalue',
        'metric = "CPUUtilisation"\nvalue',
        "s.toml.incidents[0].metric: a ecs-service has no 'CPUUtilisation'; did you mean \"CPUUtilization\"?",
        id="incident without metric",
    ),
    pytest.param(
        'from = "-3h"',
        'from = "05:10"',
        's.toml.incidents[0].from: expected "always", "-3h", or "05:10" with for = "90m", found \'05:10\'',
        id="clock time without length",
    ),
    pytest.param(
        'from = "-3h"',
        'from = "05:10"\nfor = "90 min"',
        's.toml.incidents[0].for: expected a duration such as "90m", "3h" or "2d", found \'90 min\'',
        id="duration",
    ),
    pytest.param(
        'environment = "acme-prod"\nname',
        'environment = "acme-prd"\nname',
        "s.toml.alarms[0].environment: no environment is called 'acme-prd'; did you mean \"acme-prod\"?",
        id="alarm without environment",
    ),
    pytest.param(
        "[[incidents]]", "[incidents]", "s.toml.incidents: expected tables, written [[incidents]]", id="brackets"
    ),
    pytest.param("seed = 7", "seed = ", "s.toml: is not TOML", id="not TOML"),
]


@pytest.mark.parametrize(("before", "after", "told"), MISTAKES)
def test_a_mistake_is_told_with_its_path(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in GOOD
    assert any(told in problem for problem in problems(tmp_path, GOOD.replace(before, after, 1)))


def test_all_mistakes_come_at_once_and_each_once(tmp_path: Path) -> None:
    text = GOOD.replace("seed = 7", "sed = 7").replace('metric = "CPUUtilization"', 'metric = "Cpu"')
    second = '[[environments]]\nname = "acme-test"\ntenant = "a"\naccount = "200000000002"\n'
    text = text.replace('shape = "office"', 'shape = "of"') + second + 'regions = ["eu-central-1"]\nstacks = ["web"]\n'
    found = problems(tmp_path, text)
    assert len(found) == len(set(found)) == 5
    assert [problem.split(":")[0] for problem in found] == [
        *("s.toml.seed", "s.toml.stacks.web[0].shape", "s.toml.incidents[0].metric"),
        *("s.toml.alarms[0].metric", "s.toml.sed"),
    ]


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "05:99",
    [],
    ["a"],
    [1],
    {},
    {"a": 1},
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from paths(inner, (*at, key))


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_whatever_stands_anywhere_is_a_problem_or_a_world_that_answers(odd: Any) -> None:
    for *way, key in (path for path in paths(tomllib.loads(GOOD)) if path):
        file = tomllib.loads(GOOD)
        place: Any = file
        for step in way:
            place = place[step]
        place[key] = odd
        found: list[Problem] = []
        draft = read_world(Section(file, "s.toml", found), 1_795_158_000)
        if not found:
            for signals in draft.world().signals.values():
                assert all(signal.buckets(1_795_158_000, 2, 300).count.size == 2 for signal in signals.values())


def test_two_environments_share_neither_name_nor_account(tmp_path: Path) -> None:
    second = '[[environments]]\nname = "acme-prod"\ntenant = "a"\naccount = "200000000001"\nregions = ["eu-west-1"]\n'
    assert problems(tmp_path, GOOD + second) == [
        "s.toml.environments[1].name: 'acme-prod' is used by another environment",
        "s.toml.environments[1].account: '200000000001' is used by another environment",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        scenario.load(tmp_path / "none.toml")


def test_the_configuration_names_every_environment() -> None:
    world = scenario.load(scenario.SHIPPED)
    read = tomllib.loads(scenario.opsbot_config(world))
    assert read["timezone"] == "Europe/Berlin"
    assert len(read["environments"]) == len(world.environments) == 11
    first, second = read["environments"][:2]
    assert first == {
        "name": "dhbw-prod",
        "tenant": "dhbw",
        "tier": "production",
        "regions": ["eu-central-1"],
        "account_id": "201000000001",
        "role_arn": "arn:aws:iam::201000000001:role/opsbot",
        "external_id": "env:OPSBOT_DEMO_EXTERNAL_ID",
        "labels": {"platform": "lecture", "country": "de"},
        "payer": True,
    }
    assert [one["name"] for one in read["environments"] if one.get("payer")] == ["dhbw-prod", "shopai-prod"]
    assert "external_id" not in second
    role = world.role(first["role_arn"])
    assert role is not None
    assert (role.account, role.external_id) == ("201000000001", "opsbot-demo")
