"""The ways to reach people. One channel a file; a new one is its file and its lines here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from opsbot.channels.closed import ClosedChannel
from opsbot.channels.email import EmailChannel, EmailSettings, Ses
from opsbot.channels.file import FileChannel, FileSettings
from opsbot.channels.settings import decode_table
from opsbot.channels.slack import SlackChannel, SlackSettings
from opsbot.errors import Problem
from opsbot.ports import Channel

__all__ = ["SETTINGS", "ClosedChannel", "build", "decode"]

SETTINGS: dict[str, type[BaseModel]] = {"slack": SlackSettings, "email": EmailSettings, "file": FileSettings}


def decode(name: str, table: Mapping[str, object]) -> tuple[BaseModel | None, list[Problem]]:
    """One `[channels.<name>]` table; every problem in it at once. No problem repeats a value that may be a secret."""
    return decode_table(f"config.toml.channels.{name}", table, SETTINGS)


def build(name: str, settings: BaseModel, secret: Callable[[str], str], ses: Ses | None = None) -> Channel:
    """A channel ready to send. `secret` resolves a reference such as `env:SLACK_BOT_TOKEN` and raises if it cannot;
    `ses` hands a whole message to Amazon SES and is needed only by email channels with `via = "ses"`."""
    match settings:
        case SlackSettings():
            return SlackChannel(settings, token=secret(settings.token))
        case EmailSettings():
            return EmailChannel(settings, password=secret(settings.password) if settings.password else "", ses=ses)
        case FileSettings():
            return FileChannel(settings)
        case _:
            raise TypeError(f"channels.{name}: {type(settings).__name__} is not in SETTINGS")
