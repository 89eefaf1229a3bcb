"""The least that opsbot must be allowed: the role in each account reads what is switched on, its own identity does the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opsbot.aws.readers import KINDS, needed
from opsbot.aws.readers.listed import ACTION as LIST_METRICS

ALWAYS = ("cloudwatch:GetMetricData",)
TAGS = "tag:GetResources"
LOGS = ("logs:GetQueryResults", "logs:StartQuery", "logs:StopQuery")
PAYER = (
    "budgets:ViewBudget",
    "ce:GetAnomalies",
    "ce:GetCostAndUsage",
    "ce:GetReservationCoverage",
    "ce:GetRightsizingRecommendation",
    "ce:GetSavingsPlansCoverage",
    "cloudtrail:LookupEvents",
    "cost-optimization-hub:ListRecommendations",
)


def actions(kinds: Iterable[str], custom: bool, payer: bool = False, logs: bool = False) -> tuple[str, ...]:
    """All IAM actions needed to find these kinds and read their metrics; `custom`: also metrics of one's own; `payer`:
    also the bill, the budgets, and who changed what before it rose; `logs`: also queries of log groups.

    Signing in needs none: sts:GetCallerIdentity is allowed to everybody. Raises KeyError for an unknown kind.
    """
    wanted = {kind for kind in kinds if not kind.startswith("metric:")}
    if unknown := wanted - KINDS:
        raise KeyError(f"no resource kind is called {', '.join(sorted(unknown))}")
    readers = list(needed(wanted))
    found = {action for reader in readers for action in reader.actions} | set(ALWAYS)
    if any(reader.tagged for reader in readers):
        found.add(TAGS)
    if custom:
        found.add(LIST_METRICS)
    if payer:
        found.update(PAYER)
    if logs:
        found.update(LOGS)
    return tuple(sorted(found))


def policy(actions: Iterable[str], exports: Iterable[str] = ()) -> dict[str, Any]:
    """An IAM policy document that allows exactly these actions. Listing and describing know no narrower resource;
    `exports` are places of Data Exports (`s3://bucket/prefix`), whose files may be read and nothing else in the bucket.
    """
    read: dict[str, Any] = {"Sid": "OpsbotRead", "Effect": "Allow", "Action": sorted(set(actions)), "Resource": "*"}
    places = [place.removeprefix("s3://").partition("/")[::2] for place in exports if place.startswith("s3://")]
    told = (
        _statement("ListExport", ["s3:ListBucket"], (f"arn:aws:s3:::{bucket}" for bucket, _ in places)),
        _statement("ReadExport", ["s3:GetObject"], (f"arn:aws:s3:::{bucket}/{prefix}*" for bucket, prefix in places)),
    )
    return {"Version": "2012-10-17", "Statement": [read, *(statement for statement in told if statement)]}


PASSED_TO = ("ecs-tasks.amazonaws.com", "ssm.amazonaws.com")
"""Who takes on a role that an approved change hands over."""


def remedying(writes: Iterable[str]) -> dict[str, Any]:
    """The policy for the role that approved runbook steps change things with: exactly these actions."""
    wanted = sorted(set(writes))
    passing = {"iam:PassedToService": PASSED_TO}
    told = (
        _statement("Remediate", [one for one in wanted if one != "iam:PassRole"], ["*"] if wanted else ()),
        _statement("PassRole", ["iam:PassRole"], ["*"] if "iam:PassRole" in wanted else (), passing),
    )
    return {"Version": "2012-10-17", "Statement": [statement for statement in told if statement]}


def own(
    *,
    roles: Iterable[str] = (),
    secrets: Iterable[str] = (),
    mails: bool = False,
    logs: str = "",
    metrics: Iterable[str] = (),
    topics: Iterable[str] = (),
    texts: bool = False,
) -> dict[str, Any]:
    """The policy for the identity opsbot itself runs as.

    `roles` are those it assumes, `secrets` its references to SSM and Secrets Manager, `mails` whether it sends through
    SES, `logs` the group its log goes to, `metrics` the namespaces it publishes in,
    `topics` those of SNS that it publishes to, `texts` whether it sends text messages to phones.
    """
    stores = tuple(reference.partition(":")[::2] for reference in secrets)
    parameters = [f"arn:aws:ssm:*:*:parameter/{name.lstrip('/')}" for scheme, name in stores if scheme == "ssm"]
    kept = [
        f"arn:aws:secretsmanager:*:*:secret:{_secret(name)}" for scheme, name in stores if scheme == "secretsmanager"
    ]
    spaces, group = sorted(set(metrics)), f"arn:aws:logs:*:*:log-group:{logs}"
    told = (
        _statement("Assume", ["sts:AssumeRole"], roles),
        _statement("ReadParameters", ["ssm:GetParameter"], parameters),
        _statement("ReadSecrets", ["secretsmanager:GetSecretValue"], kept),
        _statement("SendMail", ["ses:SendEmail", "ses:SendRawEmail"], ["*"] if mails else ()),
        _statement("WriteLog", list(_LOGGING), [group, f"{group}:*"] if logs else ()),
        _statement("Publish", ["cloudwatch:PutMetricData"], ["*"] if spaces else (), {"cloudwatch:namespace": spaces}),
        _statement("TellTopics", ["sns:GetTopicAttributes", "sns:Publish"], topics),
        *(_TEXTS if texts else ()),
    )  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [statement for statement in told if statement]}


# A phone is no resource with an ARN; what is not a topic is one.
_TEXTS: tuple[dict[str, Any], ...] = (
    {"Sid": "OpsbotTellPhones", "Effect": "Allow", "Action": ["sns:Publish"], "NotResource": "arn:aws:sns:*:*:*"},
    {"Sid": "OpsbotAskOfPhones", "Effect": "Allow", "Action": ["sns:GetSMSAttributes"], "Resource": ["*"]},
)

_LOGGING = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def _secret(name: str) -> str:
    """Secrets Manager ends each ARN with six characters of its own; a whole ARN has them already."""
    path = name.partition("#")[0]
    return path.split(":secret:")[1] if ":secret:" in path else f"{path}-??????"


def _statement(
    what: str, actions: list[str], resources: Iterable[str], only: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any] | None:
    where = sorted(set(resources))
    if not where:
        return None
    statement: dict[str, Any] = {"Sid": f"Opsbot{what}", "Effect": "Allow", "Action": actions, "Resource": where}
    return statement | (
        {"Condition": {"StringEquals": {key: list(value) for key, value in only.items()}}} if only else {}
    )
