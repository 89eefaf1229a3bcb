"""Runbook runs to JSON and back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from opsbot.model.actor import Actor
from opsbot.model.runbook import (
    Answer,
    Approval,
    Approve,
    Begun,
    RunbookRun,
    RunState,
    StepState,
    Took,
    Verify,
    Write,
)
from opsbot.store import rows

_PLAIN = ("runbook", "title", "book", "environment", "region", "finding", "incident", "digest", "why")


def row(run: RunbookRun) -> dict[str, Any]:
    body = {
        **{name: getattr(run, name) for name in _PLAIN},
        "params": run.params,
        "actor": _actor(run.actor),
        "took": [_took(one) for one in run.took],
        "writes": [_write(one) for one in run.writes],
        "approve": {"by": run.approve.by, "expires": run.approve.expires.total_seconds()},
        "approval": _approval(run.approval) if run.approval else None,
        "ended_at": rows.optional(run.ended_at),
    }
    return {
        "number": run.number,
        "runbook": run.runbook,
        "environment": run.environment,
        "state": run.state.value,
        "at": rows.micros(run.at),
        "body": rows.text(orjson.dumps(_clean(body)).decode()),
    }


def _clean(value: Any) -> Any:
    """Texts as every database can keep them, whatever AWS put into them."""
    if isinstance(value, str):
        return rows.text(value)
    if isinstance(value, dict):
        return {rows.text(str(key)): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value


def read(found: rows.Row) -> RunbookRun:
    body = orjson.loads(found["body"])
    at: Any = rows.moment(found["at"])
    return RunbookRun(
        number=found["number"],
        at=at,
        state=RunState(found["state"]),
        params=tuple((name, value) for name, value in body["params"]),
        actor=_read_actor(body["actor"]),
        took=tuple(map(_read_took, body["took"])),
        writes=tuple(map(_read_write, body["writes"])),
        approve=Approve(by=tuple(body["approve"]["by"]), expires=timedelta(seconds=body["approve"]["expires"])),
        approval=_read_approval(body["approval"]) if body["approval"] else None,
        ended_at=rows.moment(body["ended_at"]),
        **{name: body[name] for name in _PLAIN},
    )


def _actor(actor: Actor) -> dict[str, str]:
    return {"login": actor.login, "arn": actor.arn, "via": actor.via}


def _read_actor(body: dict[str, str]) -> Actor:
    return Actor(**body)


def _approval(one: Approval) -> dict[str, Any]:
    times = {"at": rows.micros(one.at), "until": rows.micros(one.until)}
    return {"actor": _actor(one.actor), "digest": one.digest, "reason": one.reason, **times}


def _read_approval(body: dict[str, Any]) -> Approval:
    times: dict[str, Any] = {name: rows.moment(body[name]) for name in ("at", "until")}
    return Approval(actor=_read_actor(body["actor"]), digest=body["digest"], reason=body["reason"], **times)


def _took(one: Took) -> dict[str, Any]:
    body = {name: getattr(one, name) for name in ("step", "uses", "seconds", "why", "hint")}
    return {**body, "state": one.state.value, "answer": _answer(one.answer) if one.answer else None}


def _answer(one: Answer) -> dict[str, Any]:
    return {"headline": one.headline, "rows": one.rows, "values": dict(one.values), "alarming": one.alarming}


def _read_took(body: dict[str, Any]) -> Took:
    told = body.pop("answer")
    return Took(**{**body, "state": StepState(body["state"])}, answer=_read_answer(told) if told else None)


def _read_answer(told: dict[str, Any]) -> Answer:
    return Answer(
        headline=told["headline"], rows=tuple(map(tuple, told["rows"])), values=_frozen(told["values"]),
        alarming=told["alarming"],
    )  # fmt: skip


def seen(answer: Answer | None) -> str | None:
    """What a change found before it was made, as its row keeps it."""
    return rows.text(orjson.dumps(_clean(_answer(answer))).decode()) if answer else None


def begun(found: rows.Row) -> Begun:
    """A row of the journal's changes."""
    at: Any = rows.moment(found["began_at"])
    before = found["before"] and _read_answer(orjson.loads(found["before"]))
    return Begun(
        step=found["step"], state=StepState(found["state"]), at=at, why=found["why"], before=before or None,
        back_at=rows.moment(found["back_at"]),
    )  # fmt: skip


_WRITE = ("step", "uses", "calls", "key", "undo", "undo_says", "refused")


def _write(one: Write) -> dict[str, Any]:
    verify = one.verify and {
        "until": one.verify.until, "every": one.verify.every.total_seconds(),
        "timeout": one.verify.timeout.total_seconds(),
    }  # fmt: skip
    return {
        **{name: getattr(one, name) for name in _WRITE},
        "given": dict(one.given),
        "before": one.before,
        "after": one.after,
        "undo_given": dict(one.undo_given),
        "verify": verify,
        "lasts": one.lasts and one.lasts.total_seconds(),
    }


def _read_write(body: dict[str, Any]) -> Write:
    told = body["verify"]
    verify = told and Verify(
        until=told["until"], every=timedelta(seconds=told["every"]), timeout=timedelta(seconds=told["timeout"])
    )
    return Write(
        **{name: body[name] for name in _WRITE},
        given=_frozen(body["given"]),
        before=tuple((word, value) for word, value in body["before"]),
        after=tuple((word, value) for word, value in body["after"]),
        undo_given=_frozen(body["undo_given"]),
        verify=verify,
        lasts=timedelta(seconds=body["lasts"]) if body.get("lasts") else None,
    )


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value
