"""What alerts do to incidents, in the transaction of the turn, the acknowledgement or the delivery that it follows from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from opsbot import incidents
from opsbot.alerting import Call, Turned
from opsbot.audit import Act
from opsbot.incidents import OPSBOT, By
from opsbot.model.actor import Actor
from opsbot.model.alert import Alert, AlertState, Change
from opsbot.model.incident import IncidentState
from opsbot.model.message import Action, Message
from opsbot.store import alert_rows, rows
from opsbot.store import alerts_tables as a
from opsbot.store.engine import in_turn
from opsbot.store.incidents import active, at_work, keep, put

_FIRING = (AlertState.FIRING.value, AlertState.RECOVERING.value)
_AT_ONCE = 500


def follow(db: Connection, turned: Turned) -> None:
    """Open the incidents that the turn calls for, and note in the others what became of their alerts."""
    if not turned.calls and not turned.changes:
        return
    in_turn(db, "incidents")
    _move_on(db, turned.changes, turned.at)
    for call in turned.calls:
        _answer(db, call, turned.at)


def _answer(db: Connection, call: Call, now: datetime) -> None:
    keys = {alert.key for alert in call.alerts}
    there = active(db, call.tenant, call.key) or next((i for i in at_work(db) if not keys.isdisjoint(i.alerts)), None)
    if there is None:
        put(db, *incidents.of_call(call, now))
        return
    changed, entries = incidents.joined(there, call, now)
    keep(db, changed, entries, _act("join", now, there.environment))


def _move_on(db: Connection, changes: Sequence[tuple[Alert, Change]], now: datetime) -> None:
    for incident in at_work(db) if changes else ():
        known = set(incident.alerts)
        mine = [(alert, change) for alert, change in changes if alert.key in known]
        changed, entries = (
            incidents.moved_on(incident, mine, _fires(db, incident.alerts), now) if mine else (incident, ())
        )
        if entries:
            keep(db, changed, entries, _act("alerts", now, incident.environment))


def _fires(db: Connection, keys: Sequence[str]) -> bool:
    c = a.alert.c
    parts = (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE))
    return any(
        db.scalar(select(c.key).where(c.key.in_([rows.text(key) for key in part]), c.state.in_(_FIRING)).limit(1))
        for part in parts
    )


def take(db: Connection, keys: Collection[str], actor: Actor, text: str, at: datetime) -> None:
    """Whoever has an alert in hand has its incident, unless somebody has that already."""
    in_turn(db, "incidents")
    by = By(actor=actor, now=at)
    for incident in at_work(db):
        if incident.state is IncidentState.OPEN and not set(keys).isdisjoint(incident.alerts):
            changed, entries = incidents.acked(by, text)(incident)
            keep(db, changed, entries, replace(by.act("ack", text=text), environment=incident.environment))


def arrived(db: Connection, messages: Iterable[Message], now: datetime) -> None:
    """The first notice of an incident that reached anybody ends its time to tell: of its group, or of any of its alerts."""
    channels: dict[str, str] = {}
    for message in messages:
        if message.action is Action.TRIGGER:
            channels.setdefault(message.key, message.channel)
    if not channels or not any(one.told_at is None for one in at_work(db)):
        return
    in_turn(db, "incidents")
    by = By(actor=OPSBOT, now=now)
    about = _about(db, channels)
    for incident in at_work(db):
        names = [channels[incident.key]] if incident.key in channels else []
        names += [about[key] for key in incident.alerts if key in about]
        if incident.told_at is None and names:
            changed, entries = incidents.told(by, names[0])(incident)
            keep(db, changed, entries, _act("told", now, incident.environment))


def _about(db: Connection, channels: Mapping[str, str]) -> dict[str, str]:
    """By alert: the channel that has just heard of it in a notice of its group."""
    found: dict[str, str] = {}
    keys = list(channels)
    for some in (keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE)):
        query = select(a.alert_told).where(a.alert_told.c.key.in_(some))
        for told in map(alert_rows.read_told, db.execute(query).mappings()):
            if told.channel == channels[told.key]:
                found |= {mention.key: told.channel for mention in told.mentions}
    return found


def _act(what: str, now: datetime, environment: str) -> Act:
    return replace(By(actor=OPSBOT, now=now).act(what), environment=environment)
