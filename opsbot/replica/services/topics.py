"""SNS of the embedded AWS: topics that are there because somebody asks for them, and what was published to them.

It refuses what SNS refuses: a message of more than 256 KB, a subject it cannot print, a FIFO topic without a group. A FIFO
topic takes a deduplication id once in five minutes.
"""

import json
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.state import Publication

LARGEST = 262_144
_AGAIN = timedelta(minutes=5)


def publish(request: Request, params: Params) -> Result:
    """Publish: kept in the state's `publications`."""
    topic, phone, text = params.get("TopicArn", ""), params.get("PhoneNumber", ""), params.get("Message", "")
    if not text:
        raise Fault("InvalidParameter", "Invalid parameter: Empty message")
    if len(text.encode()) > LARGEST:
        raise Fault("InvalidParameter", "Invalid parameter: Message too long")
    if topic:
        _judge_topic(request, topic, params)
    elif not phone:
        raise Fault("InvalidParameter", "Invalid parameter: TopicArn or TargetArn or PhoneNumber Reason: no value")
    again = _before(request, topic, params)
    if again is not None:
        return {"MessageId": again.id}
    kept = request.state.publications
    published = Publication(
        id=str(uuid5(NAMESPACE_OID, f"{topic}{phone}{len(kept)}")), at=request.now, topic=topic, phone=phone,
        subject=params.get("Subject", ""), text=_texts(params), group=params.get("MessageGroupId", ""),
        once=params.get("MessageDeduplicationId", ""), attributes=_attributes(params),
    )  # fmt: skip
    kept.append(published)
    return {"MessageId": published.id}


def _judge_topic(request: Request, topic: str, params: Params) -> None:
    parts = topic.split(":")
    if len(parts) != 6 or parts[3] != request.region:
        raise Fault("InvalidParameter", "Invalid parameter: TopicArn")
    if parts[5].startswith("missing"):
        raise Fault("NotFound", "Topic does not exist", 404)
    subject = params.get("Subject")
    if subject is not None and not (0 < len(subject) < 100 and subject.isascii() and subject.isprintable()):
        raise Fault("InvalidParameter", "Invalid parameter: Subject")
    if topic.endswith(".fifo") and not params.get("MessageGroupId"):
        raise Fault("InvalidParameter", "Invalid parameter: The MessageGroupId parameter is required for FIFO topics")


def _before(request: Request, topic: str, params: Params) -> Publication | None:
    """The same deduplication id, taken already: it is acknowledged again and delivered to nobody."""
    once = params.get("MessageDeduplicationId", "")
    if not once or not topic.endswith(".fifo"):
        return None
    told = (one for one in request.state.publications if (one.topic, one.once) == (topic, once))
    return next((one for one in told if request.now - one.at < _AGAIN), None)


def _texts(params: Params) -> dict[str, str]:
    if params.get("MessageStructure") != "json":
        return {"default": params["Message"]}
    try:
        told: Any = json.loads(params["Message"])
    except ValueError:
        told = None
    if not isinstance(told, dict) or "default" not in told:
        raise Fault("InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body")
    return {str(name): str(text) for name, text in told.items()}


def _attributes(params: Params) -> dict[str, str]:
    told = params.get("MessageAttributes") or {}
    return {name: str(value.get("StringValue", "")) for name, value in told.items()}


def topic_attributes(request: Request, params: Params) -> Result:
    """GetTopicAttributes: every topic is there, but those whose name begins with `missing`."""
    _judge_topic(request, params["TopicArn"], {"MessageGroupId": "any"})
    return {"Attributes": {"TopicArn": params["TopicArn"], "SubscriptionsConfirmed": "1"}}


def sms_attributes(_request: Request, _params: Params) -> Result:
    """GetSMSAttributes."""
    return {"attributes": {"DefaultSMSType": "Transactional"}}


HANDLERS: dict[tuple[str, str], Handler] = {
    ("sns", "Publish"): publish,
    ("sns", "GetTopicAttributes"): topic_attributes,
    ("sns", "GetSMSAttributes"): sms_attributes,
}
