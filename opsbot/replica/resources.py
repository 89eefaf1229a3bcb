"""Who answers what beside metrics and STS: describe calls from the world, and the few services left to moto."""

from opsbot.replica.codec import Handler
from opsbot.replica.services import (
    automation,
    backups,
    batches,
    budgets,
    capacity,
    commands,
    containers,
    costadvice,
    costexplorer,
    credentials,
    databases,
    functions,
    groups,
    guards,
    insights,
    leftovers,
    machines,
    outlook,
    releases,
    rollouts,
    stackchanges,
    stacks,
    storage,
    tagging,
    topics,
    traffic,
    trail,
)
from opsbot.replica.world import World

SENDER = "opsbot@example.org"
"""The address that SES lets send, in the caller's account."""

HANDLERS: dict[tuple[str, str], Handler] = {
    **automation.HANDLERS,
    **backups.HANDLERS,
    **batches.HANDLERS,
    **budgets.HANDLERS,
    **capacity.HANDLERS,
    **commands.HANDLERS,
    **containers.HANDLERS,
    **costadvice.HANDLERS,
    **costexplorer.HANDLERS,
    **databases.HANDLERS,
    **functions.HANDLERS,
    **groups.HANDLERS,
    **guards.HANDLERS,
    **credentials.HANDLERS,
    **leftovers.HANDLERS,
    **insights.HANDLERS,
    **machines.HANDLERS,
    **outlook.HANDLERS,
    **releases.HANDLERS,
    **rollouts.HANDLERS,
    **stackchanges.HANDLERS,
    **stacks.HANDLERS,
    **storage.HANDLERS,
    **tagging.HANDLERS,
    **topics.HANDLERS,
    **traffic.HANDLERS,
    **trail.HANDLERS,
}

# What keeps state and that nobody reads in the world: moto does it well (docs of each operation: AWS's own).
_LEFT_TO_MOTO = {
    "iam": ("CreateRole", "GetRole", "ListAccountAliases", "ListRoles", "PutRolePolicy"),
    "logs": ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "GetLogEvents", "PutLogEvents"),
    "s3": ("CreateBucket", "GetObject", "HeadObject", "ListObjectsV2", "PutObject"),
    "secretsmanager": ("CreateSecret", "GetSecretValue", "PutSecretValue"),
    "ses": (
        "GetIdentityVerificationAttributes",
        "GetSendQuota",
        "GetSendStatistics",
        "ListIdentities",
        "SendEmail",
        "SendRawEmail",
        "VerifyEmailIdentity",
    ),
    "sesv2": ("CreateEmailIdentity", "GetEmailIdentity", "ListEmailIdentities", "SendEmail"),
    "sns": ("CreateTopic", "ListSubscriptionsByTopic", "ListTopics", "Subscribe"),
    "sqs": (
        "CreateQueue",
        "DeleteMessage",
        "DeleteQueue",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
        "SendMessage",
        "SetQueueAttributes",
    ),
    "ssm": ("GetParameter", "GetParameters", "PutParameter"),
}

MOTO_OPERATIONS: frozenset[tuple[str, str]] = frozenset(
    (service, operation) for service, operations in _LEFT_TO_MOTO.items() for operation in operations
)


def seed(world: World) -> None:
    """Prepares what moto answers: the sender's address, so that mail can be sent through SES.

    The resources of the world need no seeding; their handlers read the world itself.
    """
    from moto.ses.models import ses_backends

    for region in sorted({region for environment in world.environments for region in environment.regions}):
        ses_backends[world.caller_account][region].verify_email_identity(SENDER)
