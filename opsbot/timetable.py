"""Pure decisions of the scheduler: which fires are due, what becomes of those that passed, who must wait for whom.

Nothing here reads a clock or a store. Fires come from cronsim (`opsbot.schedule`), so a clock change in a zone costs no
run and makes none twice; every fire that passed becomes a row, run or not, and the rows say why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import takewhile
from zoneinfo import ZoneInfo

from opsbot.model.period import show_duration
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import CatchUp, Clockwork, Overlap, Timetable
from opsbot.schedule import fires

# A fire this late is on time: the machine was busy, nobody slept.
ON_TIME = timedelta(seconds=60)
# A clock set back by less than this lets the fires it repeats pass; by more, it had been wrong before.
SET_BACK = timedelta(hours=2)
# Further back than this nobody asks which single fires were missed.
LOOK_BACK = timedelta(days=31)
KEPT_SKIPS = 100
QUARANTINE_AFTER, QUARANTINE_TRY = 3, timedelta(hours=20)
RETRY_CAP = timedelta(hours=1)
_FAILED = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What a look at the clock comes to: rows for the ledger, and where the cursor stands then."""

    runs: tuple[Run, ...]
    clockwork: Clockwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlapped:
    """What the runs of one job do to each other: who starts, who never will and why, who must end and why."""

    claim: Run | None = None
    skip: tuple[tuple[Run, str], ...] = ()
    cancel: tuple[tuple[Run, str], ...] = ()


def due(timetable: Timetable, clockwork: Clockwork, now: datetime, last: Sequence[Run] = ()) -> Due:
    """Every fire since the cursor as a row. `last` are the job's ended runs, newest first.

    A schedule that is new, changed, or was switched off begins now: what passed before is not made up for.
    """
    cursor = clockwork.cursor
    moved = replace(clockwork, cursor=now, cron=timetable.cron)
    if cursor is None or clockwork.cron != timetable.cron or not timetable.enabled or cursor - now > SET_BACK:
        return Due(runs=(), clockwork=moved)
    if now <= cursor:
        return Due(runs=(), clockwork=clockwork)
    passed, unseen = _passed(timetable, cursor, now)
    skipped, wanted = _sieve(timetable, clockwork, passed, last)
    late, wanted = _caught_up(timetable, wanted, now)
    skips = sorted((*skipped, *late))
    if skips and (unseen or len(skips) > KEPT_SKIPS):
        skips = _shortened(skips, unseen, cursor)
    rows = [_skipped(timetable, fire, reason, now) for fire, reason in skips]
    rows += [_queued(timetable, fire, now) for fire in wanted]
    return Due(runs=tuple(sorted(rows, key=lambda run: run.at)), clockwork=moved)


def overlapping(rule: Overlap, waiting: Sequence[Run], running: Sequence[Run]) -> Overlapped:
    """Of one job: `waiting` are due, oldest first. The rule is for fires; retries, runs made up for and runs by hand wait
    until their turn comes."""
    if not waiting:
        return Overlapped()
    if not running or rule is Overlap.ALLOW:
        return Overlapped(claim=waiting[0])
    at_work = running[0]
    fresh = [run for run in waiting if run.cause is Cause.SCHEDULE and not run.attempt]
    if rule is Overlap.SKIP:
        why = f"the run before it, {at_work.id}, was still at work (overlap = skip)"
        return Overlapped(skip=tuple((run, why) for run in fresh))
    older = tuple((run, f"a newer fire waits already (overlap = {rule})") for run in fresh[:-1])
    if rule is Overlap.CANCEL and fresh:
        why = f"the fire of {_shown(fresh[-1].at)} takes its place (overlap = cancel)"
        return Overlapped(skip=older, cancel=tuple((run, why) for run in running))
    return Overlapped(skip=older)


def retry_at(timetable: Timetable, run: Run, now: datetime) -> datetime | None:
    """When a run that did not end well is tried again; None if it is given up (`why_given_up` says why)."""
    if why_given_up(timetable, run, now):
        return None
    doublings = min(run.attempt - 1, 16)
    return now + min(timetable.retry_after * (1 << doublings), RETRY_CAP)


def why_given_up(timetable: Timetable, run: Run, now: datetime) -> str:
    """A sentence for people; "" as long as there is another try. A lost run is always tried once more: whatever ended
    its worker may have nothing to do with it."""
    if run.cause is Cause.MANUAL:
        return "runs by hand are not repeated"
    if run.state in (RunState.CANCELLED, RunState.SKIPPED, RunState.SUCCEEDED):
        return f"it was {run.state}"
    allowed = max(timetable.retries, 1) if run.state is RunState.LOST else timetable.retries
    if run.attempt > allowed:
        return "one attempt was made" if run.attempt == 1 else f"{run.attempt} attempts were made"
    if now - (run.scheduled_for or run.queued_at) > timetable.catch_up_window:
        return f"it is older than catch_up_window ({show_duration(timetable.catch_up_window)})"
    return ""


def next_fire(timetable: Timetable, after: datetime) -> datetime | None:
    """The next moment at which it will really run: no holiday, no black-out. None if that is years away."""
    if not timetable.enabled:
        return None
    horizon = after + timedelta(days=4 * 366)
    for fire in takewhile(lambda fire: fire < horizon, _fires(timetable, after)):
        if not _closed(timetable, fire):
            return fire
    return None


def late(run: Run) -> timedelta:
    """By how much a scheduled run began after its moment; zero for one by hand."""
    if run.scheduled_for is None or run.started_at is None:
        return timedelta(0)
    return max(run.started_at - run.scheduled_for, timedelta(0))


def run_id(job: str, fire: datetime) -> str:
    """The same on every replica, so that two of them insert one row; sorts by time as other run ids do."""
    chance = int.from_bytes(hashlib.sha256(f"{job}/{fire.timestamp():.0f}".encode()).digest()[:10])
    number = int(fire.timestamp() * 1000) << 80 | chance
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def public_holidays(region: str, years: range) -> tuple[date, ...]:
    """The public holidays of a country ("DE") or a part of it ("DE-BW"). Raises ValueError that says what is known."""
    import holidays

    country, _, part = region.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=part or None, years=years)
    except NotImplementedError:
        raise ValueError(_unknown(region, country, part)) from None
    return tuple(sorted(found))


def _unknown(region: str, country: str, part: str) -> str:
    import holidays

    known = holidays.list_supported_countries()
    if country in known:
        return f"expected a part of {country} ({', '.join(known[country]) or 'it has none'}), got {part!r}"
    return f'expected a country such as "DE" or a part of one such as "DE-BW", got {region!r}'


def _fires(timetable: Timetable, after: datetime) -> Iterator[datetime]:
    return fires(timetable.cron, after, ZoneInfo(timetable.zone))


def _passed(timetable: Timetable, cursor: datetime, now: datetime) -> tuple[list[datetime], bool]:
    """The fires in (cursor, now], oldest first, and whether there may be more of them than were looked at."""
    horizon = now - max(LOOK_BACK, timetable.catch_up_window)
    start = max(cursor, horizon)
    return list(takewhile(lambda fire: fire <= now, _fires(timetable, start))), start > cursor


Skip = tuple[datetime, str]


def _sieve(
    timetable: Timetable, clockwork: Clockwork, passed: list[datetime], last: Sequence[Run]
) -> tuple[list[Skip], list[datetime]]:
    """What no policy of catching up can bring back, and the rest."""
    skipped, wanted = [], []
    for fire in passed:
        why = _paused(clockwork, fire) or _closed(timetable, fire) or _quarantined(fire, last)
        if why:
            skipped.append((fire, why))
        else:
            wanted.append(fire)
    return skipped, wanted


def _paused(clockwork: Clockwork, fire: datetime) -> str:
    if clockwork.paused_until is None or fire >= clockwork.paused_until:
        return ""
    told = f": {clockwork.pause_reason}" if clockwork.pause_reason else ""
    return f"paused by {clockwork.paused_by or 'somebody'}{told}"


def _closed(timetable: Timetable, fire: datetime) -> str:
    day = fire.astimezone(ZoneInfo(timetable.zone)).date()
    if timetable.business_days and day.weekday() >= 5:
        return "no business day"
    if day in timetable.holidays:
        return "a public holiday"
    for blackout in timetable.blackouts:
        mine = not blackout.jobs or any(fnmatchcase(timetable.job, glob) for glob in blackout.jobs)
        if mine and blackout.start <= fire < blackout.end:
            return f"black-out: {blackout.reason}"
    return ""


def _quarantined(fire: datetime, last: Sequence[Run]) -> str:
    """A job that fails every time is tried once a day instead of being told of each time."""
    recent = [run for run in last if run.state not in (RunState.SKIPPED, RunState.CANCELLED)][:QUARANTINE_AFTER]
    if len(recent) < QUARANTINE_AFTER or any(run.state not in _FAILED for run in recent):
        return ""
    tried = recent[0].scheduled_for or recent[0].queued_at
    if fire - tried >= QUARANTINE_TRY:
        return ""
    return f"quarantined: {QUARANTINE_AFTER} runs in a row failed; it is tried once a day until one succeeds"


def _caught_up(timetable: Timetable, wanted: list[datetime], now: datetime) -> tuple[list[Skip], list[datetime]]:
    """Of several fires that passed, those that still run."""
    old = [fire for fire in wanted if now - fire > timetable.catch_up_window]
    young = wanted[len(old) :]
    missed = [fire for fire in young if now - fire > ON_TIME]
    kept = young[-_allowance(timetable, young, missed) :] if young else []
    if timetable.catch_up is CatchUp.SKIP:
        kept = young[len(missed) :]
    window = show_duration(timetable.catch_up_window)
    skips = [(fire, f"missed, and older than catch_up_window ({window})") for fire in old]
    given_up = young[: len(young) - len(kept)]
    return skips + [
        (fire, f"missed: nobody was there to run it (catch_up = {timetable.catch_up})") for fire in given_up
    ], kept


def _allowance(timetable: Timetable, young: list[datetime], missed: list[datetime]) -> int:
    """How many of the newest run: one, or with ALL those on time and `catch_up_max` of the missed."""
    on_time = len(young) - len(missed)
    return max(on_time + timetable.catch_up_max, 1) if timetable.catch_up is CatchUp.ALL else 1


def _shortened(skips: list[Skip], unseen: bool, cursor: datetime) -> list[Skip]:
    """A minutely job that slept for a month does not need 40,000 rows to say so."""
    kept = skips[-KEPT_SKIPS:]
    fire, reason = kept[0]
    if unseen:
        return [(fire, f"{reason}; as all before it since {_shown(cursor)}"), *kept[1:]]
    more = len(skips) - len(kept)
    return [(fire, f"{reason}; as {more:,} before it since {_shown(skips[0][0])}"), *kept[1:]]


def _skipped(timetable: Timetable, fire: datetime, reason: str, now: datetime) -> Run:
    row = _queued(timetable, fire, now)
    return replace(row, state=RunState.SKIPPED, reason=reason, finished_at=now, not_before=None)


def _queued(timetable: Timetable, fire: datetime, now: datetime) -> Run:
    late = now - fire > ON_TIME
    return Run(
        id=run_id(timetable.job, fire),
        job=timetable.job,
        queued_at=now,
        at=fire,
        scheduled_for=fire,
        state=RunState.QUEUED,
        cause=Cause.CATCH_UP if late else Cause.SCHEDULE,
        not_before=fire + _jitter(timetable, fire) if timetable.jitter and not late else None,
        attempt=0,
    )


def _jitter(timetable: Timetable, fire: datetime) -> timedelta:
    seed = hashlib.sha256(f"jitter/{timetable.job}/{fire.timestamp():.0f}".encode()).digest()
    return timetable.jitter * (int.from_bytes(seed[:4]) / 2**32)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
