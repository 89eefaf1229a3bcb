"""A PagerDuty on loopback: takes Events API v2, keeps its incidents by the documented rules, misbehaves on request.

An open incident's trigger overwrites what it says; a trigger after a resolve opens a new one; a resolve of nothing is
ignored. It refuses what the real one refuses, with the same words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from opsbot.replica.receiver import Arrived, Receiver, Reply
from opsbot.replica.receiver import serve as receive

# Opens nothing but this replica.
KEY = "0" * 32
PATH = "/v2/enqueue"
LARGEST, SUMMARY, DEDUP = 512_000, 1024, 255
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as its service shows it; `triggers` counts how often it was opened or renewed."""

    key: str
    status: str
    payload: dict[str, Any] = field(default_factory=dict)
    triggers: int = 1


@dataclass(slots=True)
class PagerDuty:
    """The service behind one integration key: `incidents` in the order they were opened, `events` as they were taken."""

    key: str = KEY
    incidents: list[Incident] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def open(self) -> list[Incident]:
        return [incident for incident in self.incidents if incident.status != "resolved"]

    def take(self, arrived: Arrived) -> Reply:
        """The answer to one request; an event that is good changes the incidents."""
        if arrived.path != PATH:
            return _refused(404, "not found")
        if len(arrived.body) > LARGEST:
            return _refused(413, "payload too large")
        try:
            event = json.loads(arrived.body)
        except ValueError:
            return _refused(400, "invalid event", "not JSON")
        wrong = _wrong(event, self.key)
        if wrong:
            return _refused(400, "invalid event", *wrong)
        self.events.append(event)
        key = event.get("dedup_key") or f"made-up-{len(self.events)}"
        self._note(event, key)
        said = {"status": "success", "message": "Event processed", "dedup_key": key}
        return Reply(status=202, body=json.dumps(said).encode())

    def _note(self, event: dict[str, Any], key: str) -> None:
        place = next((n for n, one in enumerate(self.incidents) if one.key == key and one.status != "resolved"), None)
        action = event["event_action"]
        if place is None:
            if action == "trigger":
                self.incidents.append(Incident(key=key, status="triggered", payload=event["payload"]))
            return
        now = self.incidents[place]
        if action == "trigger":
            self.incidents[place] = replace(now, payload=event["payload"], triggers=now.triggers + 1)
        else:
            self.incidents[place] = replace(now, status=f"{action.removesuffix('e')}ed")


def _wrong(event: Any, key: str) -> list[str]:
    if not isinstance(event, dict):
        return ["an event is an object"]
    payload = event.get("payload") or {}
    found = [] if event.get("routing_key") == key else ["'routing_key' is invalid"]
    found += [] if event.get("event_action") in _ACTIONS else ["'event_action' is invalid"]
    found += ["'dedup_key' is too long"] if len(str(event.get("dedup_key", ""))) > DEDUP else []
    if event.get("event_action") == "trigger":
        found += [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
        found += [] if payload.get("severity") in _SEVERITIES else ["'payload.severity' is invalid"]
        found += ["'payload.summary' is too long"] if len(str(payload.get("summary", ""))) > SUMMARY else []
    elif not event.get("dedup_key"):
        found.append("'dedup_key' is missing")
    return found


def _refused(status: int, message: str, *errors: str) -> Reply:
    said = {"status": message, "message": f"Event object is invalid: {message}", "errors": list(errors)}
    return Reply(status=status, body=json.dumps(said).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The service on a loopback port: `url` goes into `channels.<name>.url`."""

    pagerduty: PagerDuty
    receiver: Receiver

    @property
    def url(self) -> str:
        return f"{self.receiver.url}{PATH}"


@contextmanager
def serve(*, key: str = KEY, port: int = 0) -> Iterator[Running]:
    """A service on loopback until the block ends; `key` is its only good integration key."""
    service = PagerDuty(key=key)
    with receive(service.take, port=port) as receiver:
        yield Running(pagerduty=service, receiver=receiver)
