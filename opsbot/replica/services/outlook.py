"""What others watch: Synthetics canaries, AWS Health, X-Ray's service graph, Performance Insights' top statements."""

import zlib
from datetime import datetime, timedelta
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.loglines import Stretch
from opsbot.replica.services.lookup import Paging, everywhere, here, page
from opsbot.replica.world import Resource

CANARIES = Paging(size="MaxResults", cursor="NextToken", answer="NextToken", usual=20, most=20)
EVENTS = Paging(size="maxResults", cursor="nextToken", answer="nextToken", usual=10, most=100)
_RUNS_EVERY = 300


def describe_canaries(request: Request, params: Params) -> Result:
    found, token = page(here(request, "synthetics-canary"), params, CANARIES)
    return {"Canaries": [_canary(canary) for canary in found], **token}


def _canary(canary: Resource) -> dict[str, Any]:
    return {
        "Id": f"{zlib.crc32(canary.arn.encode()):08x}-0000-4000-8000-000000000000",
        "Name": canary.name,
        "ExecutionRoleArn": f"arn:aws:iam::{canary.account}:role/canaries",
        "Schedule": {"Expression": "rate(5 minutes)", "DurationInSeconds": 0},
        "Status": {"State": "RUNNING"},
        "RuntimeVersion": "syn-nodejs-puppeteer-13.0",
        "Tags": dict(canary.tags),
    }


def describe_canaries_last_run(request: Request, params: Params) -> Result:
    found, token = page(here(request, "synthetics-canary"), params, CANARIES)
    return {"CanariesLastRun": [_last_run(request, canary) for canary in found], **token}


def _last_run(request: Request, canary: Resource) -> dict[str, Any]:
    failed = request.world.trouble(canary, "LastRun", request.now)
    second = int(request.now.timestamp()) // _RUNS_EVERY * _RUNS_EVERY
    started = datetime.fromtimestamp(second, request.now.tzinfo)
    status = {"State": "FAILED", "StateReason": "TimeoutError: waiting for selector `#login` failed", "StateReasonCode":
              "CANARY_FAILURE"} if failed else {"State": "PASSED"}  # fmt: skip
    timeline = {"Started": started, "Completed": started + timedelta(seconds=9)}
    return {"CanaryName": canary.name, "LastRun": {"Name": canary.name, "Status": status, "Timeline": timeline}}


def describe_events(request: Request, params: Params) -> Result:
    """Health has no events for those without a support plan of Business or better."""
    if everywhere(request, "support-plan"):
        raise Fault("SubscriptionRequiredException", "The AWS Premium Support Subscription is required")
    wanted = params.get("filter") or {}
    codes = wanted.get("eventStatusCodes") or ["open", "closed", "upcoming"]
    told = [_event(request, event) for event in everywhere(request, "health-event")]
    kept = [event for event in told if event["statusCode"] in codes]
    found, token = page(kept, params, EVENTS)
    return {"events": found, **token}


def _event(request: Request, event: Resource) -> dict[str, Any]:
    began = request.now - timedelta(hours=event.number("hours"))
    closed = bool(event.number("closed"))
    return {
        "arn": event.arn,
        "service": event.text("service"),
        "eventTypeCode": event.name,
        "eventTypeCategory": event.text("category"),
        "region": event.region,
        "startTime": began,
        "lastUpdatedTime": began + timedelta(minutes=20),
        "statusCode": "closed" if closed else "open",
        "eventScopeCode": "ACCOUNT_SPECIFIC",
        **({"endTime": began + timedelta(hours=1)} if closed else {}),
    }


def get_service_graph(request: Request, params: Params) -> Result:
    """Functions that are traced: a fault is an invocation that the Errors metric counts."""
    start, end = int(params["StartTime"].timestamp()), int(params["EndTime"].timestamp())
    stretch = Stretch(request.world, start, end)
    traced = [one for one in here(request, "lambda-function") if one.number("traced")]
    services = [_service(stretch, number, function) for number, function in enumerate(traced)]
    return {"StartTime": params["StartTime"], "EndTime": params["EndTime"], "Services": services}


def _service(stretch: Stretch, number: int, function: Resource) -> dict[str, Any]:
    total = sum(stretch.events(function, "AWS/Lambda", "Invocations"))
    faults = sum(stretch.events(function, "AWS/Lambda", "Errors"))
    took = stretch.read(function, "AWS/Lambda", "Duration")
    seconds = float((took.count * took.mean).sum()) / 1000 if took is not None else 0.0
    return {
        "ReferenceId": number,
        "Name": function.name,
        "Names": [function.name],
        "Root": True,
        "Type": "AWS::Lambda::Function",
        "State": "active",
        "Edges": [],
        "SummaryStatistics": {
            "OkCount": total - faults,
            "ErrorStatistics": {"ThrottleCount": 0, "OtherCount": 0, "TotalCount": 0},
            "FaultStatistics": {"OtherCount": faults, "TotalCount": faults},
            "TotalCount": total,
            "TotalResponseTime": seconds,
        },
    }


_STATEMENTS = (
    ("CALL rebuild_course_ranking($1)", 0.5),
    ("UPDATE attempt SET graded_at = now() WHERE attempt_id = $1", 0.3),
    ("INSERT INTO viewing (student_id, second) VALUES ($1, $2)", 0.2),
)


def describe_dimension_keys(request: Request, params: Params) -> Result:
    """The database's load, shared out among its statements: its CPU, and the more the slower its disk is."""
    id = str(params.get("Identifier"))
    databases = [one for one in here(request, "rds-instance") if f"db-{one.text('id').upper()}" == id]
    if not databases or not databases[0].number("insights"):
        raise Fault("NotAuthorizedException", f"Performance Insights is not enabled for {id}")
    stretch = Stretch(request.world, int(params["StartTime"].timestamp()), int(params["EndTime"].timestamp()))
    cpu, latency = (stretch.read(databases[0], "AWS/RDS", name) for name in ("CPUUtilization", "ReadLatency"))
    load = float(cpu.mean.mean()) / 50 if cpu is not None else 0.0
    load += float(latency.mean.mean()) * 20 if latency is not None else 0.0
    group = str((params.get("GroupBy") or {}).get("Group", "db.sql_tokenized"))
    keys = [{"Dimensions": {f"{group}.statement": text}, "Total": load * share} for text, share in _STATEMENTS]
    return {"AlignedStartTime": params["StartTime"], "AlignedEndTime": params["EndTime"], "Keys": keys}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("synthetics", "DescribeCanaries"): describe_canaries,
    ("synthetics", "DescribeCanariesLastRun"): describe_canaries_last_run,
    ("health", "DescribeEvents"): describe_events,
    ("xray", "GetServiceGraph"): get_service_graph,
    ("pi", "DescribeDimensionKeys"): describe_dimension_keys,
}
