"""A report becomes messages: rendered once, so that every retry sends the same bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import orjson
from jinja2 import BaseLoader

from opsbot.errors import OpsbotError
from opsbot.model.message import Format, Message
from opsbot.model.report import About, Report
from opsbot.ports import Channel
from opsbot.render import email, slack

T = TypeVar("T")

log = logging.getLogger(__name__)


NOBODY = "opsbot@opsbot.invalid"
"""Who a letter is from and to where a channel has no addresses, such as a folder."""


def compose(
    report: Report,
    about: About,
    channel: Channel,
    name: str,
    templates: Sequence[BaseLoader],
    *,
    now: datetime,
    new_id: Callable[[], str],
) -> Iterator[Message]:
    """The messages one channel is to carry; Slack replies point at the message whose thread they belong in."""
    match channel.format:
        case Format.SLACK:
            yield from _slack(report, about, channel, name, now, new_id)
        case Format.EMAIL:
            yield _email(report, about, channel, name, templates, now, new_id())


def with_templates(templates: Sequence[BaseLoader], render: Callable[[BaseLoader], T]) -> T:
    """Render with the first templates that work; the last are the shipped ones, whose error is raised."""
    for loader in templates[:-1]:
        try:
            return render(loader)
        except OpsbotError as error:
            log.warning("template failed, the shipped one is used", extra={"why": error.message})
    return render(templates[-1])


def _slack(
    report: Report, about: About, channel: Channel, name: str, now: datetime, new_id: Callable[[], str]
) -> Iterator[Message]:
    first = new_id()
    for place, payload in enumerate(slack.render(report, about)):
        yield Message(
            id=first if place == 0 else new_id(),
            # Each part of a report is its own key: a thread reply is never taken for a newer version of the first message.
            key=f"{about.job}/{about.run_id}/{place}",
            channel=name,
            to=channel.to,
            subject=report.headline,
            body=orjson.dumps(payload),
            # A microsecond apart: the thread is sent, and read, in this order.
            created_at=now + timedelta(microseconds=place),
            run_id=about.run_id,
            reply_to=first if place else None,
            status=report.status,
        )


def _email(
    report: Report,
    about: About,
    channel: Channel,
    name: str,
    templates: Sequence[BaseLoader],
    now: datetime,
    id: str,
) -> Message:
    sender = channel.sender or NOBODY
    to = channel.to.split(", ") if channel.sender else [NOBODY]
    domain = sender.rpartition("@")[2]
    body = with_templates(
        templates,
        lambda loader: email.render(
            report, about, loader, sender=sender, to=to, domain=domain, message_id=f"<{id}@{domain}>"
        ),
    )
    return Message(
        id=id,
        key=f"{about.job}/{about.run_id}/0",
        channel=name,
        to=channel.to,
        subject=report.headline,
        body=body,
        created_at=now,
        run_id=about.run_id,
        status=report.status,
    )
