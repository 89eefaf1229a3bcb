"""Catalogue tables: what they come to, and every mistake with its exact words."""

from __future__ import annotations

import os
import tomllib
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.checks.asking import MetricSettings
from opsbot.checks.catalogue import Catalogue, load, shipped
from opsbot.model.check import Check, Missing, Selector
from opsbot.model.environment import Environment
from opsbot.model.units import Unit
from tests.fakes import environment

PLACES = (
    environment("dhbw-prod"),
    environment("dhbw-staging", tier="staging"),
    environment("ufv-prod", tenant="ufv"),
)
GOOD = 'name = "mine"\nwhere = { service = "ecs" }\nmetric = "AWS/ECS CPUUtilization"\nwarning = "> 80 %"\n'


def read(text: str) -> tuple[Catalogue, list[str]]:
    tables = tomllib.loads(text)["checks"] if "[[checks]]" in text else [tomllib.loads(text)]
    catalogue, problems = load(tables, PLACES)
    return catalogue, [str(problem) for problem in problems]


def one(text: str, place: Environment = PLACES[0], name: str = "mine") -> Check:
    catalogue, problems = read(text)
    assert problems == []
    return next(check for check in catalogue.for_environment(place) if check.name == name)


def rules(check: Check) -> list[str]:
    return [f"{rule.status} {rule.text}" for rule in check.rules]


AT = "config.toml.checks[0]"
RULE = 'expected a rule such as "> 80 % for 10m" or "> 10 3 of 5"'
STATISTIC = "expected Average, Sum, Minimum, Maximum, SampleCount, IQM or a percentile such as p95"
PLACE = "expected one of noun, value, bound, limit, for, window, raw, of, baseline, total"
METRIC = 'expected "Namespace Name" such as "AWS/ECS CPUUtilization"'


@pytest.mark.parametrize(
    ("changed", "problems"),
    [
        pytest.param('critical = "90%"', [f"{AT}.critical: {RULE}, got '90%'"], id="a rule without a direction"),
        pytest.param(
            "critical = 90",
            [f'{AT}.critical: expected a rule such as "> 80 % for 10m", or "off", got int 90'],
            id="a bare number",
        ),
        pytest.param(
            'critical = "> 5 ms"',
            [f"{AT}.critical: 'ms' does not fit a check in percent; expected %"],
            id="a unit that does not fit",
        ),
        pytest.param(
            'critical = "> 5 4 of 3"',
            [f"{AT}.critical: expected M of N with 1 <= M <= N, got 4 of 3"],
            id="more of fewer",
        ),
        pytest.param('critical = ["> 5 %", "hot"]', [f"{AT}.critical: {RULE}, got 'hot'"], id="one of several rules"),
        pytest.param(
            'critcal = "> 5 %"', [f'{AT}.critcal: unknown key; did you mean "critical"?'], id="a key misspelt"
        ),
        pytest.param("zebra = 1", [f"{AT}.zebra: unknown key"], id="a key like no other"),
        pytest.param(
            'kind = "metrics"',
            [f"{AT}.kind: expected one of metric, fact, seasonal, logs, got 'metrics'; did you mean \"metric\"?"],
            id="a kind misspelt",
        ),
        pytest.param(
            'name = "My Check"',
            [f"{AT}.name: expected small letters, digits and hyphens such as \"ecs-cpu\", got 'My Check'"],
            id="a name with a blank",
        ),
        pytest.param("name = 3", [f"{AT}.name: expected a string, got int 3"], id="a name that is none"),
        pytest.param('area = "escs"', None, id="an area misspelt"),
        pytest.param('unit = "percents"', None, id="a unit misspelt"),
        pytest.param('missing = "zeros"', None, id="a treatment misspelt"),
        pytest.param(
            'metric = "CPUUtilization"',
            [f"{AT}.metric: {METRIC}, got 'CPUUtilization'"],
            id="a metric without its namespace",
        ),
        pytest.param("metric = 5", [f"{AT}.metric: {METRIC}, got int 5"], id="a metric that is none"),
        pytest.param(
            'statistic = "Avg"',
            [f"{AT}.statistic: {STATISTIC}, got 'Avg'; did you mean \"Average\"?"],
            id="a statistic nobody knows",
        ),
        pytest.param('statistic = "Averge"', None, id="a statistic misspelt"),
        pytest.param(
            'period = "90s"',
            [f"{AT}.period: expected 1s, 5s, 10s, 30s or whole minutes up to 1d, got '90s'"],
            id="a period CloudWatch does not have",
        ),
        pytest.param(
            'period = "2d"',
            [f"{AT}.period: expected 1s, 5s, 10s, 30s or whole minutes up to 1d, got '2d'"],
            id="a period longer than a day",
        ),
        pytest.param(
            'period = "soon"',
            [f"{AT}.period: expected a duration such as 30s, 10m, 24h or 7d, got 'soon'"],
            id="a period that is none",
        ),
        pytest.param("period = 300", [f"{AT}.period: expected a string, got int 300"], id="a period as a number"),
        pytest.param('where = { service = "esc" }', None, id="a service misspelt"),
        pytest.param('where = { resource = "ecs-services" }', None, id="a resource misspelt"),
        pytest.param(
            'where = { service = "ecs", tags = { team = "x" } }',
            [f'{AT}.where.tags: unknown key; did you mean "tag"?'],
            id="a selector misspelt",
        ),
        pytest.param(
            'where = { service = "ecs", environment = "dhwb-*" }',
            [f"{AT}.where.environment: no environment matches 'dhwb-*'; did you mean \"dhbw-prod\"?"],
            id="an environment nobody has",
        ),
        pytest.param(
            'where = { service = "ecs", tenant = "uvf" }',
            [f"{AT}.where.tenant: no environment matches 'uvf'; did you mean \"ufv\"?"],
            id="a tenant nobody has",
        ),
        pytest.param('where = "ecs"', [f"{AT}.where: expected a table, got 'ecs'"], id="where as a word"),
        pytest.param('where = { name = "x" }', None, id="resources of no service"),
        pytest.param(
            'where = { service = "ecs", name = 5 }',
            [f"{AT}.where.name: expected a string or a list of strings, got int 5"],
            id="a name that is a number",
        ),
        pytest.param(
            'expression = "total *"',
            [f"{AT}.expression: expected a name, a number or ( at character 8, got the end"],
            id="half an expression",
        ),
        pytest.param(
            'expression = "totl * 2"',
            [f"{AT}.expression: expected one of total, got 'totl'; did you mean \"total\"?"],
            id="a name no input has",
        ),
        pytest.param(
            "used = true", [f"{AT}.used: expected limit beside it: the fact that is all of it"], id="used of nothing"
        ),
        pytest.param("scale = true", [f"{AT}.scale: expected a number, got bool true"], id="a number that is none"),
        pytest.param(
            "expect = -1", [f"{AT}.expect: expected a whole number of 0 or more, got int -1"], id="fewer than none"
        ),
        pytest.param(
            'judge = "always"', [f"{AT}.judge: expected one of now, window, got 'always'"], id="judged at no time"
        ),
        pytest.param(
            'baseline = "4w"',
            [f"{AT}.period: expected \"1h\" or longer beside a baseline, got '5m'"],
            id="a baseline of minutes",
        ),
        pytest.param(
            'baseline = "1y"\nperiod = "1h"',
            [f'{AT}.baseline: expected how many weeks to compare with, "2w" to "8w", got \'1y\''],
            id="a baseline of years",
        ),
        pytest.param("floor = { calls = 5 }", [f"{AT}.floor.calls: expected one of total"], id="a floor on nothing"),
        pytest.param(
            'says = "{valu} hot"',
            [f"{AT}.says: {PLACE} in braces, got 'valu'; did you mean \"value\"?"],
            id="a place nobody fills",
        ),
        pytest.param("enabled = 1", [f"{AT}.enabled: expected true or false, got int 1"], id="a switch that is none"),
        pytest.param("overrides = 4", [f"{AT}.overrides: expected a table, got int 4"], id="overrides that are none"),
        pytest.param(
            '[overrides."dhwb-*"]\nwarning = "> 1 %"',
            [f'{AT}.overrides."dhwb-*": no environment matches \'dhwb-*\'; did you mean "dhbw-prod"?'],
            id="an override for nobody",
        ),
        pytest.param(
            '[overrides."tier:prod"]\nwarning = "> 1 %"',
            [f'{AT}.overrides."tier:prod": no environment matches \'prod\'; did you mean "production"?'],
            id="an override for a tier nobody has",
        ),
        pytest.param(
            '[overrides."tag:team"]\nwarning = "> 1 %"',
            [f'{AT}.overrides."tag:team": expected a tag such as "tag:team=backend"'],
            id="a tag without its value",
        ),
        pytest.param(
            '[overrides."dhbw-*"]\nwarnign = "> 1 %"',
            [f'{AT}.overrides."dhbw-*".warnign: unknown key; did you mean "warning"?'],
            id="an override's key misspelt",
        ),
        pytest.param(
            '[overrides."dhbw-*"]\nwarning = "1 %"',
            [f"{AT}.overrides.\"dhbw-*\".warning: {RULE}, got '1 %'"],
            id="an override's rule",
        ),
        pytest.param(
            '[overrides]\n"dhbw-*" = "off"',
            [f"{AT}.overrides.dhbw-*: expected a table, got 'off'"],
            id="an override as a word",
        ),
    ],
)
def test_one_mistake_is_one_problem(changed: str, problems: list[str] | None) -> None:
    written = {**tomllib.loads(GOOD), **tomllib.loads(changed)}
    found = [str(problem) for problem in load([written], PLACES)[1]]
    if problems is None:
        (message,) = found
        key = changed.split(" ", 1)[0]
        assert message.startswith(f"{AT}.{key}")
        assert "expected" in message
    else:
        assert found == problems


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        pytest.param("name", f'{AT}.name: expected a name such as "ecs-cpu", got nothing', id="no name"),
        pytest.param(
            "where",
            f'{AT}.where: expected the resources it is for, such as {{ service = "ecs" }}, got nothing',
            id="no resources",
        ),
        pytest.param(
            "metric",
            f'{AT}.metric: expected a metric such as "AWS/ECS CPUUtilization", or inputs, got neither',
            id="no metric",
        ),
        pytest.param("warning", f"{AT}: expected at least one of critical, warning and info, got none", id="no rule"),
    ],
)
def test_what_must_be_there(missing: str, problem: str) -> None:
    written = {key: value for key, value in tomllib.loads(GOOD).items() if key != missing}
    assert [str(found) for found in load([written], PLACES)[1]] == [problem]


def test_every_mistake_of_every_check_at_once() -> None:
    found = read(
        """
        [[checks]]
        name = "mine"
        where = { service = "escs" }
        metric = "CPU"
        period = "7s"
        warnin = "> 80 %"
        critical = "hot"
        [checks.overrides."nobody-*"]
        warning = "cold"
        [[checks]]
        name = "ecs-cpu"
        warning = "> 80 MB"
        [[checks]]
        name = "mine"
        """
    )[1]
    assert [message.split(":")[0] for message in found] == [
        "config.toml.checks[2].name",
        f"{AT}.critical",
        f"{AT}.metric",
        f"{AT}.period",
        f"{AT}.where.service",
        f'{AT}.overrides."nobody-*"',
        f'{AT}.overrides."nobody-*".warning',
        f"{AT}.warnin",
        "config.toml.checks[1].warning",
    ]


def test_without_environments_nobody_can_tell_a_slip() -> None:
    written = tomllib.loads(GOOD + '[overrides."later-*"]\nwarning = "> 1 %"')
    assert load([written], [])[1] == []


def test_a_check_of_ones_own() -> None:
    check = one(GOOD + 'owner = "ann"')
    assert (check.title, check.area, check.unit, check.missing) == ("mine", "ecs", Unit.PERCENT, Missing.UNKNOWN)
    assert (check.where, check.owner, check.source) == (Selector(kinds=("ecs-service",)), "ann", "config.toml")
    assert isinstance(check.settings, MetricSettings)
    assert (check.settings.period, check.settings.settle) == (timedelta(minutes=5), timedelta(minutes=5))


@pytest.mark.parametrize(
    ("changed", "unit"),
    [
        ('warning = "> 80 %"', Unit.PERCENT),
        ('warning = "> 80"', Unit.COUNT),
        ('warning = "> 5 for 10m"', Unit.COUNT),
        ('warning = "> 80 GiB"', Unit.BYTES),
        ('warning = "> 80"\nlimit = "x"', Unit.PERCENT),
        ('warning = "> 2 s"\nunit = "milliseconds"', Unit.MILLISECONDS),
    ],
)
def test_a_unit_is_told_by_the_rule_where_it_can(changed: str, unit: Unit) -> None:
    written = {**tomllib.loads(GOOD), **tomllib.loads(changed)}
    catalogue, problems = load([written], PLACES)
    assert problems == []
    assert catalogue.checks[-1].unit is unit


def test_a_time_does_not_tell_whether_the_metric_is_in_seconds() -> None:
    written = {**tomllib.loads(GOOD), "warning": "> 2 s"}
    (problem,) = load([written], PLACES)[1]
    assert str(problem).startswith(f"{AT}.unit: expected one of percent, seconds, milliseconds")


def test_a_shipped_check_is_changed_field_by_field() -> None:
    text = 'name = "ecs-cpu"\nwhere = { tag.team = "backend" }\nwarning = "> 70 %"\nrunbook = "mine"'
    check = one(text, name="ecs-cpu")
    assert (check.title, check.where.kinds, check.where.tags) == ("ECS CPU", ("ecs-service",), (("team", "backend"),))
    assert (rules(check), check.runbook, check.source) == (["warning > 70 %"], "mine", "config.toml")


def test_a_bare_number_is_in_the_unit_of_the_shipped_check() -> None:
    check = one('name = "ecs-cpu"\nwarning = "> 70"', name="ecs-cpu")
    assert (check.unit, rules(check)) == (Unit.PERCENT, ["warning > 70"])


def test_other_series_drop_what_was_said_of_the_old_ones() -> None:
    text = 'name = "lambda-error-rate"\nmetric = "Mine ErrorRate"\nwarning = "> 3 %"'
    settings_ = one(text, name="lambda-error-rate").settings
    assert isinstance(settings_, MetricSettings)
    assert (settings_.metrics, settings_.expression, settings_.floor, settings_.common.says) == (
        "Mine ErrorRate",
        None,
        (),
        "",
    )


def test_a_shipped_check_is_switched_off_or_loses_a_rule() -> None:
    catalogue, problems = read(
        '[[checks]]\nname = "ecs-cpu"\nenabled = false\n[[checks]]\nname = "disk-used"\ncritical = "off"'
    )
    assert problems == []
    names = [check.name for check in catalogue.checks]
    assert "ecs-cpu" not in names
    assert len(names) == sum(1 for raw in shipped() if raw.get("enabled", True)) - 1
    assert [rules(check) for check in catalogue.checks if check.name == "disk-used"] == [["warning > 80 %"]]
    assert "ecs-cpu" not in [check.name for check in catalogue.for_environment(PLACES[0])]


OVERRIDDEN = """
[overrides."dhbw-*"]
warning = "> 85 %"
owner = "dhbw"
[overrides."tier:staging"]
warning = "> 99 %"
[overrides."tenant:ufv"]
enabled = false
"""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        pytest.param(PLACES[0], ("warning > 85 %", "dhbw", 'config.toml, override "dhbw-*"'), id="by name"),
        pytest.param(PLACES[1], ("warning > 99 %", "dhbw", 'config.toml, override "tier:staging"'), id="the last wins"),
        pytest.param(PLACES[2], None, id="switched off"),
    ],
)
def test_overrides_by_environment(place: Environment, expected: tuple[str, str, str] | None) -> None:
    catalogue, problems = read(GOOD + OVERRIDDEN)
    assert problems == []
    mine = [check for check in catalogue.for_environment(place) if check.name == "mine"]
    assert [(rules(check)[0], check.owner, check.source) for check in mine] == ([expected] if expected else [])


def test_overrides_by_tag_are_checks_of_their_own_the_last_first() -> None:
    text = GOOD + (
        '[overrides."tag:team=a"]\nwarning = "> 1 %"\n'
        '[overrides."dhbw-*"]\nmissing = "breaching"\n'
        '[overrides."tag:team=b"]\nenabled = false\n'
    )
    catalogue, problems = read(text)
    assert problems == []
    mine = [check for check in catalogue.for_environment(PLACES[0]) if check.name == "mine"]
    assert [(check.where.tags, rules(check), check.missing) for check in mine] == [
        ((("team", "b"),), [], Missing.BREACHING),
        ((("team", "a"),), ["warning > 1 %"], Missing.BREACHING),
        ((), ["warning > 80 %"], Missing.BREACHING),
    ]


def test_a_tag_can_switch_on_what_is_off_for_the_rest() -> None:
    catalogue, _ = read(GOOD + 'enabled = false\n[overrides."tag:team=a"]\nenabled = true\n')
    mine = [check for check in catalogue.for_environment(PLACES[0]) if check.name == "mine"]
    assert [check.where.tags for check in mine] == [(("team", "a"),)]


def test_a_check_only_for_some_environments() -> None:
    catalogue, _ = read(GOOD.replace('"ecs" }', '"ecs", tier = "staging" }'))
    names = {place.name: [c.name for c in catalogue.for_environment(place)].count("mine") for place in PLACES}
    assert names == {"dhbw-prod": 0, "dhbw-staging": 1, "ufv-prod": 0}


def test_defaults_for_what_is_not_said() -> None:
    text = GOOD.replace("AWS/ECS CPUUtilization", "Mine Jobs")
    catalogue, _ = load([tomllib.loads(text)], PLACES, settle=timedelta(minutes=20), missing=Missing.IGNORE)
    mine = catalogue.checks[-1]
    assert isinstance(mine.settings, MetricSettings)
    assert (mine.settings.settle, mine.missing) == (timedelta(minutes=20), Missing.IGNORE)
    assert catalogue.checks[0].missing is Missing.UNKNOWN


FULL = """
name = "mine"
title = "Mine"
kind = "metric"
area = "ecs"
where = { service = "ecs", name = "a*", tag = { team = "x" }, environment = "dhbw-*" }
requires = { running = "!0" }
dimensions = { A = "{fact:a}" }
inputs = { a = "AWS/X A", b = { metric = "AWS/X B", statistic = "p95", fill = 0 } }
expression = "a / b * 100"
floor = { b = 20 }
period = "5m"
unit = "percent"
warning = ["> 80 % for 10m", "> 60 % 3 of 5"]
critical = "> 95 %"
missing = "zero"
says = "{a} of {b}, {bound}"
overrides = { "dhbw-*" = { warning = "> 1 %" }, "tag:team=a" = { enabled = false } }
"""
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=int(os.environ.get("OPSBOT_EXAMPLES", "400")), deadline=None)
@given(st.data())
def test_any_mutation_is_a_list_of_problems(data: st.DataObject) -> None:
    table = dict(tomllib.loads(FULL))
    keys = sorted(table)
    for _ in range(data.draw(st.integers(1, 4))):
        key = data.draw(st.sampled_from(keys))
        action = data.draw(st.sampled_from(["drop", "retype", "rename", "deeper"]))
        value = table.pop(key, None)
        if action == "retype":
            table[key] = data.draw(ANY)
        elif action == "rename":
            table[key + "x"] = value
        elif action == "deeper" and isinstance(value, dict):
            table[key] = {**value, data.draw(st.text(max_size=8)): data.draw(ANY)}
    _, problems = load([table], PLACES)
    assert all(problem.where.startswith("config.toml.checks[0]") and problem.what for problem in problems)
