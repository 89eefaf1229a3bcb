"""Amazon SNS: to a topic, or as a text message to a phone. One attempt a call; a repeat cannot be looked up.

A FIFO topic drops repeats by itself for five minutes; others carry the message's id as the attribute `opsbot_id`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

import orjson
from pydantic import AfterValidator, Field, model_validator

from opsbot.channels.settings import Settings, pace, unsecret
from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message

# SNS's limit of a message with its attributes, and of a subject.
LARGEST, SUBJECT = 262_144, 100
_ATTRIBUTES = 1_024
_ARN = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")


def _topic(value: str) -> str:
    if value and not _ARN.fullmatch(value):
        raise ValueError(
            f"expected a topic's ARN such as arn:aws:sns:eu-central-1:123456789012:ops, got {unsecret(value)}"
        )
    return value


def _phone(value: str) -> str:
    if value and not re.fullmatch(r"\+[1-9]\d{6,14}", value):
        raise ValueError(f"expected a number with its country, such as +4971112345678, got {unsecret(value)}")
    return value


class Publisher(Protocol):
    """SNS, in one region, with the credentials opsbot itself runs as. Raises DeliveryError."""

    def publish(self, region: str, given: Mapping[str, Any]) -> str:
        """One message; the id SNS gave it."""

    def check(self, region: str, topic: str) -> None:
        """Whether the topic is there, or with "" whether text messages may be sent from here; nobody is told anything."""


class SnsSettings(Settings):
    """One of `topic` and `phone`. A text message costs money: `max_per_minute` is for those, and for subscribers who
    should not drown; 0 is without a limit. `region` is only for a phone, a topic has its own. `sender_id` is who a text
    message comes from, in countries that show it. `name` is what people call it."""

    kind: Literal["sns"]
    topic: Annotated[str, AfterValidator(_topic)] = ""
    phone: Annotated[str, AfterValidator(_phone)] = ""
    region: str = ""
    sender_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]{0,10}[A-Za-z][A-Za-z0-9-]{0,10})?$", max_length=11)] = ""
    name: str = ""
    max_per_minute: Annotated[int, Field(ge=0, le=6000)] = 30

    @model_validator(mode="after")
    def _complete(self) -> SnsSettings:
        if bool(self.topic) == bool(self.phone):
            raise ValueError("topic and phone: expected one of them")
        if self.phone and not self.region:
            raise ValueError("region: missing; a phone needs one such as eu-central-1")
        if self.topic and self.region and self.region != self.topic.split(":")[3]:
            raise ValueError(f"region: the topic is in {self.topic.split(':')[3]}; leave region out")
        return self


class SnsChannel:
    """Publishes; what the peer calls a message is the id SNS gave it."""

    format = Format.TEXT
    sender = ""
    patience = 20.0
    readable = False

    def __init__(self, settings: SnsSettings, *, sns: Publisher | None) -> None:
        self._settings = settings
        self._sns = sns

    @property
    def to(self) -> str:
        settings = self._settings
        return settings.name or settings.topic.rpartition(":")[2] or f"{settings.phone[:5]}…{settings.phone[-2:]}"

    @property
    def pace(self) -> float:
        return pace(self._settings.max_per_minute)

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """One publication. Raises DeliveryError."""
        told = _told(message)
        given = self._to_phone(told) if self._settings.phone else self._to_topic(message, told)
        return self._publisher.publish(self._region, given)

    def check(self) -> None:
        """Whether the topic, or the region's text messages, can be asked about. Raises DeliveryError."""
        self._publisher.check(self._region, self._settings.topic)

    def find(self, message: Message, thread: str = "") -> str | None:
        """Nobody can look into what subscribers got."""
        return None

    def _to_topic(self, message: Message, told: Mapping[str, str]) -> dict[str, Any]:
        settings = self._settings
        given: dict[str, Any] = {
            "TopicArn": settings.topic,
            "Subject": subject(message.subject),
            "Message": _cut(told),
            "MessageStructure": "json",
            "MessageAttributes": _attributes(message),
        }
        if settings.topic.endswith(".fifo"):
            group = hashlib.sha256(message.key.encode("utf-8", "replace")).hexdigest()
            given |= {"MessageGroupId": group, "MessageDeduplicationId": _digest(message)}
        return given

    def _to_phone(self, told: Mapping[str, str]) -> dict[str, Any]:
        named = {"AWS.SNS.SMS.SMSType": "Transactional"}
        named |= {"AWS.SNS.SMS.SenderID": self._settings.sender_id} if self._settings.sender_id else {}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in named.items()}
        return {"PhoneNumber": self._settings.phone, "Message": told["sms"], "MessageAttributes": attributes}

    @property
    def _region(self) -> str:
        return self._settings.region or self._settings.topic.split(":")[3]

    @property
    def _publisher(self) -> Publisher:
        if self._sns is None:
            raise DeliveryError("SNS needs AWS access", permanent=True, peer=True, hint="see: opsbot validate --online")
        return self._sns


def subject(text: str) -> str:
    """As SNS takes it: ASCII in one line, under 100 characters, beginning with a letter or digit."""
    flat = " ".join(text.encode("ascii", "replace").decode().split())
    plain = re.sub(r"^[^A-Za-z0-9]+", "", "".join(sign for sign in flat if sign.isprintable()))
    return (plain if len(plain) < SUBJECT else f"{plain[: SUBJECT - 4].rstrip()}...") or "opsbot"


def _told(message: Message) -> Mapping[str, str]:
    try:
        told = orjson.loads(message.body)
    except orjson.JSONDecodeError as error:
        raise DeliveryError(f"message {message.id}: its body is no JSON: {error}", permanent=True) from error
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in ("default", "sms")):
        raise DeliveryError(f"message {message.id}: its body has no text and no short text", permanent=True)
    return told


def _cut(told: Mapping[str, str]) -> str:
    """The whole of it as SNS's own JSON, one text for each kind of subscriber, within its limit."""
    texts = dict(told)
    while len(whole := orjson.dumps(texts)) > LARGEST - _ATTRIBUTES:
        longest = max(texts, key=lambda name: len(texts[name]))
        texts[longest] = texts[longest][: len(texts[longest]) * 3 // 4]
    return whole.decode()


def _attributes(message: Message) -> dict[str, dict[str, str]]:
    """What a subscription can filter by, and what a subscriber knows a repeat by."""
    told = {
        "opsbot_id": _digest(message),
        "status": message.status.value,
        "action": message.action.value,
        "priority": message.priority.value if message.priority else "",
    }
    return {name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value}


def _digest(message: Message) -> str:
    return hashlib.sha256(message.id.encode("utf-8", "replace")).hexdigest()
