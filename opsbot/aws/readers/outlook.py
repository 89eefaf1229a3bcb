"""What others watch already: CloudFormation's stacks, Synthetics' canaries, what AWS says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts, tag_map, tags
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource

_FAILED = ("_FAILED", "ROLLBACK_COMPLETE")
HEALTH_REGION = "us-east-1"
NO_PLAN = "SubscriptionRequiredException"


def stacks(look: Look) -> Iterator[Found]:
    for stack in look.each("cloudformation", "describe_stacks", "Stacks"):
        status = str(stack.get("StackStatus", ""))
        changed = stack.get("LastUpdatedTime") or stack.get("CreationTime")
        drift = (stack.get("DriftInformation") or {}).get("StackDriftStatus", "")
        yield Resource(
            kind="cfn-stack",
            name=stack["StackName"],
            region=look.region,
            arn=stack.get("StackId", ""),
            facts=facts(
                status=status,
                failed=1.0 if status.endswith(_FAILED) else 0.0,
                in_progress=1.0 if status.endswith("_IN_PROGRESS") else 0.0,
                since=changed.timestamp() if changed else None,
                told=clipped(": ".join(part for part in (status, stack.get("StackStatusReason") or "") if part)),
                # Nobody knows whether a stack that was never checked has drifted.
                drifted={"DRIFTED": 1.0, "IN_SYNC": 0.0}.get(drift),
            ),
            tags=tags(stack.get("Tags")),
        )


def canaries(look: Look) -> Iterator[Found]:
    client = look.client("synthetics")
    found = list(_each(client.describe_canaries, "Canaries"))
    if not found:
        return
    runs = _each(client.describe_canaries_last_run, "CanariesLastRun")
    last = {run["CanaryName"]: run.get("LastRun") or {} for run in runs}
    for canary in found:
        yield _canary(look, canary, last.get(canary["Name"], {}))


def _each(ask: Callable[..., Mapping[str, Any]], key: str) -> Iterator[Mapping[str, Any]]:
    """Synthetics has pages, and botocore has no paginator for them. A token that comes again ends it."""
    token, seen = "", set[str]()
    while token not in seen:
        seen.add(token)
        page = ask(**({"NextToken": token} if token else {}))
        yield from page.get(key) or ()
        token = str(page.get("NextToken") or "")


def _canary(look: Look, canary: Mapping[str, Any], run: Mapping[str, Any]) -> Resource:
    name, state = canary["Name"], (canary.get("Status") or {}).get("State")
    status = run.get("Status") or {}
    ended = (run.get("Timeline") or {}).get("Completed")
    # One that was stopped says nothing of today.
    judged = state == "RUNNING" and status.get("State") in ("PASSED", "FAILED")
    return Resource(
        kind="synthetics-canary",
        name=name,
        region=look.region,
        arn=look.arn("synthetics", f"canary:{name}"),
        facts=facts(
            state=state,
            failed=(1.0 if status["State"] == "FAILED" else 0.0) if judged else None,
            reason=clipped(status.get("StateReason") or "") or None,
            since=ended.timestamp() if ended else None,
        ),
        tags=tag_map(canary.get("Tags")),
    )


def health(look: Look) -> Iterator[Found]:
    """Events that are open in the environment's regions, and whether AWS tells them to this account at all."""
    # The policy is printed without botocore.
    from botocore.exceptions import ClientError

    client = look.clients("health", HEALTH_REGION)
    asked = {"filter": {"eventStatusCodes": ["open"], "regions": sorted({*look.regions, "global"})}}
    told = True
    try:
        for page in client.get_paginator("describe_events").paginate(**asked):
            for event in page.get("events") or ():
                yield _event(look, event)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != NO_PLAN:
            raise
        told = False
    yield Resource(
        kind="health-access",
        name="aws-health",
        region=look.region,
        facts=facts(told=1.0 if told else 0.0, why=None if told else "it needs a support plan of Business or better"),
    )


def _event(look: Look, event: Mapping[str, Any]) -> Resource:
    code, began = event["eventTypeCode"], event.get("startTime")
    region = event.get("region") or look.region
    return Resource(
        kind="health-event",
        name=clipped(code, 120),
        region=region if region in look.regions else look.region,
        arn=event.get("arn", ""),
        facts=facts(
            issue=1.0 if event.get("eventTypeCategory") == "issue" else 0.0,
            category=event.get("eventTypeCategory"),
            open=1.0,
            since=began.timestamp() if began else None,
            told=clipped(f"{event.get('service', 'AWS')} in {region}"),
        ),
    )


_HEALTH = Reader(
    kinds=("health-event", "health-access"), actions=("health:DescribeEvents",), read=health, global_service=True
)
READERS = {
    "cfn-stack": Reader(kinds=("cfn-stack",), actions=("cloudformation:DescribeStacks",), read=stacks),
    "synthetics-canary": Reader(
        kinds=("synthetics-canary",),
        actions=("synthetics:DescribeCanaries", "synthetics:DescribeCanariesLastRun"),
        read=canaries,
    ),
    "health-event": _HEALTH,
    "health-access": _HEALTH,
}
