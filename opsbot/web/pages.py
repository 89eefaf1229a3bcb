"""What each page says: questions to the store turned into lines for a template, which only places them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from opsbot.model.message import Delivery
from opsbot.model.run import Run, RunState
from opsbot.store.overview import Letter, Overview
from opsbot.web import detail, words
from opsbot.web import jobs as job_lines
from opsbot.web import status as whole_status
from opsbot.web.inside import Inside
from opsbot.web.parts import part, whole
from opsbot.web.uptime import Boards
from opsbot.web.words import Word

LINES = 50
_LAST_PAGE = 10_000
# At most so many jobs are offered to choose from.
_CHOICES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A template with its values. `here` is its place in the navigation; `refresh`: it may reload itself if asked to."""

    template: str
    title: str
    here: str = ""
    icon: str = "ok"
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    refresh: bool = False


class Turn(NamedTuple):
    """Links to the lines before and after these, "" where there are none."""

    newer: str
    older: str
    number: int


class LetterLine(NamedTuple):
    """A message and how it stands."""

    letter: Letter
    word: Word


_DELIVERIES = {
    Delivery.QUEUED: Word("quiet", "…", "Waiting"),
    Delivery.SENDING: Word("series", "▸", "On its way"),
    Delivery.HELD: Word("attention", "◆", "Held back"),
    Delivery.SENT: Word("ok", "✓", "Sent"),
    Delivery.UNKNOWN: Word("attention", "?", "Uncertain"),
    Delivery.DEAD: Word("action", "✕", "Given up"),
    Delivery.SUPERSEDED: Word("quiet", "–", "Replaced"),
    Delivery.DROPPED: Word("quiet", "–", "Dropped"),
}


def status(inside: Inside, estates: whole_status.Estates, query: Mapping[str, str]) -> Page:
    """Does anybody have to act? And what that rests on."""
    found = whole_status.look(inside, estates)
    icon = found.word.css
    values = {
        "s": found,
        "following": job_lines.upcoming(whole(found.jobs, ()), 5),
        "reloads": query.get("refresh") == "30",
    }
    return Page(template="status.html.j2", title=f"{found.word.word}: {found.headline}", here="/", icon=icon,
                values=values, refresh=True)  # fmt: skip


def runs(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """Every run there is a row of, the newest first."""
    overview, page = Overview(inside.store), _page(query)
    job, state = query.get("job", "")[:200], _state(query)
    states = (state,) if state else ()
    found = part("runs", lambda: overview.runs(job=job, states=states, limit=LINES + 1, offset=page * LINES))
    known = whole(found, ())
    values = {
        "runs": found if known == () else tuple(map(_line, known[:LINES])),
        "turn": _turn("/runs", page, len(known) > LINES, job=job, state=state.value if state else ""),
        "jobs": _job_names(inside, job),
        "job": job,
        "state": state,
        "states": [(each, words.of_state(each)) for each in RunState],
    }
    return Page(template="runs.html.j2", title="Runs", here="/runs", values=values)


def run(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """One run: how it went, what it cost, whom it told, what it printed."""
    overview = Overview(inside.store)
    found = overview.those([path["id"]]).get(path["id"])
    if found is None:
        return apology("There is no run by that name", 404)
    values = {
        "run": found,
        "word": words.of_run(found),
        "facts": detail.facts(found),
        "error": detail.error(found),
        "attempts": part("attempts", lambda: inside.store.ledger().attempts(found.id)),
        "statuses": part("findings", lambda: detail.findings(overview.statuses(found.id))),
        "formats": part("reports", lambda: overview.formats(found.id)),
        "letters": part("deliveries", lambda: tuple(map(_letter, overview.letters(run_id=found.id)))),
        "asked": detail.asked(found.usage),
        "calls": detail.calls(found.usage),
        "log": part("log", lambda: detail.tail(inside.logs, found.log)),
    }
    word = words.of_run(found)
    return Page(template="run.html.j2", title=f"{word.word}: {found.job}", here="/runs", values=values)


def reports(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """The archive."""
    overview, page, job = Overview(inside.store), _page(query), query.get("job", "")[:200]
    found = part("reports", lambda: overview.reported(job=job, limit=LINES + 1, offset=page * LINES))
    known = whole(found, ())
    values = {
        "runs": found if known == () else tuple(map(_line, known[:LINES])),
        "turn": _turn("/reports", page, len(known) > LINES, job=job),
        "jobs": _job_names(inside, job),
        "job": job,
    }
    return Page(template="reports.html.j2", title="Reports", here="/reports", values=values)


def report(inside: Inside, id: str, format: str) -> bytes | None:
    """A stored report as it was made; None if there is none."""
    found = Overview(inside.store).report(id, format) if format else None
    return found.body if found else None


def outbox(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """What has not reached people yet, and why; with `all=1` what has, too."""
    overview, page, everything = Overview(inside.store), _page(query), query.get("all") == "1"
    states = tuple(Delivery) if everything else (Delivery.QUEUED, Delivery.SENDING, Delivery.UNKNOWN, Delivery.DEAD)
    found = part("outbox", lambda: overview.letters(states=states, limit=LINES + 1, offset=page * LINES))
    known = whole(found, ())
    values = {
        "letters": found if known == () else tuple(map(_letter, known[:LINES])),
        "turn": _turn("/outbox", page, len(known) > LINES, all="1" if everything else ""),
        "everything": everything,
    }
    return Page(template="outbox.html.j2", title="Outbox", here="/outbox", values=values)


def jobs(inside: Inside, path: Mapping[str, str], query: Mapping[str, str]) -> Page:
    """Every job's schedule in words, its rules, and when it runs next."""
    now = inside.now()
    clockworks = whole(part("clockworks", inside.store.ledger().clockworks), {})
    found = part("jobs", inside.timetables)
    lines = [
        {
            "timetable": timetable,
            "schedule": job_lines.in_words(timetable),
            "zone": job_lines.zone_of(timetable, inside.zone),
            "paused": job_lines.pause(clockworks.get(timetable.job), inside.zone, now),
            "next": job_lines.next_fires(timetable, job_lines.begins(clockworks.get(timetable.job), now), 3),
            "rules": job_lines.details(timetable),
        }
        for timetable in whole(found, ())
    ]
    return Page(template="jobs.html.j2", title="Jobs", here="/jobs", values={"jobs": lines, "found": found})


def uptime(boards: Boards) -> Page:
    """Every probe with its 90 days, worst first."""
    found = part("probes", boards.board)
    board = whole(found, None)
    title = f"{board.word.word}: {board.headline}" if board else "Uptime"
    # While planned work goes on nothing is wrong, and there is no mark for it.
    icon = ("ok" if board.word.css == "quiet" else board.word.css) if board else "unknown"
    return Page(
        template="uptime.html.j2", title=title, here="/uptime", icon=icon, values={"board": found}, refresh=True
    )


def sign_in(back: str, wait: float | None = None) -> Page:
    """The form; `wait` is None at first, 0 after a wrong token, else seconds until the next try."""
    code = {None: 200, 0.0: 403}.get(wait, 429)
    told = "" if wait is None else "That is not the token." if not wait else _later(wait)
    return Page(template="sign_in.html.j2", title="Sign in", values={"back": back, "told": told}, status=code)


def apology(told: str, code: int) -> Page:
    """A page that is none."""
    return Page(
        template="apology.html.j2", title=told, icon="unknown", values={"told": told, "code": code}, status=code
    )


def _later(wait: float) -> str:
    return f"Too many wrong tokens came from your address. Try again in {int(wait) + 1} s."


def _line(found: Run) -> dict[str, Any]:
    return {"run": found, "word": words.of_run(found), "facts": detail.facts(found)}


def _letter(found: Letter) -> LetterLine:
    return LetterLine(found, _DELIVERIES[found.state])


def _job_names(inside: Inside, chosen: str) -> list[str]:
    names = {timetable.job for timetable in whole(part("timetables", inside.timetables), ())}
    names |= set(whole(part("clockworks", inside.store.ledger().clockworks), {}))
    return sorted(names | ({chosen} if chosen else set()))[:_CHOICES]


def _state(query: Mapping[str, str]) -> RunState | None:
    asked = query.get("state", "")
    return RunState(asked) if asked in RunState.__members__.values() else None


def _page(query: Mapping[str, str]) -> int:
    """Counted from 0; what is no number is the first page."""
    asked = query.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1
    return max(1, min(number, _LAST_PAGE)) - 1


def _turn(path: str, page: int, more: bool, **kept: str) -> Turn:
    def to(number: int) -> str:
        return f"{path}?{urlencode({name: value for name, value in kept.items() if value} | {'page': number})}"

    return Turn(to(page) if page else "", to(page + 2) if more else "", page + 1)
