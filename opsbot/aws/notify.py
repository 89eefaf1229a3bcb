"""SNS: one publication, one attempt, with the credentials opsbot itself runs as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from opsbot.aws.errors import CALL_ERRORS, Family, translate
from opsbot.errors import DeliveryError

# SNS may have taken it; whether it did, nobody can ask.
_AMBIGUOUS = {Family.UNREACHABLE, Family.SERVER, Family.MALFORMED}
_NEVER_SENT = (ConnectTimeoutError, EndpointConnectionError)
# One message that SNS will not take says nothing of the next.
_THIS_ONE = {"InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationException"}
_LIMITED_SECONDS = 5.0


class Sns:
    """As `opsbot.channels.sns.Publisher`."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}

    def publish(self, region: str, given: Mapping[str, Any]) -> str:
        """The id SNS gave it. Raises DeliveryError."""
        try:
            answer = self._client(region).publish(**given)
        except CALL_ERRORS as error:
            raise _refused(error, "sns:Publish") from error
        return str(answer.get("MessageId", "")) if isinstance(answer, dict) else ""

    def check(self, region: str, topic: str) -> None:
        """Asks for the topic's attributes, or for those of text messages. Raises DeliveryError."""
        call = "sns:GetTopicAttributes" if topic else "sns:GetSMSAttributes"
        try:
            client = self._client(region)
            if topic:
                client.get_topic_attributes(TopicArn=topic)
            else:
                client.get_sms_attributes(attributes=["DefaultSMSType"])
        except CALL_ERRORS as error:
            raise _refused(error, call) from error

    def _client(self, region: str) -> Any:
        if region not in self._clients:
            import boto3
            from botocore.config import Config

            # Retries are the outbox's business: a client that retries by itself may send twice.
            once = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=3, read_timeout=10)
            # A session of its own: the shared one is not made for several threads.
            self._clients[region] = boto3.Session().client("sns", region_name=region, config=once)
        return self._clients[region]


def _refused(error: BaseException, call: str) -> DeliveryError:
    failure = translate(error, call=call)
    throttled = failure.family is Family.THROTTLED
    return DeliveryError(
        f"SNS: {failure.message}",
        permanent=failure.permanent,
        ambiguous=failure.family in _AMBIGUOUS and not isinstance(error, _NEVER_SENT),
        retry_after=_LIMITED_SECONDS if throttled else None,
        peer=failure.code not in _THIS_ONE,
        hint=failure.hint,
    )
