"""The ways to reach people. One channel a file; a new one is its file and its lines here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import BaseModel

from opsbot.channels import http
from opsbot.channels.closed import ClosedChannel
from opsbot.channels.email import EmailChannel, EmailSettings, Ses
from opsbot.channels.file import FileChannel, FileSettings
from opsbot.channels.pagerduty import PagerDutyChannel, PagerDutySettings
from opsbot.channels.settings import decode_table
from opsbot.channels.slack import SlackChannel, SlackSettings
from opsbot.channels.sns import Publisher, SnsChannel, SnsSettings
from opsbot.channels.webhook import WebhookChannel, WebhookSettings
from opsbot.errors import Problem
from opsbot.ports import Channel

__all__ = ["SETTINGS", "ClosedChannel", "build", "decode"]

SETTINGS: dict[str, type[BaseModel]] = {
    "slack": SlackSettings,
    "email": EmailSettings,
    "pagerduty": PagerDutySettings,
    "sns": SnsSettings,
    "webhook": WebhookSettings,
    "file": FileSettings,
}


def decode(name: str, table: Mapping[str, object]) -> tuple[BaseModel | None, list[Problem]]:
    """One `[channels.<name>]` table; every problem in it at once. No problem repeats a value that may be a secret."""
    return decode_table(f"config.toml.channels.{name}", table, SETTINGS)


def build(
    name: str,
    settings: BaseModel,
    secret: Callable[[str], str],
    ses: Ses | None = None,
    *,
    sns: Publisher | None = None,
    guard: http.Guard = http.open_guard,
    now: Callable[[], datetime] | None = None,
) -> Channel:
    """A channel ready to send. `secret` resolves a reference such as `env:SLACK_BOT_TOKEN` and raises if it cannot;
    `ses` hands a whole message to Amazon SES and is needed only by email channels with `via = "ses"`, `sns` by SNS.
    `guard` judges the addresses that are connected to, `now` is when a request is signed."""
    match settings:
        case SlackSettings():
            return SlackChannel(settings, token=secret(settings.token))
        case EmailSettings():
            return EmailChannel(settings, password=secret(settings.password) if settings.password else "", ses=ses)
        case PagerDutySettings():
            return PagerDutyChannel(settings, routing_key=secret(settings.routing_key), guard=guard)
        case SnsSettings():
            return SnsChannel(settings, sns=sns)
        case WebhookSettings() if now is not None:
            return WebhookChannel(settings, secret=secret(settings.secret), now=now, guard=guard)
        case FileSettings():
            return FileChannel(settings)
        case _:
            raise TypeError(f"channels.{name}: {type(settings).__name__} is not in SETTINGS")
