"""Dataclasses to rows and back. Payloads are JSON; nothing is ever pickled."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from opsbot.model.finding import Finding, Series
from opsbot.model.message import Delivery, Message
from opsbot.model.run import Run, RunState, Usage
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.ports import Artifact

Row = Mapping[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMES = frozenset({"started_at", "at", "scheduled_for", "finished_at", "created_at", "not_before"})


def micros(moment: datetime) -> int:
    """UTC epoch microseconds, exactly. Raises TypeError for a naive time."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def text(value: str) -> str:
    """Names from outside may hold half a surrogate pair, which no database can store: it becomes a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8")


def run(value: Run, ok_findings: int) -> dict[str, Any]:
    return {
        "id": value.id,
        "job": value.job,
        "started_at": micros(value.started_at),
        "at": micros(value.at),
        "state": value.state.value,
        "scheduled_for": value.scheduled_for and micros(value.scheduled_for),
        "finished_at": value.finished_at and micros(value.finished_at),
        "attempt": value.attempt,
        "verdict": str(value.verdict),
        "headline": text(value.headline),
        "error": text(value.error),
        "usage": _dump(_usage(value.usage)),
        "ok_findings": ok_findings,
    }


def read_run(row: Row) -> Run:
    plain = {name: row[name] for name in ("id", "job", "attempt", "verdict", "headline", "error")}
    return Run(**plain, **_times(row), state=RunState(row["state"]), usage=_read_usage(orjson.loads(row["usage"])))


def _usage(value: Usage) -> dict[str, Any]:
    names = ("calls", "metrics", "datapoints", "usd", "throttled")
    return {name: getattr(value, name) for name in names}


def _read_usage(value: dict[str, Any]) -> Usage:
    return Usage(**value | {"calls": tuple((name, count) for name, count in value["calls"])})


def message(value: Message, seq: int) -> dict[str, Any]:
    """A row as it enters the outbox: whatever was said of earlier deliveries is not taken over."""
    return {
        "id": value.id,
        "channel": value.channel,
        "key": text(value.key),
        "seq": seq,
        "to": text(value.to),
        "subject": text(value.subject),
        "body": value.body,
        "created_at": micros(value.created_at),
        "run_id": value.run_id,
        "reply_to": value.reply_to,
        "state": Delivery.QUEUED.value,
        "attempts": 0,
        "not_before": value.not_before and micros(value.not_before),
        "lease_until": None,
        "provider_id": "",
        "error": "",
    }


def read_message(row: Row) -> Message:
    """While a message is being sent its `not_before` is the end of the sender's lease."""
    names = ("id", "key", "channel", "to", "subject", "body", "run_id", "reply_to", "attempts", "provider_id", "error")
    plain = {name: row[name] for name in names}
    state = Delivery(row["state"])
    due = row["lease_until"] if state is Delivery.SENDING else row["not_before"]
    return Message(**plain, **_times(row) | {"not_before": moment(due)}, state=state)


def artifact(value: Artifact, position: int) -> dict[str, Any]:
    body = zlib.compress(value.body, 6)
    return {"run_id": value.run_id, "position": position, "format": value.format, "body": body}


def read_artifact(row: Row) -> Artifact:
    return Artifact(run_id=row["run_id"], format=row["format"], body=zlib.decompress(row["body"]))


def finding(value: Finding, run_id: str, position: int) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "position": position,
        "key": text(value.key),
        "status": value.status.value,
        "payload": dump_finding(value),
    }


_FINDING_TEXT = ("check", "environment", "resource", "title", "area", "rule", "summary", "means", "owner")


def dump_finding(value: Finding) -> str:
    """JSON that `load_finding` turns into an equal Finding. A number that is none (NaN, infinity) becomes null."""
    payload: dict[str, Any] = {name: getattr(value, name) for name in _FINDING_TEXT}
    payload |= {
        "status": value.status.value,
        "unit": value.unit.value,
        "at": micros(value.at),
        "since": value.since and micros(value.since),
        "hold": value.hold // _MICROSECOND,
        "value": value.value,
        "limit": value.limit,
        "labels": value.labels,
        "runbook": value.runbook,
        "evidence": value.evidence,
        "series": value.series and [_span(value.series.times), value.series.values, value.series.judged],
    }
    return _dump(payload)


def load_finding(payload: str) -> Finding:
    fields = orjson.loads(payload)
    fields |= {
        "status": Status(fields["status"]),
        "unit": Unit(fields["unit"]),
        "at": moment(fields["at"]),
        "since": moment(fields["since"]),
        "hold": timedelta(microseconds=fields["hold"]),
        "labels": _tuples(fields["labels"]),
        "evidence": _tuples(fields["evidence"]),
        "series": _series(fields["series"]),
    }
    return Finding(**fields)


def _series(value: list[Any] | None) -> Series | None:
    return Series(times=range(*value[0]), values=tuple(value[1]), judged=value[2]) if value else None


def _span(times: range) -> tuple[int, int, int]:
    return times.start, times.stop, times.step


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _dump(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(_storable(value)).decode()


def _storable(value: Any) -> Any:
    """What JSON cannot hold made into the nearest that it can: broken text, integers past 64 bits."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if isinstance(value, dict):
        return {name: _storable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return value


def _times(row: Row) -> dict[str, Any]:
    return {name: moment(row[name]) for name in _TIMES & row.keys()}
