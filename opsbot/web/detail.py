"""One run in full: its facts in words, its findings counted, its calls priced, the end of its log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from opsbot import timetable as rules
from opsbot.errors import OpsbotError
from opsbot.executors import runlog
from opsbot.model.run import Attempt, Cause, Run, RunState, Usage
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import clean, clip, count, money, plural, quantity, span
from opsbot.web import words
from opsbot.web.words import Word

LOG_LINES = 200
_LONGEST_LINE = 500
_LATE = timedelta(minutes=5)
_CAUSES = {Cause.SCHEDULE: "on its schedule", Cause.CATCH_UP: "made up for", Cause.MANUAL: "by hand"}


class Facts(NamedTuple):
    """What a line or a page says of a run beside its state; "" where there is nothing to say."""

    cause: str
    late: str
    took: str
    cpu: str
    memory: str
    ended: str


class Number(NamedTuple):
    """So many findings of one status."""

    word: Word
    number: str


def facts(run: Run) -> Facts:
    """All of it in words."""
    late = rules.late(run)
    return Facts(
        cause=_CAUSES[run.cause],
        late=f"{span(late)} late" if late > _LATE else "",
        took=_took(run),
        cpu=quantity(run.cpu_seconds, Unit.SECONDS) if run.cpu_seconds else "",
        memory=quantity(run.peak_rss, Unit.BYTES) if run.peak_rss else "",
        ended=_ended(run),
    )


def findings(statuses: Mapping[Status, int]) -> tuple[Number, ...]:
    """Worst first."""
    ordered = sorted(statuses, key=lambda status: -status.rank)
    return tuple(
        Number(Word(word.css, word.glyph, _STATUS_WORDS[status]), count(statuses[status]))
        for status in ordered
        if statuses[status]
        for word in [words.of_verdict(status.verdict)]
    )


_STATUS_WORDS = {
    Status.CRITICAL: "critical",
    Status.UNKNOWN: "without data",
    Status.WARNING: "warnings",
    Status.INFO: "worth knowing",
    Status.OK: "OK",
}


def asked(usage: Usage) -> tuple[tuple[str, str], ...]:
    """What was asked of AWS in all, and what it charges for that."""
    told = [("AWS calls", sum(number for _, number in usage.calls)), ("Metrics, as billed", usage.metrics)]
    told.append(("Slowed down by AWS", usage.throttled))
    charges = money(usage.usd) if usage.calls or usage.usd else "nothing"
    return (("AWS charges", charges), *((name, count(number)) for name, number in told if number))


def calls(usage: Usage) -> tuple[tuple[str, str], ...]:
    """Each operation and how often it was called, most often first."""
    ordered = sorted(usage.calls, key=lambda call: (-call[1], call[0]))
    return tuple((clean(name), count(number)) for name, number in ordered)


def tail(logs: Path | None, name: str) -> tuple[str, ...] | None:
    """The last lines of a run's log; None if it has none, () if it is gone. Never a file outside the folder of logs."""
    if logs is None or not name:
        return None
    path = (logs / name).resolve()
    if not path.is_relative_to(logs.resolve()):
        raise OpsbotError("its log is named outside the folder of logs")
    return tuple(clip(clean(line), _LONGEST_LINE) for line in runlog.lines(path, LOG_LINES))


def error(run: Run) -> tuple[str, ...]:
    """What went wrong, line by line."""
    return tuple(clip(line.rstrip(), _LONGEST_LINE) for line in run.error.splitlines()[-LOG_LINES:])


def outcome(attempt: Attempt) -> Word:
    """How one try ended."""
    if attempt.outcome == "retried":
        return Word("attention", "↻", "Tried again")
    known = attempt.outcome in RunState.__members__.values()
    return words.of_state(RunState(attempt.outcome)) if known else Word("quiet", "…", "Not over, or nobody said")


def lasted(attempt: Attempt) -> str:
    """How long one try took."""
    ended = attempt.ended_at or attempt.started_at
    return quantity(max(0.0, (ended - attempt.started_at).total_seconds()), Unit.SECONDS)


def _took(run: Run) -> str:
    if run.started_at is None or run.finished_at is None or run.state is RunState.SKIPPED:
        return ""
    return quantity(max(0.0, (run.finished_at - run.started_at).total_seconds()), Unit.SECONDS)


def _ended(run: Run) -> str:
    """How the last attempt ended, where that says more than the state."""
    told = [f"exit code {run.exit_code}"] if run.exit_code and run.exit_code > 0 else []
    if run.exit_code is not None and run.exit_code < 0:
        told.append(f"signal {-run.exit_code}")
    if run.attempt > 1:
        told.append(plural(run.attempt, "attempt"))
    return ", ".join(told)
