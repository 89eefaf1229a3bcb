"""A run as people and scripts read it: one line, a page, or plain JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from opsbot import timetable
from opsbot.model.message import Message
from opsbot.model.run import Attempt, Cause, Run, RunState
from opsbot.ports import Store
from opsbot.render.format import clean, clip, count, moment, money, plural, span, utc

_CAUSES = {
    Cause.SCHEDULE: "on its schedule",
    Cause.CATCH_UP: "made up for after its moment had passed",
    Cause.MANUAL: "by hand",
}
_MIB = 1024 * 1024


def line(run: Run, zone: str, now: datetime) -> str:
    """`01K9...  2026-11-20 07:00 CET  daily_health  succeeded  12 s  3 of 12 environments need attention`."""
    took = span(_length(run, now)) if run.started_at else ""
    told = run.headline or run.reason or run.error.strip().rpartition("\n")[2]
    return (
        f"{run.id}  {moment(run.at, zone)}  {run.job:<16} {run.state:<9} {took:>10}  {clip(clean(told), 80)}".rstrip()
    )


def told(store: Store, run: Run, zone: str, now: datetime, log: Sequence[str]) -> Iterator[str]:
    """Everything there is to say of one run."""
    yield f"{run.job}, run {run.id}"
    for name, value in _facts(store, run, zone, now):
        yield f"  {name:<10} {value}"
    attempts = store.ledger().attempts(run.id)
    if attempts:
        yield "  attempts"
        yield from (f"    {_attempt(attempt, zone, now)}" for attempt in attempts)
    messages = store.messages(run_id=run.id)
    if messages:
        yield "  told"
        yield from (f"    {_message(message)}" for message in messages)
    if log:
        yield f"  log        the last {plural(len(log), 'line')}; all of it: opsbot runs log {run.id}"
        yield from (f"    {row}" for row in log)


def _facts(store: Store, run: Run, zone: str, now: datetime) -> Iterator[tuple[str, str]]:
    yield "state", f"{run.state}{f', verdict {run.verdict}' if run.verdict else ''}"
    if run.headline:
        yield "said", clean(run.headline)
    if run.reason:
        yield "reason", clean(run.reason)
    yield "due", f"{moment(run.at, zone)}, {_CAUSES[run.cause]}"
    if run.started_at:
        late = timetable.late(run)
        after = f", {span(late)} late" if late > timetable.ON_TIME else ""
        where = f", {clean(run.owner)}" if run.owner else ""
        yield "ran", f"{moment(run.started_at, zone)} for {span(_length(run, now))}{after}{where}"
    if run.state is RunState.QUEUED and run.not_before:
        yield "waits", f"until {moment(run.not_before, zone)}"
    yield from _outcome(store, run)


def _outcome(store: Store, run: Run) -> Iterator[tuple[str, str]]:
    if run.state is RunState.SUCCEEDED or run.verdict:
        found = ", ".join(f"{count(number)} {status}" for status, number in _found(store, run).items())
        yield "findings", found or "none"
        calls = sum(number for _, number in run.usage.calls)
        throttled = f", {count(run.usage.throttled)} throttled" if run.usage.throttled else ""
        yield (
            "aws",
            f"{plural(calls, 'call')}, {plural(run.usage.metrics, 'metric')}, {money(run.usage.usd)}{throttled}",
        )
    if run.error:
        yield "error", clip(clean(run.error.strip().rpartition("\n")[2]), 300)


def _found(store: Store, run: Run) -> dict[str, int]:
    """How many findings of each status, the worst first; those that are ok are only counted."""
    bad = Counter(finding.status for finding in store.findings(run.id))
    ranked = sorted(bad.items(), key=lambda pair: -pair[0].rank)
    fine = store.ok_findings(run.id)
    return {str(status): number for status, number in ranked} | ({"ok": fine} if fine else {})


def _attempt(attempt: Attempt, zone: str, now: datetime) -> str:
    parts = [f"{attempt.n}  {moment(attempt.started_at, zone)}", attempt.outcome or "at work, or its worker died"]
    if attempt.ended_at:
        parts.append(span(attempt.ended_at - attempt.started_at))
    if attempt.exit_code is not None:
        parts.append(f"signal {-attempt.exit_code}" if attempt.exit_code < 0 else f"exit {attempt.exit_code}")
    if attempt.peak_rss:
        parts.append(f"CPU {attempt.cpu_seconds:.1f} s, {attempt.peak_rss / _MIB:.0f} MiB")
    if attempt.error:
        parts.append(clip(clean(attempt.error.strip().rpartition("\n")[2]), 200))
    return ", ".join(parts)


def _message(message: Message) -> str:
    why = f": {clean(message.error)}" if message.error else ""
    return f"{message.channel} ({clean(message.to)}): {message.state}{why}"


def _length(run: Run, now: datetime) -> timedelta:
    began = run.started_at or run.queued_at
    return max(run.finished_at or now, began) - began


def plain(run: Run) -> dict[str, object]:
    """What a script needs of a run; additive changes only."""
    return {
        "run_id": run.id,
        "job": run.job,
        "state": str(run.state),
        "cause": str(run.cause),
        "at": utc(run.at),
        "scheduled_for": _utc(run.scheduled_for),
        "queued_at": utc(run.queued_at),
        "started_at": _utc(run.started_at),
        "finished_at": _utc(run.finished_at),
        "attempt": run.attempt,
        "worker": run.owner or None,
        "verdict": run.verdict or None,
        "headline": run.headline or None,
        "reason": run.reason or None,
        "error": run.error.strip().rpartition("\n")[2] or None,
        "exit_code": run.exit_code,
        "cpu_seconds": run.cpu_seconds,
        "peak_rss_bytes": run.peak_rss,
        "log": run.log or None,
        "aws": {
            "calls": dict(run.usage.calls),
            "metrics_requested": run.usage.metrics,
            "usd": round(run.usage.usd, 6),
            "throttled": run.usage.throttled,
        },
    }


def whole(store: Store, run: Run, log: Sequence[str]) -> dict[str, object]:
    """The same with what belongs to it: attempts, counts of findings, deliveries and the end of the log."""
    return {
        "schema": "opsbot.run-history/1",
        **plain(run),
        "attempts": [_plain_attempt(attempt) for attempt in store.ledger().attempts(run.id)],
        "findings": _found(store, run),
        "deliveries": [
            {"channel": message.channel, "to": message.to, "state": str(message.state), "why": message.error or None}
            for message in store.messages(run_id=run.id)
        ],
        "log_tail": list(log),
    }


def _plain_attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "n": attempt.n,
        "worker": attempt.owner,
        "started_at": utc(attempt.started_at),
        "ended_at": _utc(attempt.ended_at),
        "outcome": attempt.outcome or None,
        "exit_code": attempt.exit_code,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_rss_bytes": attempt.peak_rss,
        "error": attempt.error or None,
    }


def _utc(at: datetime | None) -> str | None:
    return utc(at) if at else None
