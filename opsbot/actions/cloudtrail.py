"""`cloudtrail`: who changed what lately. CloudTrail shows an event some 5 to 15 minutes after it happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import Field

from opsbot.actions.action import Action, Bench, Given, Span
from opsbot.actions.telling import clock, many, said
from opsbot.model.runbook import Answer
from opsbot.model.trail import NOISE, WRITES

PAGES = 4
READS = ("cloudtrail:LookupEvents",)


class CloudtrailGiven(Given):
    """`about` keeps only events that name this resource."""

    since: Span = timedelta(hours=3)
    about: str = ""
    limit: int = Field(default=10, ge=1, le=50)


def changes(bench: Bench, since: timedelta) -> Iterator[Mapping[str, Any]]:
    """Events that changed something, newest first. The API allows two calls a second, so every step asks the same."""
    asked: dict[str, Any] = {
        "LookupAttributes": [WRITES],
        "StartTime": bench.now - since,
        "EndTime": bench.now,
        "MaxResults": 50,
    }
    for _ in range(PAGES):
        page = bench.ask("cloudtrail", "lookup_events", **asked)
        yield from (event for event in page.get("Events") or () if event.get("EventName") not in NOISE)
        if not page.get("NextToken"):
            return
        asked["NextToken"] = page["NextToken"]


def names(event: Mapping[str, Any], resource: str) -> bool:
    """Whether an event is about this resource."""
    listed = (str(one.get("ResourceName", "")) for one in event.get("Resources") or ())
    return any(resource == name or resource in name.split("/") or resource in name.split(":") for name in listed)


def failure(event: Mapping[str, Any]) -> str:
    """The error that AWS answered the caller with, "" for none."""
    try:
        told = orjson.loads(str(event.get("CloudTrailEvent") or "{}"))
    except orjson.JSONDecodeError:
        return ""
    return said(told.get("errorCode") or "", 60) if isinstance(told, dict) else ""


def row(event: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    about = ", ".join(said(one.get("ResourceName", ""), 60) for one in (event.get("Resources") or ())[:2])
    wrong = failure(event)
    return (
        clock(event.get("EventTime"), now),
        said(event.get("Username") or "somebody", 40),
        said(event.get("EventName", "?"), 50) + (f" failed: {wrong}" if wrong else ""),
        about or "-",
    )


def look(bench: Bench, given: CloudtrailGiven) -> Answer:
    """Raises CloudError."""
    found = [one for one in changes(bench, given.since) if not given.about or names(one, given.about)]
    hours = f"{given.since.total_seconds() / 3600:g} h"
    what = f" to {given.about}" if given.about else ""
    if not found:
        return Answer(headline=f"no change{what} in {hours}", values={"count": 0})
    at, who, did, _ = row(found[0], bench.now)
    return Answer(
        headline=f"{many(len(found), 'change')}{what} in {hours}; the last: {who} {did} at {at}",
        rows=tuple(row(event, bench.now) for event in found[: given.limit]),
        values={"count": len(found), "last": did, "who": who},
    )


ACTION = Action(
    name="cloudtrail", about="who changed what in the last hours", given=CloudtrailGiven, look=look, reads=READS
)
