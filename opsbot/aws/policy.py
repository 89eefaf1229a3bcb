"""The least that opsbot must be allowed: the role in each account reads what is switched on, its own identity does the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any
from urllib.parse import urlsplit

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


PASSED_TO = {"ecs:UpdateService": "ecs-tasks.amazonaws.com", "ssm:StartAutomationExecution": "ssm.amazonaws.com"}
"""Who takes on a role that an approved change hands over."""

SHELLS = ("AWS-RunDocument", "AWS-RunPowerShellScript", "AWS-RunRemoteScript", "AWS-RunShellScript")
"""Documents that run any text as a script: no runbook may use them, and no policy of ours allows them."""

# All that AWS lets a policy name for a change whose target a runbook learns only when it runs.
_CHANGED = {
    "autoscaling": "arn:aws:autoscaling:*:*:autoScalingGroup:*:autoScalingGroupName/*",
    "cloudformation": "arn:aws:cloudformation:*:*:stack/*",
    "cloudwatch": "arn:aws:cloudwatch:*:*:alarm:*",
    "ecs": "arn:aws:ecs:*:*:service/*",
    "lambda": "arn:aws:lambda:*:*:function:*",
}
_COMMAND, _AUTOMATION, _PASS = "ssm:SendCommand", "ssm:StartAutomationExecution", "iam:PassRole"
_MACHINES = ("arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:managed-instance/*")


def remedying(
    writes: Iterable[str],
    *,
    regions: Iterable[str] = (),
    documents: Mapping[str, Iterable[str]] | None = None,
    tag: str = "",
) -> dict[str, Any]:
    """The policy for the role that approved runbook steps change things with: exactly these actions, on their kinds of
    resources, in these regions (none named: in all).

    `documents` are those of SSM by the action that runs them; an action without an entry may run all but the shells.
    `tag`, as `key=value`, allows only changes of what carries it; documents need not.
    """
    wanted = set(writes)
    here = {"aws:RequestedRegion": sorted(set(regions))}
    key, _, value = tag.partition("=")
    marked = here | ({f"aws:ResourceTag/{key}": [value]} if key else {})
    plain = sorted(wanted - {_COMMAND, _AUTOMATION, _PASS})
    places = {_CHANGED.get(one.partition(":")[0], "*") for one in plain}
    passed = {service for one, service in PASSED_TO.items() if one in wanted} if _PASS in wanted else set()
    told = (
        _statement("Remediate", plain, places, marked),
        *_running(wanted, documents or {}, here, marked),
        _statement("PassRole", [_PASS], ["arn:aws:iam::*:role/*"] if passed else (), {"iam:PassedToService": passed}),
    )
    return {"Version": "2012-10-17", "Statement": [statement for statement in told if statement]}


def _running(
    wanted: Set[str],
    documents: Mapping[str, Iterable[str]],
    here: Mapping[str, Iterable[str]],
    marked: Mapping[str, Iterable[str]],
) -> Iterator[dict[str, Any] | None]:
    """What SSM is asked to run, and on which machines. AWS's own documents are no account's, which `*` covers too."""
    if _COMMAND in wanted:
        named = (f"arn:aws:ssm:*:*:document/{name}" for name in documents.get(_COMMAND, "*"))
        shells = [f"arn:aws:ssm:*:*:document/{name}" for name in SHELLS]
        yield _statement("RunCommands", [_COMMAND], named, here)
        yield _statement("OnMachines", [_COMMAND], _MACHINES, marked)
        yield {"Sid": "OpsbotNoShells", "Effect": "Deny", "Action": [_COMMAND], "Resource": shells}
    if _AUTOMATION in wanted:
        # Which of the first two is asked for depends on how new the region's SSM is; the last is the one being made.
        kinds = ("document/{}", "automation-definition/{}:*")
        named = (f"arn:aws:ssm:*:*:{kind.format(name)}" for name in documents.get(_AUTOMATION, "*") for kind in kinds)
        yield _statement("StartAutomations", [_AUTOMATION], [*named, "arn:aws:ssm:*:*:automation-execution/*"], here)


def own(
    *,
    roles: Iterable[str] = (),
    secrets: Iterable[str] = (),
    mails: Iterable[str] = (),
    logs: str = "",
    metrics: Iterable[str] = (),
    topics: Iterable[str] = (),
    texts: bool = False,
    queue: str = "",
) -> dict[str, Any]:
    """The policy for the identity opsbot itself runs as.

    `roles` are those it assumes, `secrets` its references to SSM and Secrets Manager, `mails` the addresses it sends
    from through SES, `logs` the group its log goes to, `metrics` the namespaces it publishes in,
    `topics` those of SNS that it publishes to, `texts` whether it sends text messages to phones, `queue` the address of
    the queue (`sqs://...`) that spreads its runs.
    """
    stores = tuple(reference.partition(":")[::2] for reference in secrets)
    parameters = [_parameter(name) for scheme, name in stores if scheme == "ssm"]
    kept = [
        f"arn:aws:secretsmanager:*:*:secret:{_secret(name)}" for scheme, name in stores if scheme == "secretsmanager"
    ]
    spaces, senders, group = set(metrics), set(mails), f"arn:aws:logs:*:*:log-group:{logs}"
    told = (
        _statement("Assume", ["sts:AssumeRole"], roles),
        _statement("ReadParameters", ["ssm:GetParameter"], parameters),
        _statement("ReadSecrets", ["secretsmanager:GetSecretValue"], kept),
        # SES asks for the identity, and for a configuration set where the identity has one.
        _statement("SendMail", ["ses:SendEmail", "ses:SendRawEmail"], ["*"] if senders else (), {"ses:FromAddress": senders}),
        _statement("WriteLog", list(_LOGGING), [group, f"{group}:*"] if logs else ()),
        _statement("Publish", ["cloudwatch:PutMetricData"], ["*"] if spaces else (), {"cloudwatch:namespace": spaces}),
        _statement("TellTopics", ["sns:GetTopicAttributes", "sns:Publish"], topics),
        *(_TEXTS if texts else ()),
        _statement("SpreadRuns", list(_QUEUEING), [_queue(queue)] if queue else ()),
    )  # fmt: skip
    return {"Version": "2012-10-17", "Statement": [statement for statement in told if statement]}


# A phone is no resource with an ARN; what is not a topic is one.
_TEXTS: tuple[dict[str, Any], ...] = (
    {"Sid": "OpsbotTellPhones", "Effect": "Allow", "Action": ["sns:Publish"], "NotResource": "arn:aws:sns:*:*:*"},
    {"Sid": "OpsbotAskOfPhones", "Effect": "Allow", "Action": ["sns:GetSMSAttributes"], "Resource": ["*"]},
)

_QUEUEING = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
)
_LOGGING = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")


def _parameter(name: str) -> str:
    """A parameter is asked for by its name, its name and version, or its whole ARN."""
    path = name.partition(":parameter/")[2] if name.startswith("arn:") else name.lstrip("/")
    return f"arn:aws:ssm:*:*:parameter/{path.partition(':')[0]}"


def _queue(address: str) -> str:
    """`sqs://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE` as an ARN."""
    parts = urlsplit(address)
    _, region, *_ = [*(parts.hostname or "").split("."), "*"]
    account, _, name = parts.path.strip("/").partition("/")
    return f"arn:aws:sqs:{region}:{account}:{name}"


def _secret(name: str) -> str:
    """Secrets Manager ends each ARN with six characters of its own; a whole ARN has them already."""
    path = name.partition("#")[0]
    return path.split(":secret:")[1] if ":secret:" in path else f"{path}-??????"


def _statement(
    what: str, actions: list[str], resources: Iterable[str], only: Mapping[str, Iterable[str]] | None = None
) -> dict[str, Any] | None:
    """None without a resource; a condition that names no value is none."""
    where = sorted(set(resources))
    if not where:
        return None
    statement: dict[str, Any] = {"Sid": f"Opsbot{what}", "Effect": "Allow", "Action": actions, "Resource": where}
    equal = {key: sorted(set(values)) for key, values in (only or {}).items() if values}
    return statement | ({"Condition": {"StringEquals": equal}} if equal else {})
