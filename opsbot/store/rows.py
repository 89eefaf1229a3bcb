"""Dataclasses to rows and back. Payloads are JSON; nothing is ever pickled."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import RowMapping

from opsbot.errors import StoreError
from opsbot.model.finding import Finding, Series
from opsbot.model.message import Action, Delivery, Intervention, Message, Outage, Try
from opsbot.model.run import Attempt, Cause, Run, RunState, Usage
from opsbot.model.status import Priority, Status
from opsbot.model.timetable import Clockwork, Worker
from opsbot.model.units import Unit
from opsbot.ports import Artifact

Row = Mapping[str, Any] | RowMapping
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STATUSES = tuple(sorted(Status, key=lambda status: status.rank))


def micros(moment: datetime) -> int:
    """UTC epoch microseconds, exactly. Raises TypeError for a naive time."""
    return (moment - _EPOCH) // _MICROSECOND


def optional(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def moment(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def text(value: str) -> str:
    """Names from outside may hold what not every database can store: half a surrogate pair and NUL become a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


_RUN_TEXT = ("id", "job", "owner", "reason", "verdict", "headline", "error", "log")
_RUN_TIMES = ("queued_at", "at", "scheduled_for", "started_at", "finished_at", "not_before", "lease_until")
_RUN_NUMBERS = ("attempt", "exit_code", "cpu_seconds", "peak_rss")


def run(value: Run, ok_findings: int) -> dict[str, Any]:
    return {
        **{name: text(str(getattr(value, name))) for name in _RUN_TEXT},
        **{name: optional(getattr(value, name)) for name in _RUN_TIMES},
        **{name: getattr(value, name) for name in _RUN_NUMBERS},
        "state": value.state.value,
        "cause": value.cause.value,
        "ending": "",
        "usage": dump(_usage(value.usage)),
        "ok_findings": ok_findings,
    }


def read_run(row: Row) -> Run:
    plain = {name: row[name] for name in (*_RUN_TEXT, *_RUN_NUMBERS)}
    times: dict[str, Any] = {name: moment(row[name]) for name in _RUN_TIMES}
    state, cause = RunState(row["state"]), Cause(row["cause"])
    return Run(**plain, **times, state=state, cause=cause, usage=_read_usage(_load(row["usage"])))


def read_attempt(row: Row) -> Attempt:
    names = ("n", "owner", "outcome", "exit_code", "cpu_seconds", "peak_rss", "error")
    times: dict[str, Any] = {name: moment(row[name]) for name in ("started_at", "ended_at")}
    return Attempt(**{name: row[name] for name in names}, **times)


def read_clockwork(row: Row) -> Clockwork:
    names = ("job", "cron", "paused_by", "pause_reason")
    times: dict[str, Any] = {name: moment(row[name]) for name in ("cursor", "paused_until")}
    return Clockwork(**{name: row[name] for name in names}, **times)


def worker(value: Worker) -> dict[str, Any]:
    plain = {name: getattr(value, name) for name in ("id", "host", "pid", "version", "draining")}
    return {**plain, "started_at": micros(value.started_at), "beat": micros(value.beat)}


def read_worker(row: Row) -> Worker:
    times: dict[str, Any] = {name: moment(row[name]) for name in ("started_at", "beat")}
    return Worker(**{**row, **times})


def _usage(value: Usage) -> dict[str, Any]:
    names = ("calls", "metrics", "datapoints", "usd", "throttled", "log_bytes")
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
        "edits": value.edits,
        "state": Delivery.QUEUED.value,
        "attempts": 0,
        "not_before": value.not_before and micros(value.not_before),
        "lease_until": None,
        "provider_id": "",
        "error": "",
        "rank": value.status.rank,
        "kept_since": None,
        "action": value.action.value,
        "priority": value.priority.value if value.priority else "",
    }


def read_message(row: Row) -> Message:
    """While a message is being sent its `not_before` is the end of the sender's lease."""
    names = (
        "id",
        "key",
        "channel",
        "to",
        "subject",
        "body",
        "run_id",
        "reply_to",
        "edits",
        "attempts",
        "provider_id",
        "error",
    )
    plain = {name: row[name] for name in names}
    state = Delivery(row["state"])
    due = row["lease_until"] if state is Delivery.SENDING else row["not_before"]
    times: dict[str, Any] = {name: moment(row[name]) for name in ("created_at", "kept_since")} | {
        "not_before": moment(due)
    }
    priority = Priority(row["priority"]) if row["priority"] else None
    return Message(
        **plain, **times, state=state, status=_STATUSES[row["rank"]], action=Action(row["action"]), priority=priority
    )


def read_try(row: Row) -> Try:
    times: dict[str, Any] = {name: moment(row[name]) for name in ("started_at", "ended_at")}
    return Try(n=row["n"], outcome=row["outcome"], error=row["error"], **times)


def read_intervention(row: Row) -> Intervention:
    at: Any = moment(row["at"])
    return Intervention(at=at, who=row["who"], what=row["what"], reason=row["reason"])


def read_outage(row: Row) -> Outage:
    since: Any = moment(row["since"])
    opens_at = moment(max(row["opens_at"] or 0, row["retry_at"] or 0) or None)
    plain = {name: row[name] for name in ("error", "failures", "held")}
    return Outage(channel=row["name"], since=since, opens_at=opens_at, told=row["told_at"] is not None, **plain)


def artifact(value: Artifact, position: int) -> dict[str, Any]:
    body = zlib.compress(value.body, 6)
    return {"run_id": value.run_id, "position": position, "format": value.format, "body": body}


def read_artifact(row: Row) -> Artifact:
    try:
        return Artifact(run_id=row["run_id"], format=row["format"], body=zlib.decompress(row["body"]))
    except zlib.error as error:
        raise _rotten(f"the {row['format']} report of run {row['run_id']}") from error


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
    return dump(payload)


def load_finding(payload: str) -> Finding:
    fields = _load(payload)
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


def _load(payload: str) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _rotten("a stored value") from error


def _rotten(what: str) -> StoreError:
    return StoreError(f"{what} cannot be read any more", hint="look for a failing disk; a backup may still hold it")


def dump(value: Any) -> str:
    """JSON of anything, as near as JSON can say it."""
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
