"""Mail through SES and secrets that AWS keeps, with the credentials opsbot itself runs as."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from opsbot.aws import mail, vault
from opsbot.errors import CloudError, DeliveryError
from opsbot.replica import resources
from opsbot.replica.world import World
from tests.aws.conftest import Cloud

REGION = "eu-central-1"
LETTER = b"From: opsbot@example.org\r\nTo: ops@example.org\r\nSubject: 2 of 8\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n"


@pytest.fixture
def ours(cloud: Cloud, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    resources.seed(world)
    return cloud


def test_a_letter_is_handed_to_ses(ours: Cloud) -> None:
    assert mail.send(REGION, resources.SENDER, ["ops@example.org"], LETTER)


@pytest.mark.parametrize(
    ("fault", "permanent", "ambiguous", "told"),
    [
        pytest.param("access_denied", True, False, "ses:SendEmail is denied", id="not allowed"),
        pytest.param("throttle", False, False, "throttled", id="too fast"),
        pytest.param("server_error", False, True, "failed at AWS", id="it may have been taken"),
    ],
)
def test_what_ses_refuses(ours: Cloud, fault: str, permanent: bool, ambiguous: bool, told: str) -> None:
    ours.fails({"service": "sesv2", "operation": "SendEmail", "fault": fault})
    with pytest.raises(DeliveryError) as caught:
        mail.send(REGION, resources.SENDER, ["ops@example.org"], LETTER)
    error = caught.value
    assert (error.permanent, error.ambiguous) == (permanent, ambiguous)
    assert told in error.message


def test_secrets_are_read_where_they_are_kept(ours: Cloud) -> None:
    boto3.client("ssm").put_parameter(Name="/opsbot/slack", Value="xoxb-kept", Type="SecureString", Overwrite=True)
    boto3.client("secretsmanager").create_secret(Name="opsbot/mail", SecretString='{"password": "hush"}')
    assert vault.read("ssm:/opsbot/slack") == "xoxb-kept"
    assert vault.read("secretsmanager:opsbot/mail#password") == "hush"
    with pytest.raises(CloudError) as caught:
        vault.read("secretsmanager:opsbot/mail#user")
    assert "expected a JSON object with the key 'user'" in caught.value.message
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("reference", ["ssm:/opsbot/none", "secretsmanager:opsbot/none"])
def test_a_secret_that_is_not_there_is_named_by_its_reference(ours: Cloud, reference: str) -> None:
    with pytest.raises(CloudError) as caught:
        vault.read(reference)
    assert caught.value.message.startswith(reference)
    assert caught.value.permanent
