"""What a runbook did, as a row of its incident's timeline, and in the thread of the message that told of the alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsbot.model.actor import Actor
    from opsbot.model.incident import Incident
    from opsbot.model.message import Message
    from opsbot.model.runbook import Begun, RunbookRun
    from opsbot.ports import Channel
    from opsbot.ports.incidents import Tidings
    from opsbot.render.blockkit import Json
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
    """What it saw, once for each thread in which people were told of the incident's alerts, and that is open still."""
    from opsbot.render.runbook import said, slack

    yield from _in_threads(store, incident, run, channels, said(run), slack(run))


def tidings(store: SqlStore, channels: Mapping[str, Channel], who: Actor) -> Callable[..., Tidings | None]:
    """How the people of a run's incident are told what became of its changes: in the timeline and in those threads."""

    def told(run: RunbookRun, changes: Sequence[Begun] = ()) -> Tidings | None:
        from opsbot import app, incidents
        from opsbot.model.incident import EntryKind
        from opsbot.ports.incidents import Tidings
        from opsbot.render import runbook_change as render

        incident = store.incidents().incident(run.incident) if run.incident else None
        if incident is None:
            return None
        said = render.said(run, who)
        lines = [line for step in render.steps(run, changes) for line in step]
        by = incidents.By(actor=who, now=app.now())
        messages = _in_threads(store, incident, run, channels, said, render.slack(run, changes, who))
        loud = _everywhere(store, incident, run, channels, said, lines) if _by_force(run) else ()
        return Tidings(
            incident=incident.number, change=incidents.noted(by, said, EntryKind.CHANGE, lines[:_LINES]),
            act=by.act("runbook", run=run.id), messages=(*messages, *loud),
        )  # fmt: skip

    return told


def _by_force(run: RunbookRun) -> bool:
    """Whether it was just said that it is carried out without an approval."""
    from opsbot.model.runbook import RunState

    return run.state is RunState.APPROVED and bool(run.approval and run.approval.reason)


def _in_threads(
    store: SqlStore, incident: Incident, run: RunbookRun, channels: Mapping[str, Channel], said: str, body: Json
) -> Iterator[Message]:
    import orjson

    from opsbot import app
    from opsbot.model.message import Format, Message
    from opsbot.runner import new_id

    now = app.now()
    for key, name in _told(store, incident):
        channel = channels.get(name)
        card = _card(store, key, name) if channel and channel.format is Format.SLACK else ""
        if channel and card:
            yield Message(
                id=new_id(now), key=f"{incident.id}/{run.id}", channel=name, to=channel.to, subject=said,
                body=orjson.dumps(body), created_at=now, reply_to=card, priority=incident.priority,
            )  # fmt: skip


def _everywhere(
    store: SqlStore, incident: Incident, run: RunbookRun, channels: Mapping[str, Channel], said: str,
    lines: Sequence[str],
) -> Iterator[Message]:  # fmt: skip
    """A message of its own in every channel that was told of the incident; where the channel keeps incidents of its own, in
    the one that is open for it."""
    from opsbot import app
    from opsbot.outbox import telling
    from opsbot.runner import new_id

    now = app.now()
    for key, name in _told(store, incident):
        if channel := channels.get(name):
            told = telling.of_words(
                new_id(now), key, name, channel, f"{incident.id}, {said}", "\n".join([said, *lines]), now
            )
            yield replace(told, key=f"{incident.id}/{run.id}/break-glass", priority=incident.priority)


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
