"""The policy allows what is called, and nothing that is not."""

from __future__ import annotations

from typing import Any

import pytest

from opsbot.aws import Aws
from opsbot.aws.actions import action_of
from opsbot.aws.policy import actions, own, policy
from opsbot.aws.readers import KINDS
from opsbot.model.environment import Environment
from opsbot.ports import Ask, CustomMetric, MetricQuery

# Allowed and not called here: the first by ECS itself when DescribeServices is asked for tags, the second only where
# S3 does not tell a bucket's region in its list.
NOT_CALLED_HERE = {
    *("ecs:ListTagsForResource", "s3:GetBucketLocation"),
    # Only where there are canaries and where Performance Insights is on: tests/stories/test_sources.py.
    *("pi:DescribeDimensionKeys", "synthetics:DescribeCanariesLastRun"),
}
# IAM counts this as reading: it makes a list of what is there.
MAKES_A_REPORT = {"iam:GenerateCredentialReport"}
NEEDS_NOTHING = {"sts:GetCallerIdentity", "sts:AssumeRole"}


def test_what_is_called_is_what_is_allowed(cloud: Any, environments: dict[str, Environment]) -> None:
    from datetime import UTC, datetime, timedelta

    from opsbot.model.period import Period

    now = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
    custom = frozenset({CustomMetric(namespace="Platform/Health", name="SystemAvailability", dimensions=("Customer",))})
    asked = [
        environments["dataplat-prod"],
        environments["shopai-prod"],
        environments["dhbw-prod"],
        environments["edt-prod"],
        environments["edtufv-prod"],
    ]
    query = MetricQuery("AWS/Lambda", "Errors", (), "Sum", 300)
    window = Period(start=now - timedelta(hours=1), end=now)
    with Aws(secrets=lambda _: "opsbot-demo", attempts=3) as aws:
        assert all(not inventory.gaps for inventory in aws.inventory(asked, KINDS, custom, now))
        list(aws.read([Ask(environment=asked[0], region=asked[0].home_region, window=window, queries=(query,))]))
        called = {action_of(name) for name, _ in aws.usage().calls} - NEEDS_NOTHING
    assert called | NOT_CALLED_HERE == set(actions(KINDS, custom=True))


@pytest.mark.parametrize(
    ("kinds", "custom", "wanted"),
    [
        pytest.param([], False, ["cloudwatch:GetMetricData"], id="metrics alone"),
        pytest.param([], True, ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"], id="metrics of one's own"),
        pytest.param(["rds-instance"], False, ["cloudwatch:GetMetricData", "rds:DescribeDBInstances"], id="its tags come along"),
        pytest.param(["sqs-queue"], False, ["cloudwatch:GetMetricData", "sqs:ListQueues", "tag:GetResources"], id="with tags"),
        pytest.param(["api-rest", "api-http"], False, ["apigateway:GET", "cloudwatch:GetMetricData"], id="one verb for two"),
        pytest.param(["cwagent-disk"], False, ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "tag:GetResources"], id="disks"),
        pytest.param(["cloudwatch-alarm"], False, ["cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms",
                     "cloudwatch:GetMetricData", "tag:GetResources"], id="alarms and their history"),
        pytest.param(["metric:A/B"], True, ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics"], id="a listed kind"),
    ],
)  # fmt: skip
def test_actions(kinds: list[str], custom: bool, wanted: list[str]) -> None:
    assert list(actions(kinds, custom)) == wanted


def test_queries_of_logs_are_started_read_and_stopped() -> None:
    more = set(actions(["log-group"], False, logs=True)) - set(actions(["log-group"], False))
    assert more == {"logs:GetQueryResults", "logs:StartQuery", "logs:StopQuery"}


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError, match="blimp"):
        actions(["blimp"], custom=False)


def test_the_document() -> None:
    assert policy(["b:Y", "a:X", "b:Y"]) == {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "OpsbotRead", "Effect": "Allow", "Action": ["a:X", "b:Y"], "Resource": "*"}],
    }


def test_only_reading_is_ever_asked_for() -> None:
    assert all(
        action.split(":")[1].startswith(("Describe", "Get", "List", "Lookup", "GET")) or action in MAKES_A_REPORT
        for action in actions(KINDS, custom=True)
    )


def test_opsbot_s_own_identity_may_do_what_the_configuration_makes_it_do_and_nothing_else() -> None:
    told = own(
        roles=["arn:aws:iam::123456789012:role/opsbot"],
        secrets=["ssm:/opsbot/slack", "secretsmanager:opsbot/mail#password", "secretsmanager:arn:aws:secretsmanager:eu-central-1:1:secret:x-AbCdEf"],
        mails=["ops@example.org"],
        logs="/opsbot/daemon",
        metrics=["Opsbot"],
        topics=["arn:aws:sns:eu-central-1:123456789012:ops"],
        texts=True,
    )  # fmt: skip
    by_name = {statement["Sid"]: statement for statement in told["Statement"]}
    assert {name: statement["Action"] for name, statement in by_name.items()} == {
        "OpsbotAssume": ["sts:AssumeRole"],
        "OpsbotReadParameters": ["ssm:GetParameter"],
        "OpsbotReadSecrets": ["secretsmanager:GetSecretValue"],
        "OpsbotSendMail": ["ses:SendEmail", "ses:SendRawEmail"],
        "OpsbotWriteLog": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "OpsbotPublish": ["cloudwatch:PutMetricData"],
        "OpsbotTellTopics": ["sns:GetTopicAttributes", "sns:Publish"],
        "OpsbotTellPhones": ["sns:Publish"],
        "OpsbotAskOfPhones": ["sns:GetSMSAttributes"],
    }
    assert by_name["OpsbotTellTopics"]["Resource"] == ["arn:aws:sns:eu-central-1:123456789012:ops"]
    assert by_name["OpsbotTellPhones"]["NotResource"] == "arn:aws:sns:*:*:*"
    assert by_name["OpsbotReadParameters"]["Resource"] == ["arn:aws:ssm:*:*:parameter/opsbot/slack"]
    assert by_name["OpsbotReadSecrets"]["Resource"] == [
        "arn:aws:secretsmanager:*:*:secret:opsbot/mail-??????",
        "arn:aws:secretsmanager:*:*:secret:x-AbCdEf",
    ]
    assert by_name["OpsbotSendMail"]["Condition"] == {"StringEquals": {"ses:FromAddress": ["ops@example.org"]}}
    assert by_name["OpsbotPublish"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": ["Opsbot"]}}


def test_whoever_switches_nothing_on_needs_nothing() -> None:
    assert own()["Statement"] == []
