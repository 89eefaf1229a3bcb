"""A report becomes messages: rendered once, so that every retry sends the same bytes."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import orjson
from jinja2 import BaseLoader

from opsbot.errors import OpsbotError
from opsbot.model.alert import Notice
from opsbot.model.message import CARDS, Action, Format, Message, Standing
from opsbot.model.report import About, Card, Prose, Report, Section
from opsbot.model.status import Status
from opsbot.ports import Channel
from opsbot.render import card as cards
from opsbot.render import email, event, machine, short, slack
from opsbot.render import notice as notices
from opsbot.secrets import redact

T = TypeVar("T")

# A report has fewer parts: its cards come after it.
_AFTER = timedelta(microseconds=100)

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
        case Format.EVENT:
            yield from _event(report, about, channel, name, now, new_id)
        case Format.TEXT:
            yield _told(report, about, channel, name, now, new_id(), machine.report_texts(report, about))
        case Format.JSON:
            yield _told(report, about, channel, name, now, new_id(), machine.report_facts(report, about))


def compose_card(
    card: Card, title: str, about: About, channel: Channel, name: str, *, now: datetime, id: str, opens: bool
) -> Standing:
    """One trouble of a report, named `title`, as a message that is edited from run to run; for channels that can edit."""
    message = Message(
        id=id,
        key=f"{CARDS}{about.job}/{card.finding.key}",
        channel=name,
        to=channel.to,
        subject=cards.told(card),
        body=orjson.dumps(cards.slack(card, title, about)),
        created_at=now + _AFTER,
        run_id=about.run_id,
        status=card.finding.status,
        action=Action.RESOLVE if card.over else Action.NONE,
    )
    change = replace(
        message,
        id=f"{id}.change",
        key=f"{message.key}/changes",
        body=orjson.dumps(cards.change(card, about)),
        reply_to=id,
        action=Action.NONE,
    )
    return Standing(message=message, change=change, begun=card.begun, opens=opens)


def compose_notices(notice: Notice, channel: Channel, zone: str, *, run_id: str = "") -> Iterator[Message]:
    """All that one channel is to carry of one group of alerts: its message; and where that takes the place of a card that
    people have seen already, a reply under it that says what changed. An edit rings nobody, nor does a reply: what is loud
    stands in the channel too."""
    card = compose_notice(notice, channel, zone, run_id=run_id)
    yield card
    if card.edits is not None:
        body = orjson.dumps(short.change(notice, zone) | ({"reply_broadcast": True} if notice.loud else {}))
        id, key = f"{card.id}.change", f"{card.key}/changes"
        # That some of it is over calls for nobody.
        calls = notice.action is Action.TRIGGER and bool(notice.fresh or not notice.over)
        action = Action.TRIGGER if calls else Action.NONE
        yield replace(card, id=id, key=key, body=body, edits=None, reply_to=card.id, action=action)


def compose_notice(notice: Notice, channel: Channel, zone: str, *, run_id: str = "") -> Message:
    """The message that one channel is to carry of one group of alerts. Its key is the group's: an older one that has not
    left is superseded, and a system that keeps incidents dedupes by it."""
    match channel.format:
        case Format.SLACK:
            body = orjson.dumps(notices.slack(notice, zone))
        case Format.EMAIL:
            body = notices.letter(notice, zone)
        case Format.EVENT:
            body = _wire(event.events_of_notice(notice))
        case Format.TEXT:
            body = _wire(machine.notice_texts(notice, zone))
        case Format.JSON:
            body = _wire(notices.facts(notice))
    return Message(
        id=notice.id,
        key=notice.key,
        channel=notice.channel,
        to=channel.to,
        subject=notices.headline(notice),
        body=body,
        created_at=notice.at,
        not_before=notice.not_before,
        run_id=run_id,
        status=notice.status,
        action=notice.action,
        priority=notice.priority,
        # Elsewhere a newer message of the same key stands beside the older one, or the peer itself puts it in its place.
        edits=notice.edits if channel.format is Format.SLACK else None,
    )


def with_templates(
    templates: Sequence[BaseLoader], report: Report, about: About, render: Callable[[BaseLoader, Report], T]
) -> T:
    """Render with the first templates that work; the report then names what is wrong with the others. The last are the
    shipped ones, whose error is raised."""
    for loader in templates[:-1]:
        try:
            return render(loader, report)
        except OpsbotError as error:
            log.warning("template failed, the shipped one is used", extra={"why": error.message})
            report = noted(report, about, error)
    return render(templates[-1], report)


def noted(report: Report, about: About, error: OpsbotError) -> Report:
    """The error of a template at the report's end: its reader sees why it looks so plain, its author where to look."""
    said = (
        f"{error.message.rstrip('.')}. This report has the shipped look until that is corrected; "
        f"to try it: opsbot render {about.job} --sample"
    )
    note = Section(id="template", title="Template", status=Status.INFO, blocks=(Prose(text=said),))
    return replace(report, sections=(*report.sections, note))


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


def _event(
    report: Report, about: About, channel: Channel, name: str, now: datetime, new_id: Callable[[], str]
) -> Iterator[Message]:
    told = event.of_report(report, about)
    if told is not None:
        message = _told(report, about, channel, name, now, new_id(), told)
        # One line a job: what has not left is superseded by what is true by now.
        yield replace(message, key=told["dedup_key"], action=Action(told["event_action"]))


def _told(
    report: Report, about: About, channel: Channel, name: str, now: datetime, id: str, body: Mapping[str, Any]
) -> Message:
    return Message(
        id=id,
        key=f"{about.job}/{about.run_id}/0",
        channel=name,
        to=channel.to,
        subject=report.headline,
        body=_wire(body),
        created_at=now,
        run_id=about.run_id,
        status=report.status,
    )


def _wire(value: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bytes:
    """JSON for a machine of somebody else's: nothing that looks like a secret leaves in it."""
    return json.dumps(_safe(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(
        "utf-8", "replace"
    )


def _safe(value: Any) -> Any:
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {redact(str(name)): _safe(part) for name, part in value.items()}
        case list() | tuple():
            return [_safe(part) for part in value]
        case float() if not math.isfinite(value):
            return None
        case float():
            return float(value)
        case _:
            return value


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
        report,
        about,
        lambda loader, noted: email.render(
            noted, about, loader, sender=sender, to=to, domain=domain, message_id=f"<{id}@{domain}>"
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
