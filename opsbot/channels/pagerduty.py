"""PagerDuty, Events API v2: one attempt a call. Its dedup key makes a repeat harmless, so nothing is looked up.

202 means that an event was queued, not that anybody was called. An event's order matters: a trigger that comes after its
own resolve opens an incident that nobody closes; the outbox keeps the order of one key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field

from opsbot.channels import http
from opsbot.channels.settings import SecretReference, Settings, pace, printable
from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message

# PagerDuty's limit of a whole event.
LARGEST = 512_000
CHECK_KEY = "opsbot-check"
_KEY = "put the integration key of an Events API v2 integration where channels.<name>.routing_key points"


class PagerDutySettings(Settings):
    """`routing_key` is the integration key of a service's "Events API v2" integration; `name` is what people call the
    service. Accounts in the EU have `url = "https://events.eu.pagerduty.com/v2/enqueue"`. PagerDuty takes about 120
    events a minute and key: `max_per_minute`; 0 is without a limit."""

    kind: Literal["pagerduty"]
    routing_key: SecretReference
    name: str = ""
    url: Annotated[str, AfterValidator(http.checked_url)] = "https://events.pagerduty.com/v2/enqueue"
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_per_minute: Annotated[int, Field(ge=0, le=6000)] = 110


class PagerDutyChannel:
    """Sends events; what the peer calls one is its dedup key."""

    format = Format.EVENT
    sender = ""
    # Nobody can ask which events it took; a second one of the same key changes nothing.
    readable = False

    def __init__(self, settings: PagerDutySettings, *, routing_key: str, guard: http.Guard) -> None:
        self._settings = settings
        self._routing_key = routing_key
        self._door = http.Door(url=settings.url, seconds=settings.timeout, private=True, guard=guard)

    @property
    def to(self) -> str:
        return self._settings.name or "PagerDuty"

    @property
    def pace(self) -> float:
        return pace(self._settings.max_per_minute)

    @property
    def patience(self) -> float:
        return self._settings.timeout

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """One event, or one that closes and one that opens again: in their order, and after a failure both once more.
        Raises DeliveryError."""
        events = _events(message)
        for event in events:
            self._enqueue(event)
        return str(events[-1].get("dedup_key", ""))

    def check(self) -> None:
        """Closes an incident that is not there: the key is judged, and nobody is called. Raises DeliveryError."""
        self._enqueue({"event_action": "resolve", "dedup_key": CHECK_KEY})

    def find(self, message: Message, thread: str = "") -> str | None:
        """Nobody can tell; sending it again is safe."""
        return None

    def _enqueue(self, event: dict[str, Any]) -> None:
        body = orjson.dumps({"routing_key": self._routing_key} | event)
        if len(body) > LARGEST:
            what = f"{self.to}: the event has {len(body):,} bytes; PagerDuty takes {LARGEST:,}"
            raise DeliveryError(what, permanent=True)
        answer = http.post(self._door, body, {"Content-Type": "application/json", "User-Agent": "opsbot"})
        if answer.status == 202 or answer.status == 200:
            return
        raise self._refused(answer)

    def _refused(self, answer: http.Answer) -> DeliveryError:
        where = f"{self.to}: PagerDuty"
        said = self._hidden(_said(answer))
        if answer.status == 429:
            wait = http.seconds(answer.headers.get("retry-after"))
            what = f"{where} asks to wait {wait:.0f} s"
            return DeliveryError(what, permanent=False, retry_after=wait, peer=True)
        if answer.status >= 500 or answer.status == 408:
            return DeliveryError(
                f"{where} answered {answer.status} {said}".rstrip(), permanent=False, ambiguous=True, peer=True
            )
        if answer.status == 400 and not ("routing_key" in said or "routing key" in said.lower()):
            return DeliveryError(f"{where} refused the event: {said}", permanent=True)
        # A wrong key or address is wrong for every event.
        hint = _KEY if answer.status in (400, 401, 403) else "check channels.<name>.url"
        return DeliveryError(
            f"{where} refused it: {answer.status} {said}".rstrip(), permanent=True, peer=True, hint=hint
        )

    def _hidden(self, said: str) -> str:
        """PagerDuty repeats a wrong key in its answer."""
        return said.replace(self._routing_key, "(key)") if self._routing_key else said


def _events(message: Message) -> list[dict[str, Any]]:
    try:
        body = orjson.loads(message.body)
    except orjson.JSONDecodeError as error:
        raise DeliveryError(f"message {message.id}: its body is no JSON: {error}", permanent=True) from error
    events = body if isinstance(body, list) else [body]
    if not events or not all(isinstance(event, dict) for event in events):
        raise DeliveryError(f"message {message.id}: its body is no JSON object", permanent=True)
    # Who signs in is the channel's to say, whatever stands in the message.
    return [{name: value for name, value in event.items() if name != "routing_key"} for event in events]


def _said(answer: http.Answer) -> str:
    """`message: error, error` as PagerDuty says it, or what came instead."""
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return answer.said
    if not isinstance(told, dict):
        return answer.said
    errors = told.get("errors")
    listed = ", ".join(map(str, errors[:5])) if isinstance(errors, list) else ""
    return printable(": ".join(filter(None, (str(told.get("message") or ""), listed))))
