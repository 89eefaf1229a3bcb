"""Runs of one job that meet, and runs that did not end well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import Overlap
from opsbot.timetable import overlapping, retry_at, why_given_up
from tests.timetable.test_due import table

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(id: str, cause: Cause = Cause.SCHEDULE, attempt: int = 0, state: RunState = RunState.QUEUED) -> Run:
    return Run(id=id, job="j", queued_at=NOW, at=NOW, scheduled_for=NOW, state=state, cause=cause, attempt=attempt)


AT_WORK = run("at-work", attempt=1, state=RunState.RUNNING)


def names(pairs: tuple[tuple[Run, str], ...]) -> list[str]:
    return [run.id for run, _ in pairs]


@pytest.mark.parametrize(
    ("rule", "claim", "skip", "cancel"),
    [
        (Overlap.SKIP, None, ["a", "b"], []),
        (Overlap.QUEUE, None, ["a"], []),
        (Overlap.CANCEL, None, ["a"], ["at-work"]),
        (Overlap.ALLOW, "a", [], []),
    ],
)
def test_two_fires_meet_a_run_at_work(rule: Overlap, claim: str | None, skip: list[str], cancel: list[str]) -> None:
    found = overlapping(rule, (run("a"), run("b")), (AT_WORK,))
    assert (found.claim.id if found.claim else None, names(found.skip), names(found.cancel)) == (claim, skip, cancel)
    assert all(f"overlap = {rule}" in reason or rule is Overlap.CANCEL for _, reason in found.skip + found.cancel)


@pytest.mark.parametrize("rule", list(Overlap))
def test_the_oldest_starts_when_nothing_is_at_work(rule: Overlap) -> None:
    found = overlapping(rule, (run("a"), run("b")), ())
    assert (found.claim and found.claim.id, found.skip, found.cancel) == ("a", (), ())


@pytest.mark.parametrize("rule", [Overlap.SKIP, Overlap.QUEUE, Overlap.CANCEL])
@pytest.mark.parametrize("waits", [run("m", Cause.MANUAL), run("c", Cause.CATCH_UP), run("r", attempt=1)])
def test_by_hand_made_up_for_and_retried_wait_for_their_turn(rule: Overlap, waits: Run) -> None:
    found = overlapping(rule, (waits,), (AT_WORK,))
    assert (found.claim, found.skip, found.cancel) == (None, (), ())


def test_nobody_waits() -> None:
    assert overlapping(Overlap.CANCEL, (), (AT_WORK,)).cancel == ()


def failed(attempt: int, state: RunState = RunState.FAILED, **changes: object) -> Run:
    return replace(run("r", attempt=attempt, state=state), **changes)  # type: ignore[arg-type]


def test_each_retry_waits_twice_as_long_and_never_more_than_an_hour() -> None:
    rules = table(retries=10)
    waits = [retry_at(rules, failed(n), NOW) for n in range(1, 12)]
    assert [(at - NOW) // MINUTE for at in waits[:10] if at] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert waits[10] is None


@pytest.mark.parametrize(
    ("retries", "given_up", "why"),
    [
        (0, failed(1), "one attempt was made"),
        (0, failed(1, RunState.LOST), ""),
        (0, failed(2, RunState.LOST), "2 attempts were made"),
        (1, failed(1, RunState.TIMED_OUT), ""),
        (5, failed(1, cause=Cause.MANUAL), "runs by hand are not repeated"),
        (5, failed(1, RunState.CANCELLED), "it was cancelled"),
        (5, failed(1, scheduled_for=NOW - timedelta(days=8)), "it is older than catch_up_window (7d)"),
    ],
)
def test_giving_up_has_a_reason(retries: int, given_up: Run, why: str) -> None:
    assert why_given_up(table(retries=retries), given_up, NOW) == why
    assert (retry_at(table(retries=retries), given_up, NOW) is None) is bool(why)
