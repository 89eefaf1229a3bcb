"""CloudTrail: who changed what, as the world's stories say and as callers of the embedded AWS did."""

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.doings import Event
from opsbot.replica.services.deeds import deeds
from opsbot.replica.services.lookup import Paging, here, page
from opsbot.replica.signals import DAY
from opsbot.replica.spending import NEVER
from opsbot.replica.sts import caller_arn
from opsbot.replica.world import Resource

PAGES = Paging(
    size="MaxResults", cursor="NextToken", answer="NextToken", usual=50, most=50, error="InvalidNextTokenException"
)
_KEPT = timedelta(days=90)
_DEPLOYER, _PERSON = "ci-deploy", "ana.keller"


def record(request: Request, source: str, name: str, *resources: tuple[str, str]) -> None:
    """Notes a change that a caller made, for whoever looks the trail up."""
    who = caller_arn(request.access_key, request.state.sessions, request.world).rsplit("/", 1)[-1]
    event = Event(
        account=request.account, region=request.region, at=request.now, who=who, name=name, source=source,
        resources=resources,
    )  # fmt: skip
    with request.state.doings.lock:
        request.state.doings.events.append(event)


def lookup_events(request: Request, params: Params) -> Result:
    asked = params.get("LookupAttributes") or ()
    if len(asked) > 1:
        raise Fault("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    start, end = params.get("StartTime") or request.now - _KEPT, params.get("EndTime") or request.now
    found = [event for event in _all(request) if start <= event.at <= end and _asked(event, asked)]
    found.sort(key=lambda event: event.at, reverse=True)
    shown, token = page(found, params, PAGES)
    return {"Events": [_event(event) for event in shown], **token}


def _asked(event: Event, asked: Any) -> bool:
    for one in asked:
        key, value = one["AttributeKey"], one["AttributeValue"]
        names = [name for _, name in event.resources]
        known = {"ReadOnly": ["false"], "EventName": [event.name], "Username": [event.who], "ResourceName": names,
                 "EventSource": [event.source]}  # fmt: skip
        if value not in known.get(key, ()):
            return False
    return True


def _all(request: Request) -> Iterator[Event]:
    with request.state.doings.lock:
        mine = list(request.state.doings.events)
    known = request.now - request.state.trail_delay
    place = request.account, request.region
    yield from (event for event in mine if (event.account, event.region) == place and event.at <= known)
    for service in here(request, "ecs-service"):
        if began := _began(request, service, "runningCount"):
            yield _told(
                request, began - timedelta(minutes=2), _DEPLOYER, "RegisterTaskDefinition", "ecs", f"{service.name}:42"
            )
            yield _told(request, began, _DEPLOYER, "UpdateService", "ecs", service.name)
    for function in here(request, "lambda-function"):
        if began := _began(request, function, "Errors"):
            yield _told(request, began, _DEPLOYER, "UpdateFunctionCode20150331v2", "lambda", function.name)
            yield _told(request, began, _DEPLOYER, "UpdateAlias20150331", "lambda", function.name)
    yield from deeds(request)
    yield from _culprits(request)
    morning = request.now.replace(hour=4, minute=10, second=0, microsecond=0)
    yield _told(request, morning, _PERSON, "PutMetricAlarm", "monitoring", "nightly-batch-late")


def _culprits(request: Request) -> Iterator[Event]:
    """What the costs that ran away began with."""
    for runaway in request.world.spending.runaways:
        if (runaway.account, runaway.region) == (request.account, request.region) and runaway.begin < NEVER:
            midnight = datetime.fromtimestamp(runaway.begin * DAY, request.now.tzinfo)
            for one in runaway.begun_by:
                at = midnight + timedelta(hours=one.hours)
                if at <= request.now:
                    yield _told(request, at, one.who, one.event, one.source, one.about)


def _began(request: Request, resource: Resource, what: str) -> datetime | None:
    return request.world.cause(resource, what, request.now)


def _told(request: Request, at: datetime, who: str, name: str, service: str, resource: str) -> Event:
    return Event(
        account=request.account, region=request.region, at=at, who=who, name=name,
        source=f"{service}.amazonaws.com", resources=((f"AWS::{service}", resource),),
    )  # fmt: skip


def _event(event: Event) -> dict[str, Any]:
    number = zlib.crc32(f"{event.account} {event.name} {event.at}".encode())
    told = {"eventVersion": "1.11", "eventName": event.name, "awsRegion": event.region, "readOnly": False}
    body = {**told, **event.body}
    return {
        "EventId": f"00000000-0000-4000-8000-{number:012x}",
        "EventName": event.name,
        "ReadOnly": "false",
        "EventTime": event.at,
        "EventSource": event.source,
        "Username": event.who,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in event.resources],
        "CloudTrailEvent": orjson.dumps(body).decode(),
    }


HANDLERS: dict[tuple[str, str], Handler] = {("cloudtrail", "LookupEvents"): lookup_events}
