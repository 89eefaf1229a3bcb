"""STS: whose credentials these are, who may assume a role, and sessions that end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.replica.engine.engine_world import CALLER, NOW, OPEN_ROLE, ROLE, TENANT, Aws

HOUR = timedelta(hours=1)


def assume(aws: Aws, **asked: Any) -> Any:
    return aws.client("sts").assume_role(**{"RoleArn": ROLE, "RoleSessionName": "opsbot"} | asked)


def session(aws: Aws, service: str) -> Any:
    return aws.client(service, key=assume(aws, RoleArn=OPEN_ROLE)["Credentials"]["AccessKeyId"])


def test_static_keys_belong_to_the_caller(aws: Aws) -> None:
    identity = aws.client("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (CALLER, f"arn:aws:iam::{CALLER}:user/demo")


def test_a_session_belongs_to_the_account_of_the_role(own_aws: Aws) -> None:
    issued = assume(own_aws, ExternalId="opsbot-demo")
    assert issued["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{TENANT}:assumed-role/opsbot/opsbot"
    assert issued["Credentials"]["Expiration"] == NOW + HOUR
    sts = own_aws.client("sts", key=issued["Credentials"]["AccessKeyId"])
    assert sts.get_caller_identity()["Account"] == TENANT


def test_moto_sees_the_same_account(own_aws: Aws) -> None:
    url = session(own_aws, "sqs").create_queue(QueueName="seen")["QueueUrl"]
    assert f"/{TENANT}/" in url
    assert url not in own_aws.client("sqs").list_queues().get("QueueUrls", [])


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, id="no external id"),
        pytest.param({"ExternalId": "guessed"}, id="the wrong external id"),
        pytest.param({"RoleArn": f"arn:aws:iam::{TENANT}:role/nobody", "ExternalId": "opsbot-demo"}, id="no such role"),
    ],
)
def test_strangers_are_denied_in_awss_words(aws: Aws, asked: dict[str, Any]) -> None:
    role = asked.get("RoleArn", ROLE)
    said = f"User: arn:aws:iam::{CALLER}:user/demo is not authorized to perform: sts:AssumeRole on resource: {role}"
    with pytest.raises(ClientError) as refused:
        assume(aws, **asked)
    assert refused.value.response["Error"] == {"Type": "Sender", "Code": "AccessDenied", "Message": said}
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("asked", [{"DurationSeconds": 60}, {"DurationSeconds": 50_000}, {"RoleSessionName": "a b"}])
def test_wrong_parameters_are_refused(aws: Aws, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        assume(aws, RoleArn=OPEN_ROLE, **asked)


def test_a_chained_session_lasts_an_hour_at_most(own_aws: Aws) -> None:
    with pytest.raises(ClientError, match="role chaining"):
        session(own_aws, "sts").assume_role(RoleArn=OPEN_ROLE, RoleSessionName="more", DurationSeconds=7200)


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("cloudwatch", "list_metrics", "ExpiredTokenException"),
        ("sts", "get_caller_identity", "ExpiredToken"),
        ("sqs", "list_queues", "ExpiredTokenException"),
    ],
)
def test_a_session_really_ends(own_aws: Aws, service: str, call: str, code: str) -> None:
    client = session(own_aws, service)
    own_aws.clock.at += HOUR - timedelta(seconds=1)
    getattr(client, call)()
    own_aws.clock.at += timedelta(seconds=1)
    with pytest.raises(ClientError, match="expired") as refused:
        getattr(client, call)()
    assert refused.value.response["Error"]["Code"] == code


def test_session_keys_that_were_never_issued_are_not_known(aws: Aws) -> None:
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        aws.client("cloudwatch", key="ASIAAAAAAAAAAAAAAAAA").list_metrics()
