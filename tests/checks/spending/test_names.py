"""Causes by the names people know, and keys that hold still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsbot.checks.spending.names import Accounts, part
from opsbot.evaluate.cost import Anomaly, Kind, RootCause, State
from opsbot.model.environment import Environment
from tests.evaluate.cost.bills import day

PAYER = Environment(name="billing", regions=("us-east-1",), account_id="1", payer=True)
HERE = Environment(name="shop-eu", regions=("eu-central-1",), account_id="2")
THERE = Environment(name="shop-us", regions=("us-east-1",), account_id="2")
ACCOUNTS = Accounts(payer=PAYER, environments=(PAYER, HERE, THERE))


def anomaly(account: str, service: str, region: str, usage_type: str) -> Anomaly:
    cause = RootCause(account=account, service=service, region=region, usage_type=usage_type, share=1.0, impact=100.0)
    return Anomaly(
        id="x", kind=Kind.STEP, state=State.OPEN, account=account, service=service, start=day(100), last=day(110),
        actual=100.0, expected=0.0, impact=100.0, daily=10.0, confidence=0.9, score=2.0, causes=(cause,), also=(), why="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("service", "usage_type", "name"),
    [
        ("EC2 - Other", "EUC1-NatGateway-Bytes", "NAT Gateway"),
        ("EC2 - Other", "EBS:SnapshotUsage", "EBS snapshots"),
        ("EC2 - Other", "USW2-EBS:VolumeUsage.gp3", "EBS volumes"),
        ("EC2 - Other", "EUC1-DataTransfer-Regional-Bytes", "data transfer"),
        ("Amazon Elastic Compute Cloud - Compute", "EUC1-BoxUsage:m6i.xlarge", "EC2 instances"),
        ("Amazon Relational Database Service", "EUC1-InstanceUsage:db.r6g.large", "RDS"),
        ("Amazon SageMaker", "EUC1-Notebk:ml.g5.4xlarge", "SageMaker"),
        ("AWS Lambda", "Lambda-GB-Second", "Lambda"),
        ("Amazon \x1b[31mred\x1b[0m", "x", "red"),
        ("A Marketplace product with a name that has no end at all", "x", "A Marketplace product with a name t…"),
    ],
)
def test_people_know_a_part_of_the_bill_by_its_name(service: str, usage_type: str, name: str) -> None:
    assert part(anomaly("2", service, "eu-central-1", usage_type).causes[0]) == name


@pytest.mark.parametrize(
    ("account", "region", "key"),
    [
        pytest.param("2", "eu-central-1", "shop-eu/cost-anomaly/lambda.lambda-gb-second.eu-central-1", id="its environment"),
        pytest.param("2", "us-east-1", "shop-us/cost-anomaly/lambda.lambda-gb-second.us-east-1", id="of two, its region's"),
        pytest.param("2", "sa-east-1", "shop-eu/cost-anomaly/lambda.lambda-gb-second.sa-east-1", id="a region of neither"),
        pytest.param("9", "us-east-1", "billing/cost-anomaly/lambda.lambda-gb-second.us-east-1.9", id="an unknown account"),
        pytest.param("", "us-east-1", "billing/cost-anomaly/lambda.lambda-gb-second.us-east-1", id="no account told"),
    ],
)  # fmt: skip
def test_a_key_names_the_environment_and_the_cause(account: str, region: str, key: str) -> None:
    one = anomaly(account, "AWS Lambda", region, "EUC1-Lambda-GB-Second")
    assert ACCOUNTS.key(one) == key
    assert ACCOUNTS.key(replace(one, id="y", start=day(130), daily=99.0)) == key, "the same when it comes back"


def test_a_key_is_safe_in_a_shell_whatever_the_bill_says() -> None:
    one = anomaly("2", "Amazon $(rm) `x`", "eu-central-1", "EUC1-a b;c|d'\"/../e")
    assert ACCOUNTS.resource(one) == "rm-x.a-b-c-d-e.eu-central-1"
