"""One event of CloudTrail, read from the JSON inside: written by whoever called AWS, so nothing in it is taken on trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsbot.aws.words import clipped

# Where a request names what it is about, most telling first.
_NAMES = ("userName", "groupName", "roleName", "groupId", "policyArn", "groupid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What somebody did. `identity`: the type of caller, such as IAMUser, Root or AssumedRole; `body`: all of it."""

    name: str
    at: datetime
    who: str
    identity: str
    address: str
    refused: bool
    body: Mapping[str, Any]

    def asked(self, key: str) -> Any:
        return _inside(self.body, "requestParameters").get(key)

    def answer(self, key: str) -> Any:
        return _inside(self.body, "responseElements").get(key)

    def additional(self, key: str) -> Any:
        return _inside(self.body, "additionalEventData").get(key)

    @property
    def whom(self) -> str:
        """What it was done to, by its name."""
        named = (self.asked(key) for key in _NAMES)
        return clipped(str(next((name for name in named if name), "")), 80)

    @property
    def by_whom(self) -> str:
        place = f" from {self.address}" if self.address else ""
        return f"{self.who}{place} {self.at:%H:%M} UTC"


def event(raw: Mapping[str, Any]) -> Event:
    body = _parsed(raw.get("CloudTrailEvent"))
    identity = _inside(body, "userIdentity")
    # Sign-ins say in their answer whether they went through, and failures among them are looked at as well.
    refused = bool(body.get("errorCode")) and raw["EventName"] != "ConsoleLogin"
    return Event(
        name=clipped(str(raw["EventName"]), 80),
        at=raw["EventTime"],
        who=clipped(str(raw.get("Username") or identity.get("userName") or identity.get("type") or "somebody"), 80),
        identity=str(identity.get("type", "")),
        address=clipped(str(body.get("sourceIPAddress") or ""), 60),
        refused=refused,
        body=body,
    )


def _parsed(text: Any) -> Mapping[str, Any]:
    import orjson

    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _inside(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = body.get(key)
    return found if isinstance(found, dict) else {}
