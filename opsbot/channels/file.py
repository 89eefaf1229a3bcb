"""Messages as files in a folder: for trying out, for archives, and where nothing else can be reached."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from datetime import UTC
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from opsbot.channels.settings import Settings
from opsbot.errors import DeliveryError
from opsbot.model.message import Format, Message

_SUFFIX = {Format.SLACK: "json", Format.EMAIL: "eml"}
# The disk may have room again later; everything else needs a person.
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ESTALE}


class FileSettings(Settings):
    """`folder` is made; `format` says which of the renderings lands in it."""

    kind: Literal["file"]
    folder: Annotated[str, Field(min_length=1)]
    format: Literal["slack", "email"] = "email"


class FileChannel:
    """Writes each message's body once; what the peer calls it is its path."""

    sender = ""
    pace = 0.0
    patience = 10.0
    readable = True

    def __init__(self, settings: FileSettings) -> None:
        self._folder = Path(settings.folder)
        self.format = Format(settings.format)

    @property
    def to(self) -> str:
        return str(self._folder)

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """A file appears whole or not at all. Raises DeliveryError."""
        path = self._path(message)
        part = path.with_name(f".{path.name}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(message.body)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise _refused(path, error) from error
        return str(path)

    def check(self) -> None:
        """Whether the folder can be written. Raises DeliveryError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".check-"):
                pass
        except OSError as error:
            raise _refused(self._folder, error) from error

    def find(self, message: Message, thread: str = "") -> str | None:
        path = self._path(message)
        return str(path) if path.is_file() else ""

    def _path(self, message: Message) -> Path:
        """Sorts by time; the id's digest keeps two messages apart whatever characters their ids are made of."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", message.key).strip("-.")[:60] or "message"
        digest = hashlib.sha256(message.id.encode("utf-8", "replace")).hexdigest()[:12]
        return (
            self._folder / f"{message.created_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}-{digest}.{_SUFFIX[self.format]}"
        )


def _refused(path: Path, error: OSError) -> DeliveryError:
    return DeliveryError(
        f"{path}: cannot be written: {error.strerror}",
        permanent=error.errno not in _PASSING,
        peer=True,
        hint="give opsbot's user write access to the folder, or set channels.<name>.folder to another",
    )
