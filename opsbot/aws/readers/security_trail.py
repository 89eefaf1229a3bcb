"""CloudTrail itself: which trails there are, whether they write, and whether a region is recorded by any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from opsbot.aws.readers.place import Found, Look, Reader, facts
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource

Trail = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A trail and its state."""


def trails(look: Look) -> Iterator[Found]:
    """Trails of other regions and of the organization record here as well, so they are listed too."""
    client = look.client("cloudtrail")
    listed = client.describe_trails(includeShadowTrails=True).get("trailList") or ()
    found = [(trail, client.get_trail_status(Name=trail["TrailARN"])) for trail in listed]
    yield _coverage(look, found)
    yield from (_trail(trail, state) for trail, state in found if _told_here(look, str(trail.get("HomeRegion"))))


def _told_here(look: Look, home: str) -> bool:
    """Each trail once: in its own region, or where the environment is at home if that region is not looked at."""
    return home == look.region or (home not in look.regions and look.region == look.regions[0])


def _coverage(look: Look, found: Sequence[Trail]) -> Resource:
    writing = [trail for trail, state in found if state.get("IsLogging")]
    stopped = [_name(trail) for trail, state in found if not state.get("IsLogging")]
    return Resource(
        kind="trail-coverage",
        name="CloudTrail",
        region=look.region,
        facts=facts(
            trails=float(len(found)),
            logging=float(len(writing)),
            multi_region=float(sum(bool(trail.get("IsMultiRegionTrail")) for trail in writing)),
            state=clipped(f"stopped: {', '.join(stopped)}") if stopped else None if found else "there is no trail",
        ),
    )


def _name(trail: Mapping[str, Any]) -> str:
    return clipped(str(trail["Name"]), 80)


def _trail(trail: Mapping[str, Any], state: Mapping[str, Any]) -> Resource:
    error = state.get("LatestDeliveryError")
    return Resource(
        kind="trail",
        name=_name(trail),
        region=str(trail.get("HomeRegion")),
        arn=str(trail["TrailARN"]),
        facts=facts(
            logging=1.0 if state.get("IsLogging") else 0.0,
            validated=1.0 if trail.get("LogFileValidationEnabled") else 0.0,
            multi_region=1.0 if trail.get("IsMultiRegionTrail") else 0.0,
            organization=1.0 if trail.get("IsOrganizationTrail") else 0.0,
            undelivered=1.0 if error else 0.0,
            delivery_error=clipped(str(error)) if error else None,
            stopped=_seconds(state.get("StopLoggingTime")),
        ),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


_READER = Reader(
    kinds=("trail", "trail-coverage"),
    actions=("cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus"),
    read=trails,
)
READERS = dict.fromkeys(_READER.kinds, _READER)
