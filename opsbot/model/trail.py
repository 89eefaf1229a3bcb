"""What is left out wherever CloudTrail is asked who changed something."""

WRITES = {"AttributeKey": "ReadOnly", "AttributeValue": "false"}
"""LookupEvents takes one attribute: this one drops whatever only looked."""

NOISE = frozenset({
    "AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "CreateLogStream", "Decrypt", "GenerateDataKey",
    "PutLogEvents", "RegisterContainerInstance", "SubmitTaskStateChange", "UpdateInstanceInformation",
})  # fmt: skip
"""What programs do all day and no person looks for."""

DEPLOYS = (
    "CreateDeployment", "CreateStack", "ExecuteChangeSet", "ModifyDBInstance", "ModifyDBParameterGroup",
    "PublishVersion", "PutImage", "RegisterTaskDefinition", "StartInstanceRefresh", "UpdateAlias",
    "UpdateDistribution", "UpdateFunctionCode", "UpdateFunctionConfiguration", "UpdateService", "UpdateStack",
    "UpdateStage",
)  # fmt: skip
"""How the names of events begin that bring something new out."""


def deploys(event: str) -> bool:
    """Lambda's events carry the API's date, such as UpdateFunctionCode20150331v2."""
    return event.startswith(DEPLOYS)
