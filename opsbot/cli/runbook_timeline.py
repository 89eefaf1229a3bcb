"""What a runbook did, as a row of its incident's timeline, and in the thread of the message that told of the alert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsbot.model.actor import Actor
    from opsbot.model.incident import Incident
    from opsbot.model.message import Message
    from opsbot.model.runbook import RunbookRun
    from opsbot.ports import Channel
    from opsbot.store.sql import SqlStore

_LINES, _COLUMNS = 80, 140


def tell(store: SqlStore, run: RunbookRun, channels: Mapping[str, Channel]) -> None:
    """What it looked at, under its incident if it has one. Raises StoreError."""
    from opsbot import app
    from opsbot.cli.runbook_lines import step
    from opsbot.model.incident import EntryKind
    from opsbot.render.runbook import said

    incident = store.incidents().incident(run.incident) if run.incident else None
    if incident is None:
        return
    lines = [line for took in run.took for line in step(took, _COLUMNS, colour=False)]
    # When it was over: what a person looks at begins after what it was opened for.
    add(store, run, EntryKind.RUNBOOK, said(run), lines[:_LINES], run.actor, app.now(),
        tuple(replies(store, incident, run, channels)))  # fmt: skip


def replies(store: SqlStore, incident: Incident, run: RunbookRun, channels: Mapping[str, Channel]) -> Iterator[Message]:
    """One message for each thread in which people were told of the incident's alerts, and that is open still."""
    import orjson

    from opsbot import app
    from opsbot.model.message import Format, Message
    from opsbot.render.runbook import said, slack
    from opsbot.runner import new_id

    now = app.now()
    for key, name in _told(store, incident):
        channel = channels.get(name)
        card = _card(store, key, name) if channel and channel.format is Format.SLACK else ""
        if channel and card:
            yield Message(
                id=new_id(now), key=f"{incident.id}/{run.id}", channel=name, to=channel.to, subject=said(run),
                body=orjson.dumps(slack(run)), created_at=now, reply_to=card, priority=incident.priority,
            )  # fmt: skip


def _told(store: SqlStore, incident: Incident) -> list[tuple[str, str]]:
    alerts = set(incident.alerts)
    return [
        (one.key, one.channel)
        for one in store.alerts().told()
        if one.key == incident.key or not alerts.isdisjoint(mention.key for mention in one.mentions)
    ]


def _card(store: SqlStore, key: str, channel: str) -> str:
    """The newest message of the group that people have before their eyes, else the one that is on its way."""
    from opsbot.model.message import Action, Delivery

    found = [one for one in store.messages(channel=channel, key=key) if one.action is not Action.NONE]
    sent = [one for one in found if one.state is Delivery.SENT]
    return (sent or found)[-1].id if found else ""


def add(
    store: SqlStore, run: RunbookRun, kind: str, said: str, lines: Sequence[str], actor: Actor, now: datetime,
    messages: Sequence[Message] = (),
) -> None:  # fmt: skip
    """One row under the run's incident, if it has one. Raises StoreError."""
    from opsbot import incidents
    from opsbot.model.incident import EntryKind

    if run.incident is None:
        return
    by = incidents.By(actor=actor, now=now)
    store.incidents().change(
        run.incident, incidents.noted(by, said, EntryKind(kind), lines), by.act("runbook", run=run.id), messages
    )
