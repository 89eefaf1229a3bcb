"""Mail through SES: one raw message, one attempt, with the credentials opsbot itself runs as."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.aws.errors import CALL_ERRORS, Family, translate
from opsbot.errors import DeliveryError

# The peer may have taken it: look, or accept a repeat, before it is sent again.
_AMBIGUOUS = {Family.UNREACHABLE, Family.SERVER, Family.MALFORMED}


def send(region: str, sender: str, to: Sequence[str], raw: bytes) -> str:
    """Hand a whole MIME message to SES; the id SES gave it. Raises DeliveryError."""
    import boto3
    from botocore.config import Config

    # Retries are the outbox's business: a client that retries by itself may send twice.
    once = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=3, read_timeout=20)
    try:
        client = boto3.client("sesv2", region_name=region or None, config=once)
        answer = client.send_email(
            FromEmailAddress=sender, Destination={"ToAddresses": list(to)}, Content={"Raw": {"Data": raw}}
        )
    except CALL_ERRORS as error:
        failure = translate(error, call="ses:SendEmail")
        raise DeliveryError(
            f"SES: {failure.message}",
            permanent=failure.permanent,
            ambiguous=failure.family in _AMBIGUOUS,
            hint=failure.hint,
        ) from error
    return str(answer.get("MessageId", ""))
