"""botocore's exceptions and AWS's codes, family by family: what a person is told, and what is tried next."""

from __future__ import annotations

from string import Formatter

import pytest
from botocore import exceptions as foreign
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from opsbot.aws.errors import CALL_ERRORS, Failure, Family, translate
from opsbot.errors import ConfigError, Problem


def refused(code: str, status: int = 400, message: str = "") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X"
    )


@pytest.mark.parametrize(
    ("error", "call", "away", "family", "message", "action"),
    [
        pytest.param(refused("AccessDeniedException"), "ecs:ListServices", False, Family.DENIED,
                     "ecs:ListServices is denied", "ecs:ListServices", id="denied"),
        pytest.param(refused("AccessDenied", 403), "s3:ListBuckets", False, Family.DENIED,
                     "s3:ListAllMyBuckets is denied", "s3:ListAllMyBuckets", id="IAM has another name for it"),
        pytest.param(refused("UnauthorizedOperation", 403), "ec2:DescribeInstances", False, Family.DENIED,
                     "ec2:DescribeInstances is denied", "ec2:DescribeInstances", id="EC2's way to deny"),
        pytest.param(refused("AccessDeniedException", 400, "with an explicit deny in a service control policy"),
                     "rds:DescribeDBInstances", False, Family.DENIED,
                     "rds:DescribeDBInstances is denied by a service control policy", "rds:DescribeDBInstances",
                     id="denied by the organisation"),
        pytest.param(refused("Throttling"), "cloudwatch:GetMetricData", False, Family.THROTTLED,
                     "cloudwatch:GetMetricData was throttled on every attempt", "", id="throttled"),
        pytest.param(refused("TooManyRequestsException", 429), "lambda:ListFunctions", False, Family.THROTTLED,
                     "lambda:ListFunctions was throttled on every attempt", "", id="throttled by status"),
        pytest.param(refused("ExpiredTokenException"), "ecs:ListClusters", True, Family.CREDENTIALS,
                     "the credentials have expired (ExpiredTokenException)", "", id="expired, even in another region"),
        pytest.param(refused("UnrecognizedClientException"), "ecs:ListClusters", False, Family.CREDENTIALS,
                     "the credentials were not accepted (UnrecognizedClientException)", "", id="unknown keys at home"),
        pytest.param(refused("UnrecognizedClientException"), "ecs:ListClusters", True, Family.REGION_OFF,
                     "the region is not enabled in this account", "", id="unknown keys elsewhere: region off"),
        pytest.param(refused("AuthFailure", 401), "ec2:DescribeInstances", True, Family.REGION_OFF,
                     "the region is not enabled in this account", "", id="EC2 in a region that is off"),
        pytest.param(refused("InvalidClientTokenId", 403), "sts:AssumeRole", True, Family.REGION_OFF,
                     "the region is not enabled in this account", "", id="STS in a region that is off"),
        pytest.param(refused("RequestTimeTooSkewed", 403), "s3:ListBuckets", False, Family.SKEW,
                     "this machine's clock differs from AWS's by more than 5 minutes", "", id="clock skew"),
        pytest.param(refused("SignatureDoesNotMatch", 403, "Signature expired: 20261120 is now earlier than 20261121"),
                     "rds:DescribeDBInstances", False, Family.SKEW,
                     "this machine's clock differs from AWS's by more than 5 minutes", "", id="clock skew in words"),
        pytest.param(refused("InternalFailure", 500), "glue:GetJobs", False, Family.SERVER,
                     "glue:GetJobs failed at AWS on every attempt (InternalFailure)", "", id="server error"),
        pytest.param(refused("503", 503), "s3:ListBuckets", False, Family.SERVER,
                     "s3:ListBuckets failed at AWS on every attempt (503)", "", id="a status as code"),
        pytest.param(refused("ValidationError", 400, "bad\x1b[31m\nlist"), "cloudwatch:GetMetricData", False, Family.REFUSED,
                     "cloudwatch:GetMetricData was refused: ValidationError bad [31m list", "", id="refused, its words cleaned"),
        pytest.param(foreign.ReadTimeoutError(endpoint_url="https://x"), "ecs:ListClusters", False, Family.UNREACHABLE,
                     "ecs:ListClusters did not answer in time", "", id="time-out"),
        pytest.param(foreign.NoCredentialsError(), "", False, Family.CREDENTIALS,
                     "no usable AWS credentials: Unable to locate credentials", "", id="no credentials"),
        pytest.param(foreign.ProfileNotFound(profile="ops"), "", False, Family.CREDENTIALS,
                     "The config profile (ops) could not be found", "", id="no such profile"),
        pytest.param(ResponseParserError("Unable to parse response"), "ecs:ListClusters", False, Family.MALFORMED,
                     "ecs:ListClusters gave an answer opsbot does not understand (ResponseParserError: Unable to parse response)",
                     "", id="not an answer"),
        pytest.param(KeyError("serviceName"), "ecs:DescribeServices", False, Family.MALFORMED,
                     "ecs:DescribeServices gave an answer opsbot does not understand (KeyError: 'serviceName')", "",
                     id="an answer without what it must have"),
        pytest.param(ConfigError([Problem("env:ID", "the environment variable ID is not set")]), "", False, Family.CREDENTIALS,
                     "env:ID: the environment variable ID is not set", "", id="an external id that cannot be read"),
    ],
)  # fmt: skip
def test_what_is_told(error: Exception, call: str, away: bool, family: Family, message: str, action: str) -> None:
    failure = translate(error, call=call, away=away)
    assert (failure.family, failure.message, failure.action) == (family, message, action)


def _all(kind: type[Exception]) -> set[type[Exception]]:
    return {kind} | {below for one in kind.__subclasses__() for below in _all(one)}


# Others that derive from them, boto3's own among them, come and go with what was imported before.
OWN = (kind for kind in _all(foreign.BotoCoreError) if kind.__module__.startswith("botocore."))
FAMILIES = sorted(OWN, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.__name__)
def test_every_exception_of_botocore_is_understood(kind: type[Exception]) -> None:
    wanted = {name: "x" for _, name, _, _ in Formatter().parse(getattr(kind, "fmt", "")) if name}
    if kind is foreign.WaiterError:
        wanted["last_response"] = "x"
    failure = translate(kind(**wanted), call="ecs:ListServices")
    assert issubclass(kind, CALL_ERRORS)
    assert failure.message
    assert "\n" not in failure.message


def test_what_cannot_help_to_repeat_is_permanent() -> None:
    permanent = {family for family in Family if Failure("", family).permanent}
    assert permanent == {Family.DENIED, Family.CREDENTIALS, Family.REGION_OFF, Family.SKEW, Family.REFUSED}
