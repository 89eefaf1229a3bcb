"""A channel that cannot be opened: its messages wait and say why, and the other channels go on."""

from __future__ import annotations

from opsbot.errors import DeliveryError, OpsbotError
from opsbot.model.message import Format, Message

_FORMATS = {"slack": Format.SLACK, "pagerduty": Format.EVENT, "sns": Format.TEXT, "webhook": Format.JSON}


class ClosedChannel:
    """Stands for a channel whose secret cannot be read, or whose table is wrong."""

    to = "nobody"
    sender = ""
    pace = 0.0
    patience = 0.0
    readable = False

    def __init__(self, name: str, kind: object, why: OpsbotError) -> None:
        self.format = _FORMATS.get(str(kind), Format.EMAIL)
        self._name = name
        self._why = why

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """Raises DeliveryError: a person must correct the configuration first."""
        raise self._refusal()

    def check(self) -> None:
        """Raises DeliveryError."""
        raise self._refusal()

    def find(self, message: Message, thread: str = "") -> str | None:
        """Nothing can be looked up before it is open. Raises DeliveryError."""
        raise self._refusal()

    def _refusal(self) -> DeliveryError:
        said = " ".join(self._why.message.split())
        hint = f"correct [channels.{self._name}] in config.toml, or what its secret points to; see: opsbot validate"
        return DeliveryError(f"channel {self._name!r} cannot be opened: {said}", permanent=True, peer=True, hint=hint)
