"""Alerts, what was told of them and silences as JSON, and back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson

from opsbot.errors import StoreError
from opsbot.model.alert import Ack, Alert, AlertState, Mention, Silence, Storm, Told
from opsbot.model.status import Priority, Status
from opsbot.store import rows

_TIMES = ("since", "seen_at", "changed_at", "fired_at")
_PLAIN = ("job", "tenant", "tier", "episode", "streak", "flapping", "well", "muted", "storm")
_MICROSECOND = timedelta(microseconds=1)


def alert(value: Alert) -> dict[str, Any]:
    payload: dict[str, Any] = {name: getattr(value, name) for name in _PLAIN}
    payload |= {name: rows.optional(getattr(value, name)) for name in _TIMES}
    payload |= {
        "called": value.called,
        "recent": [(rows.micros(at), breach) for at, breach in value.recent],
        "ack": value.ack and [value.ack.who, rows.micros(value.ack.at), value.ack.reason],
        "finding": rows.dump_finding(value.finding),
    }
    return {
        "key": rows.text(value.key),
        "state": value.state.value,
        "tenant": rows.text(value.tenant),
        "changed_at": rows.micros(value.changed_at),
        "payload": rows.dump(payload),
    }


def read_alert(row: rows.Row) -> Alert:
    fields = _load(row["payload"])
    ack = fields["ack"]
    return Alert(
        finding=rows.load_finding(fields["finding"]),
        state=AlertState(row["state"]),
        since=_moment(fields["since"]),
        seen_at=_moment(fields["seen_at"]),
        changed_at=_moment(fields["changed_at"]),
        fired_at=rows.moment(fields["fired_at"]),
        recent=tuple((_moment(at), breach) for at, breach in fields["recent"]),
        ack=ack and Ack(who=ack[0], at=_moment(ack[1]), reason=ack[2]),
        called=fields.get("called", 0),
        **{name: fields[name] for name in _PLAIN},
    )


def told(value: Told) -> dict[str, Any]:
    payload = {
        "tenant": value.tenant,
        "at": rows.micros(value.at),
        "opened_at": rows.micros(value.opened_at),
        "priority": value.priority.value,
        "shared": value.shared,
        "repeat": None if value.repeat is None else value.repeat // _MICROSECOND,
        "mentions": [_mention(one) for one in value.mentions],
        "before": [_mention(one) for one in value.before],
        "before_at": rows.optional(value.before_at),
        "acked": value.acked,
        "before_acked": value.before_acked,
    }
    names = {"key": value.key, "channel": value.channel, "message_id": value.message_id}
    return {**names, "payload": rows.dump(payload)}


def read_told(row: rows.Row) -> Told:
    fields = _load(row["payload"])
    repeat = fields["repeat"]
    return Told(
        key=row["key"],
        channel=row["channel"],
        message_id=row["message_id"],
        tenant=fields["tenant"],
        at=_moment(fields["at"]),
        opened_at=_moment(fields["opened_at"]),
        priority=Priority(fields["priority"]),
        shared=tuple((name, value) for name, value in fields["shared"]),
        repeat=None if repeat is None else repeat * _MICROSECOND,
        mentions=tuple(map(_read_mention, fields["mentions"])),
        before=tuple(map(_read_mention, fields["before"])),
        before_at=rows.moment(fields["before_at"]),
        acked=fields["acked"],
        before_acked=fields.get("before_acked", False),
    )


def silence(value: Silence) -> dict[str, Any]:
    payload = {
        "match": value.match,
        "owner": value.owner,
        "reason": value.reason,
        "starts_at": rows.micros(value.starts_at),
        "until_resolved": value.until_resolved,
        "met": value.met,
    }
    return {
        "id": value.id,
        "ends_at": rows.micros(value.ends_at),
        "ended_at": rows.optional(value.ended_at),
        "payload": rows.dump(payload),
    }


def read_silence(row: rows.Row) -> Silence:
    fields = _load(row["payload"])
    return Silence(
        id=row["id"],
        match=tuple((name, glob) for name, glob in fields["match"]),
        owner=fields["owner"],
        reason=fields["reason"],
        starts_at=_moment(fields["starts_at"]),
        ends_at=_moment(row["ends_at"]),
        until_resolved=fields["until_resolved"],
        met=fields["met"],
        ended_at=rows.moment(row["ended_at"]),
    )


def storms(values: tuple[Storm, ...]) -> str:
    return rows.dump([[one.id, one.tenant, rows.micros(one.since), rows.micros(one.last)] for one in values])


def read_storms(payload: str) -> tuple[Storm, ...]:
    return tuple(
        Storm(id=id, tenant=tenant, since=_moment(since), last=_moment(last))
        for id, tenant, since, last in _load(payload)
    )


def _mention(value: Mention) -> tuple[str, int, str, bool]:
    return value.key, value.episode, value.status.value, value.flapping


def _read_mention(fields: list[Any]) -> Mention:
    key, episode, status, flapping = fields
    return Mention(key=key, episode=episode, status=Status(status), flapping=flapping)


def _moment(value: int) -> datetime:
    found = rows.moment(value)
    if found is None:
        raise StoreError("an alert has no time", hint="look for a failing disk; a backup may still hold it")
    return found


def _load(payload: str) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        why = "what is kept of alerts cannot be read any more"
        raise StoreError(why, hint="look for a failing disk; a backup may still hold it") from error
