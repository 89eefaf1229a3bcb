"""A webhook: facts as JSON, signed, to whatever system people have. One attempt a call.

The id in `Idempotency-Key` is the same on every attempt at one message: whoever has seen it answers 200 and does nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from opsbot.channels import http
from opsbot.channels.settings import SecretReference, Settings, pace
from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message

SIGNATURE = "OpsBot-Signature"
PING = b'{"schema":"opsbot.ping/1"}'
# What is wrong with whom we talk to, not with this message.
_SHUT = {
    301: "it has moved; redirects are not followed: put the new address into channels.<name>.url",
    302: "redirects are not followed: put the address itself into channels.<name>.url",
    307: "redirects are not followed: put the address itself into channels.<name>.url",
    308: "it has moved; redirects are not followed: put the new address into channels.<name>.url",
    401: "it does not accept the signature: compare what channels.<name>.secret points to",
    403: "it does not accept the signature: compare what channels.<name>.secret points to",
    404: "check channels.<name>.url",
    405: "check channels.<name>.url: it takes no POST",
    410: "it is gone for good: remove the channel, or set another channels.<name>.url",
}
_LATER = {408, 409, 423, 425}


class WebhookSettings(Settings):
    """Every request is signed with `secret` and has the id of its message as `Idempotency-Key`; see docs/channels/webhook.md.
    `url` is https; http only on this machine. Private networks need `allow_private = true`. `ca_file` is a certificate to
    trust besides the system's. `name` is what people call the peer; `max_per_minute` 0 is without a limit."""

    kind: Literal["webhook"]
    url: Annotated[str, AfterValidator(http.checked_url)]
    secret: SecretReference
    name: str = ""
    allow_private: bool = False
    ca_file: str = ""
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_per_minute: Annotated[int, Field(ge=0, le=6000)] = 0


class WebhookChannel:
    """Posts JSON; what the peer calls it is the id we gave."""

    format = Format.JSON
    sender = ""
    # Nobody can ask what it took; it knows a repeat by its id.
    readable = False

    def __init__(
        self, settings: WebhookSettings, *, secret: str, now: Callable[[], datetime], guard: http.Guard
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._now = now
        self._door = http.Door(
            url=settings.url, seconds=settings.timeout, private=settings.allow_private, ca_file=settings.ca_file,
            guard=guard,
        )  # fmt: skip

    @property
    def to(self) -> str:
        return self._settings.name or self._door.host

    @property
    def pace(self) -> float:
        return pace(self._settings.max_per_minute)

    @property
    def patience(self) -> float:
        return self._settings.timeout

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """One request. Raises DeliveryError."""
        self._post(message.body, message.id)
        return message.id

    def check(self) -> None:
        """A signed ping, `opsbot.ping/1`, which tells nobody anything. Raises DeliveryError."""
        self._post(PING, "ping")

    def find(self, message: Message, thread: str = "") -> str | None:
        """Nobody can tell; it knows a repeat by its id."""
        return None

    def _post(self, body: bytes, id: str) -> None:
        now = self._now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "opsbot",
            "Idempotency-Key": re.sub(r"[^!-~]", "-", id),
            # Of this attempt: a receiver refuses what is old, and a retry is not.
            SIGNATURE: signature(self._secret, int(now.timestamp()), body),
        }
        answer = http.post(self._door, body, headers)
        if not 200 <= answer.status < 300:
            raise self._refused(answer, now)

    def _refused(self, answer: http.Answer, now: datetime) -> DeliveryError:
        what = f"{self.to}: it answered {answer.status} {answer.said}".rstrip()
        if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
            wait = http.seconds(answer.headers.get("retry-after"), now.timestamp())
            return DeliveryError(
                f"{self.to}: it asks to wait {wait:.0f} s", permanent=False, retry_after=wait, peer=True
            )
        if answer.status >= 500 or answer.status in _LATER or answer.status < 200:
            return DeliveryError(what, permanent=False, ambiguous=True, peer=True)
        hint = _SHUT.get(answer.status, "")
        return DeliveryError(what, permanent=True, peer=bool(hint) or answer.status < 400, hint=hint)


def signature(secret: str, moment: int, body: bytes) -> str:
    """`t=1795158000,v1=<hex>`: HMAC-SHA256 over the moment (seconds since 1970), a dot, and the body's bytes."""
    digest = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"
