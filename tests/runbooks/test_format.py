"""Reading a runbook: what is wrong with it is told at once, with the line; what it is filled with stays a value."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from opsbot.actions import ACTIONS
from opsbot.errors import RunbookError
from opsbot.home import shipped_home
from opsbot.model.environment import Environment
from opsbot.model.runbook import Limits, Verify
from opsbot.runbooks import filling, knowing, lint
from opsbot.runbooks.reading import Draft

TODAY = date(2026, 11, 21)
HERE = Environment(name="shop-prod", regions=("eu-central-1", "us-east-1"), account_id="123456789012", tenant="shop")
SHIPPED = (
    "certificate-expiry",
    "cost-spike",
    "data-quality",
    "database-pressure",
    "high-error-rate",
    "high-latency",
    "high-load",
    "job-failed",
    "storage-full",
    "system-down",
)


def draft(*steps: str, front: str = "") -> Draft:
    body = "".join(f"```step\n{step}\n```\n" for step in steps)
    return lint.checked("mine", f"---\nid: mine\n{front}---\n# Mine\n\n{body}", "runbooks/mine.md")


def problems(*steps: str, front: str = "") -> list[str]:
    return [str(problem) for problem in draft(*steps, front=front).problems]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_runbook_has_steps_and_nothing_wrong_with_it(name: str) -> None:
    read = lint.checked(
        name, (shipped_home() / "runbooks" / f"{name}.md").read_text(encoding="utf-8"), f"runbooks/{name}.md"
    )
    assert ([str(one) for one in read.problems], [str(one) for one in lint.stale(read, TODAY)]) == ([], [])
    assert len(read.steps) >= 5
    assert len({ACTIONS[step.uses].name for step in read.steps}) >= 4


def test_a_step_is_read_whole() -> None:
    read = draft(
        "{id: svc, uses: ecs.service, with: {service: checkout}, save: {now: running}, timeout: 5s}",
        "id: back\nuses: ecs.set_task_definition\nwhen: now < `1`\nwith: {service: '{{svc.service}}'}\n"
        "approve: {by: ['*/sre-*'], expires: 5m}\nverify: {until: running > `0`, every: 1s, timeout: 2m}",
        front="limits: {timeout: 30s, max_runs: 1/2h}\n",
    )
    svc, back = read.runbook.steps
    assert (svc.id, svc.line, svc.timeout, svc.save) == ("svc", 7, timedelta(seconds=5), (("now", "running"),))
    assert (back.approve.by, back.approve.expires) == (("*/sre-*",), timedelta(minutes=5))
    assert back.verify == Verify(until="running > `0`", every=timedelta(seconds=1), timeout=timedelta(minutes=2))
    assert read.limits == Limits(timeout=timedelta(seconds=30), runs=1, per=timedelta(hours=2))
    assert filling.asked_of(back) == {"now", "svc"}


@pytest.mark.parametrize(
    ("step", "told"),
    [
        pytest.param("{id: a, uses: ecs.servce, with: {service: x}}", "6: step a: uses: there is no action 'ecs.servce'; did you mean \"ecs.service\"?", id="action"),
        pytest.param("{id: a, uses: alarms, wth: {}}", '6: wth: unknown key; did you mean "with"?', id="key"),
        pytest.param("{id: a, uses: alarms, with: {prefx: x}}", '6: step a: with.prefx: alarms takes no such argument; did you mean "prefix"?', id="argument"),
        pytest.param("{id: a, uses: ecs.service}", "6: step a: with.service: ecs.service needs it", id="required"),
        pytest.param("{id: a, uses: ecs.scale, with: {service: x, desired: many}}", "6: step a: with.desired: expected a whole number, got 'many'", id="type"),
        pytest.param("{id: a, uses: logs, with: {group: '/ecs/x', since: soon}}", "6: step a: with.since: expected a duration such as 30s, 10m, 24h or 7d, got 'soon'", id="duration"),
        pytest.param("{id: a, uses: ecs.service, with: {service: '{{srvice}}'}}", "6: step a: nobody says what {{srvice}} is: no param, no earlier step", id="name"),
        pytest.param("{id: a, uses: ecs.service, with: {service: '{{service | upper}}'}}", "6: step a: expected {{name}} or {{step.value}}, got '{{service | upper}}'", id="no expressions"),
        pytest.param("{id: a, uses: alarms, when: 'x ='}", "6: step a: when: expected JMESPath, got 'x =':", id="jmespath"),
        pytest.param("{id: a b, uses: alarms}", "6: id: expected a name of small letters, digits and _, got 'a b'", id="id"),
        pytest.param("{id: a, uses: alarms, approve: {by: [me]}}", "6: step a: approve and verify are for changes; alarms only reads", id="approve a look"),
        pytest.param("{id: a, uses: alarms, approve: {not_requester: false}}", "6: approve.not_requester: nobody approves what they asked for", id="own approval"),
        pytest.param("{id: a, uses: [alarms}", "7: cannot be read as YAML: ", id="yaml"),
        pytest.param("a: &x [1]\nid: *x", "7: expected plain values, found a YAML reference (*name)", id="reference"),
        pytest.param("- alarms", "7: expected a table such as", id="no table"),
        pytest.param("!!python/object/apply:os.system ['true']", "7: cannot be read as YAML: ", id="code"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(step: str, told: str) -> None:
    said = problems(step)
    assert any(one.startswith(f"runbooks/mine.md:{told}") for one in said), said


@pytest.mark.parametrize(
    ("front", "told"),
    [
        pytest.param("params: {service: {form: finding.resource}}\n", 'params.service.form: unknown key; did you mean "from"?', id="key"),
        pytest.param("params: {region: {}}\n", "params.region: expected a name of small letters, digits and _ that is none of", id="taken"),
        pytest.param("params: {service: {from: env.HOME}}\n", "params.service.from: expected finding.resource", id="source"),
        pytest.param("params: {service: {pattern: '(a'}}\n", "params.service.pattern: cannot be read", id="pattern"),
        pytest.param("limits: {max_runs: twice}\n", "limits.max_runs: expected so many in a time such as 2/1h, got 'twice'", id="limit"),
        pytest.param("reviewed: lately\n", "reviewed: expected a day such as 2026-11-21, got 'lately'", id="day"),
    ],
)  # fmt: skip
def test_front_matter_that_is_wrong(front: str, told: str) -> None:
    assert any(told in one for one in problems("{id: a, uses: alarms}", front=front))


def test_a_runbook_with_problems_does_not_run() -> None:
    with pytest.raises(RunbookError, match="there is no action"):
        _ = draft("{id: a, uses: nothing}").runbook


def test_what_nobody_has_read_for_half_a_year_is_doubtful() -> None:
    read = draft("{id: a, uses: ecs.force_new_deployment, with: {service: x}}", front="reviewed: 2026-05-01\n")
    assert [one.what for one in lint.stale(read, TODAY)] == [
        "last reviewed 2026-05-01: more than 180 days ago",
        "step a: it changes something and verifies nothing",
    ]


def test_a_name_alone_keeps_its_type_and_what_is_filled_in_is_not_filled_again() -> None:
    names = {"n": 3, "evil": "{{n}}", "svc": {"running": 0}}
    given = {"desired": "{{n}}", "text": "have {{ svc.running }} of {{n}}: {{evil}}", "list": ("{{n}}", True)}
    assert filling.filled(given, names) == {"desired": 3, "text": "have 0 of 3: {{n}}", "list": (3, True)}


@pytest.mark.parametrize("name", ["gone", "svc.gone", "n.deeper"])
def test_a_gap_is_never_filled_with_nothing(name: str) -> None:
    with pytest.raises(filling.Missing):
        filling.filled({"a": f"x{{{{{name}}}}}"}, {"n": 3, "svc": {"running": 0}})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param({"srvice": "x"}, 'it takes no "srvice"; did you mean "service"?', id="misspelt"),
        pytest.param({"service": "x" * 600}, "service: expected what matches", id="pattern"),
        pytest.param({"resource": "a\nb"}, "resource: expected at most 512 printable characters", id="not printable"),
    ],
)
def test_what_is_said_of_parameters_is_checked(said: dict[str, str], told: str) -> None:
    book = draft("{id: a, uses: alarms}", front="params: {service: {pattern: '[a-z-]{1,40}'}}\n").runbook
    with pytest.raises(RunbookError) as refused:
        knowing.known(book, HERE, "eu-central-1", None, said)
    assert told in refused.value.message


def test_a_region_that_is_not_configured_is_refused() -> None:
    assert knowing.region_of(HERE, None, {}) == "eu-central-1"
    with pytest.raises(RunbookError, match="no region"):
        knowing.region_of(HERE, None, {"region": "eu-north-1"})


HOSTILE = (
    ("ecs.service", {"service": "{{it}}", "cluster": "{{it}}"}, ""),
    ("ecs.set_task_definition", {"service": "{{it}}", "cluster": "a", "to": "previous"}, ""),
    ("lambda.put_concurrency", {"function": "{{it}}", "reserved": 1}, ""),
    ("cfn.rollback", {"stack": "{{it}}"}, ""),
    ("logs", {"group": "{{it}}"}, "./#"),
    # What a document is given ends up in a script.
    ("ssm.run_command", {"document": "Ours", "machines": ("i-07aadea97ac20196f",), "parameters": {"it": "{{it}}"}}, ".,:/@%+= é"),
    ("ssm.start_automation", {"document": "Ours", "parameters": {"it": "{{it}}"}}, ".,:/@%+= é"),
)  # fmt: skip


def test_ten_thousand_hostile_values_reach_no_call() -> None:
    """Whatever stands in a parameter, an argument that names something in AWS holds the characters AWS allows there."""
    chance = random.Random(7)
    alphabet = "abc-_./:*?[]{}()<>|&;$`'\"\\ \t\n\x00\x1b%#!~^=+,é\u202e"
    evil = [
        "{{service}}",
        "${HOME}",
        "$(reboot)",
        "'; DROP TABLE",
        "../../etc",
        "arn:aws:ecs:::x",
        "\x1b[2J",
        "a" * 5000,
    ]
    allowed = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    passed: Counter[str] = Counter()
    for turn in range(10_000):
        text = evil[turn] if turn < len(evil) else "".join(chance.choices(alphabet, k=chance.randint(1, 12)))
        for uses, with_, more in HOSTILE:
            try:
                ACTIONS[uses].parse(filling.filled(with_, {"it": text}))
            except ValidationError:
                continue
            passed[uses] += 1
            assert set(text) <= allowed | set(more), (uses, text)
    assert min(passed[uses] for uses, *_ in HOSTILE) > 10
