"""The printed policies: reading is split from writing, and each statement is as narrow as AWS lets it be."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from opsbot.actions import ACTIONS, ssm_command
from opsbot.aws import policy
from opsbot.aws.inspecting import Hands
from opsbot.errors import CloudError
from opsbot.model.environment import Environment
from opsbot.replica import scenario
from opsbot.replica.faults import rules_of
from opsbot.replica.server import serve
from opsbot.replica.world import Role, World
from tests.recording import held
from tests.recording.inside.sitecustomize import OPSBOT, REMEDIATION, ROLE, RUNBOOKS
from tests.runbooks.test_run_command import opsbot

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
LEVELS = tomllib.loads((Path(__file__).parent / "iam_levels.toml").read_text(encoding="utf-8"))
LEVEL_OF = {action: level for level, actions in LEVELS.items() for action in actions}
ACCOUNT = "123456789012"

EVERYTHING = f"""
[[environments]]
name = "shop-prod"
regions = ["eu-central-1", "eu-west-1"]
account_id = "{ACCOUNT}"
role_arn = "arn:aws:iam::{ACCOUNT}:role/opsbot"
remediation_role_arn = "arn:aws:iam::{ACCOUNT}:role/opsbot-remediation"
external_id = "ssm:/opsbot/external-id:3"
payer = true
cost_export = "s3://bills/daily/"

[daemon]
heartbeat_metric = "Opsbot/Alive"
logs_group = "/opsbot/daemon"
executor = "celery"
broker = "env:BROKER"

[store]
url = "postgresql+psycopg://opsbot@127.0.0.1/opsbot"
password = "secretsmanager:opsbot/store#password"

[jobs.daily_health]
channels = ["mail"]
publish = true

[jobs.capacity_trends]

[channels.mail]
kind = "email"
via = "ses"
region = "eu-central-1"
from = "ops@example.org"
to = ["team@example.org"]

[channels.topic]
kind = "sns"
topic = "arn:aws:sns:eu-central-1:{ACCOUNT}:ops"

[channels.phone]
kind = "sns"
phone = "+491700000000"
region = "eu-central-1"

[[probes]]
name = "shop"
url = "https://shop.example.org/"
every = "60s"
publish = true

[[checks]]
name = "orders"
kind = "metric"
metric = "Shop Orders"
by = ["Shop"]
statistic = "Sum"
period = "5m"
warning = "< 1"
"""

# Readers that can be asked for in code, and that no check and no job asks for.
NOBODY_S = {"pi:DescribeDimensionKeys", "xray:GetServiceGraph"}

RUNBOOK = """
# {document}

```step
{{id: go, uses: {uses}, with: {{document: '{document}'{more}}}}}
```
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "config.toml").write_text(EVERYTHING, encoding="utf-8")
    monkeypatch.setenv("BROKER", f"sqs://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/opsbot-runs")
    return tmp_path


def printed(place: Path, whom: str, *more: str) -> list[dict[str, Any]]:
    said = opsbot(place, "iam-policy", "--for", whom, *more, key="")
    assert said.code == 0, said.err
    statements: list[dict[str, Any]] = json.loads(said.out)["Statement"]
    return statements


def by_action(statements: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {action: one for one in statements for action in one["Action"] if one["Effect"] == "Allow"}


def test_what_the_suite_is_held_against_is_what_is_printed_with_everything_switched_on(place: Path) -> None:
    allow = held.everything()
    assert held.allowed({"Statement": printed(place, "opsbot")}) == allow[OPSBOT]
    assert held.allowed({"Statement": printed(place, "role")}) == allow[ROLE] - NOBODY_S


@pytest.mark.parametrize(
    ("name", "levels"),
    [(ROLE, {"List", "Read"}), (RUNBOOKS, {"List", "Read"}), (REMEDIATION, {"Write", "Permissions management"})],
)
def test_who_reads_writes_nothing_and_who_writes_reads_nothing(name: str, levels: set[str]) -> None:
    """By AWS's own classes; an action that AWS does not have would be among them without one."""
    allow = held.everything()
    assert {LEVEL_OF.get(action, f"{action}: no level known") for action in allow[name]} == levels
    assert allow[REMEDIATION].isdisjoint(allow[ROLE] | allow[RUNBOOKS] | allow[OPSBOT])


def test_levels_are_kept_of_what_is_allowed_and_of_nothing_else() -> None:
    allow = held.everything()
    assert set(LEVEL_OF) == frozenset().union(*allow.values())


SERVICE = f"arn:aws:ecs:eu-central-1:{ACCOUNT}:service/shop/checkout"
GROUP = f"arn:aws:autoscaling:eu-central-1:{ACCOUNT}:autoScalingGroup:0f1e:autoScalingGroupName/web"
STACK = f"arn:aws:cloudformation:eu-central-1:{ACCOUNT}:stack/shop/0f1e"
ALARM = f"arn:aws:cloudwatch:eu-central-1:{ACCOUNT}:alarm:orders"
FUNCTION = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:checkout"
# What AWS's Service Authorization Reference says each change is a change of.
CHANGED = {
    "autoscaling:SetDesiredCapacity": (GROUP,),
    "cloudformation:CancelUpdateStack": (STACK,),
    "cloudformation:ContinueUpdateRollback": (STACK,),
    "cloudformation:RollbackStack": (STACK,),
    "cloudwatch:DisableAlarmActions": (ALARM,),
    "cloudwatch:EnableAlarmActions": (ALARM,),
    "ecs:UpdateService": (SERVICE, f"arn:aws:ecs:eu-central-1:{ACCOUNT}:service/checkout"),
    "iam:PassRole": (f"arn:aws:iam::{ACCOUNT}:role/tasks/checkout",),
    "lambda:DeleteFunctionConcurrency": (FUNCTION,),
    "lambda:PutFunctionConcurrency": (FUNCTION,),
    "lambda:UpdateAlias": (FUNCTION,),
    "ssm:SendCommand": (
        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:document/Restart-Shop",
        "arn:aws:ssm:eu-central-1::document/AWS-RunPatchBaseline",
        f"arn:aws:ec2:eu-central-1:{ACCOUNT}:instance/i-0123456789abcdef0",
        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:managed-instance/mi-0123456789abcdef0",
    ),
    "ssm:StartAutomationExecution": (
        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:automation-definition/Restart-Shop:1",
        "arn:aws:ssm:eu-central-1::document/AWS-RestartEC2Instance",
        f"arn:aws:ssm:eu-central-1:{ACCOUNT}:automation-execution/0f1e",
    ),
}


def covered(statements: list[dict[str, Any]], action: str, effect: str, arn: str) -> bool:
    mine = (one for one in statements if action in one["Action"] and one["Effect"] == effect)
    return any(fnmatchcase(arn, pattern) for one in mine for pattern in one["Resource"])


def changes() -> list[str]:
    return sorted({action for one in ACTIONS.values() if one.change for action in one.change.writes})


@pytest.mark.parametrize("action", changes())
def test_a_change_is_allowed_of_its_own_kind_of_resource_alone(action: str) -> None:
    told = policy.remedying([*changes()])["Statement"]
    assert all(covered(told, action, "Allow", arn) for arn in CHANGED[action])
    others = {SERVICE, GROUP, STACK, ALARM, FUNCTION} - set(CHANGED[action])
    mine = [one for one in policy.remedying([action])["Statement"] if action in one["Action"]]
    assert [arn for arn in others if covered(mine, action, "Allow", arn)] == []
    assert not any("*" in one["Resource"] for one in told)


def test_changes_are_allowed_in_the_regions_that_are_configured(place: Path) -> None:
    (place / "runbooks" / "all.md").write_text(_steps("ecs.scale", "lambda.put_concurrency", "cfn.rollback"))
    told = printed(place, "remediation")
    (one,) = [one for one in told if one["Sid"] == "OpsbotRemediate"]
    assert one["Condition"]["StringEquals"]["aws:RequestedRegion"] == ["eu-central-1", "eu-west-1", "us-east-1"]
    (marked,) = [one for one in printed(place, "remediation", "--tag", "opsbot=yes") if one["Sid"] == "OpsbotRemediate"]
    assert marked["Condition"]["StringEquals"]["aws:ResourceTag/opsbot"] == ["yes"]
    assert opsbot(place, "iam-policy", "--for", "remediation", "--tag", "opsbot", key="").code == 2


def _steps(*uses: str) -> str:
    return "# All\n" + "".join(
        f"\n```step\n{{id: s{number}, uses: {name}, with: {{service: a, cluster: b, function: a, stack: a, count: 1}}}}\n```\n"
        for number, name in enumerate(uses)
    )


def test_what_may_be_changed_may_be_taken_back(place: Path) -> None:
    for name in ("disable", "enable"):
        text = f"# A\n\n```step\n{{id: a, uses: alarm.{name}_actions, with: {{alarm: a}}}}\n```\n"
        (place / "runbooks" / "only.md").write_text(text, encoding="utf-8")
        assert {"cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions"} <= by_action(
            printed(place, "remediation")
        ).keys()


@pytest.mark.parametrize(
    ("document", "allowed", "refused"),
    [
        pytest.param("Restart-Shop", ["Restart-Shop"], ["Drop-Tables", "AWS-RunShellScript"], id="named"),
        pytest.param(
            "{{document}}", ["Restart-Shop", "Drop-Tables"], ["AWS-RunShellScript"], id="named by a parameter"
        ),
    ],
)
def test_commands_are_allowed_by_the_documents_that_runbooks_name_and_never_a_shell(
    place: Path, document: str, allowed: list[str], refused: list[str]
) -> None:
    more = ", machines: [i-0123456789abcdef0]"
    text = RUNBOOK.format(document=document, uses="ssm.run_command", more=more)
    (place / "runbooks" / "restart.md").write_text(text, encoding="utf-8")
    told = printed(place, "remediation")

    def may(name: str) -> bool:
        arn = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:document/{name}"
        yes, no = (covered(told, "ssm:SendCommand", effect, arn) for effect in ("Allow", "Deny"))
        return yes and not no

    assert [name for name in (*allowed, *refused) if may(name)] == allowed
    assert set(policy.SHELLS) == set(ssm_command._SHELLS)


def test_automations_are_allowed_by_the_documents_that_runbooks_name(place: Path) -> None:
    text = RUNBOOK.format(document="AWS-RestartEC2Instance", uses="ssm.start_automation", more="")
    (place / "runbooks" / "restart.md").write_text(text, encoding="utf-8")
    statements = by_action(printed(place, "remediation"))
    assert statements["ssm:StartAutomationExecution"]["Resource"] == [
        "arn:aws:ssm:*:*:automation-definition/AWS-RestartEC2Instance:*",
        "arn:aws:ssm:*:*:automation-execution/*",
        "arn:aws:ssm:*:*:document/AWS-RestartEC2Instance",
    ]
    assert statements["iam:PassRole"]["Condition"]["StringEquals"]["iam:PassedToService"] == [
        "ecs-tasks.amazonaws.com",
        "ssm.amazonaws.com",
    ]


def test_opsbot_s_own_identity_is_allowed_what_config_toml_switches_on_and_no_more(place: Path) -> None:
    told = by_action(printed(place, "opsbot"))
    log, queue = "arn:aws:logs:*:*:log-group:/opsbot/daemon", f"arn:aws:sqs:eu-central-1:{ACCOUNT}:opsbot-runs"
    logging = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    assert {name: one["Resource"] for name, one in told.items() if one.get("Resource") not in (["*"], None)} == {
        "sts:AssumeRole": [f"arn:aws:iam::{ACCOUNT}:role/opsbot", f"arn:aws:iam::{ACCOUNT}:role/opsbot-remediation"],
        "ssm:GetParameter": ["arn:aws:ssm:*:*:parameter/opsbot/external-id"],
        "secretsmanager:GetSecretValue": ["arn:aws:secretsmanager:*:*:secret:opsbot/store-??????"],
        "sns:GetTopicAttributes": [f"arn:aws:sns:eu-central-1:{ACCOUNT}:ops"],
        **{name: [log, f"{log}:*"] for name in logging},
        **{name: [queue] for name in policy._QUEUEING},
    }  # fmt: skip
    whole = {name: one for name, one in told.items() if one.get("Resource") == ["*"]}
    assert {name: one.get("Condition", {}).get("StringEquals") for name, one in whole.items()} == {
        "cloudwatch:PutMetricData": {"cloudwatch:namespace": ["Opsbot", "Opsbot/Jobs", "Opsbot/Probes"]},
        "ses:SendEmail": {"ses:FromAddress": ["ops@example.org"]},
        "ses:SendRawEmail": {"ses:FromAddress": ["ops@example.org"]},
        "sns:GetSMSAttributes": None,
    }


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        pytest.param(f'remediation_role_arn = "arn:aws:iam::{ACCOUNT}:role/opsbot-remediation"', "role/opsbot-remediation", id="no role for changes"),
        pytest.param('heartbeat_metric = "Opsbot/Alive"', '"Opsbot"', id="no heartbeat"),
        pytest.param('logs_group = "/opsbot/daemon"', "logs:PutLogEvents", id="no log group"),
        pytest.param('external_id = "ssm:/opsbot/external-id:3"', "ssm:GetParameter", id="no secret in SSM"),
        pytest.param('password = "secretsmanager:opsbot/store#password"', "secretsmanager:GetSecretValue", id="no secret in Secrets Manager"),
        pytest.param('executor = "celery"\nbroker = "env:BROKER"', "sqs:SendMessage", id="no queue"),
        pytest.param(f'[channels.topic]\nkind = "sns"\ntopic = "arn:aws:sns:eu-central-1:{ACCOUNT}:ops"', "sns:GetTopicAttributes", id="no topic"),
    ],
)  # fmt: skip
def test_what_is_switched_off_is_not_allowed(place: Path, text: str, gone: str) -> None:
    assert gone in json.dumps(printed(place, "opsbot"))
    assert EVERYTHING.count(text) == 1
    (place / "config.toml").write_text(EVERYTHING.replace(text, ""), encoding="utf-8")
    assert gone not in json.dumps(printed(place, "opsbot"))


def test_a_broker_that_cannot_be_read_here_is_told_and_left_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROKER")
    said = opsbot(place, "iam-policy", "--for", "opsbot", key="")
    assert (said.code, "sqs:" in said.out) == (0, False)
    assert "daemon.broker is left out of the policy: env:BROKER" in said.err


@pytest.fixture(scope="module")
def world() -> World:
    made = scenario.load(scenario.SHIPPED, anchor=NOW)
    account = made.environments[0].account
    other = Role(arn=f"arn:aws:iam::{account}:role/opsbot-remediation", account=account, external_id=None)
    return replace(made, roles={**made.roles, other.arn: other})


@pytest.fixture
def refusing(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An AWS that allows nobody to switch alarms off, and says to whom."""
    told = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
    with serve(world, now=lambda: NOW) as running:
        for name, value in {**told, "AWS_ENDPOINT_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        running.state.faults.add(rules_of([{"fault": "access_denied", "operation": "DisableAlarmActions"}]))
        yield


@pytest.mark.parametrize("role", ["opsbot", "opsbot-remediation"])
def test_changes_are_made_as_the_role_for_changes_where_there_is_one(refusing: None, world: World, role: str) -> None:
    spec = world.environments[0]
    arns = {name: f"arn:aws:iam::{spec.account}:role/{name}" for name in ("opsbot", "opsbot-remediation")}
    environment = Environment(
        name=spec.name, regions=spec.regions, account_id=spec.account, role_arn=arns["opsbot"],
        external_id="env:X" if spec.external_id else None,
        remediation_role_arn=arns[role] if role != "opsbot" else None,
    )  # fmt: skip
    with pytest.raises(CloudError) as refused:
        Hands(lambda _: "opsbot-demo").act(
            environment, environment.home_region, "cloudwatch", "disable_alarm_actions", AlarmNames=["a"]
        )
    assert f"assumed-role/{role}/opsbot is not authorized" in str(refused.value.__cause__)
    assert refused.value.action == "cloudwatch:DisableAlarmActions"
