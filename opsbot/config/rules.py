"""What no single key can tell: secrets in clear, names used twice, keys that contradict each other.

Works on the tables as they stand, wrong types and all, so that these are told beside everything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from opsbot import schedule
from opsbot.config import regions
from opsbot.config.problems import nearest
from opsbot.config.types import ARN
from opsbot.model.period import parse_duration, show_duration
from opsbot.secrets import IN_CLEAR, NOT_SHOWN, is_reference, looks_like_secret

Path = tuple[str | int, ...]
Found = tuple[Path, str]
Table = Mapping[str, Any]

_NAMED_SECRET = re.compile(
    r"(?:.*[_-])?(?:password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key(?:_?id)?)", re.IGNORECASE
)
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def job_name(name: str) -> str:
    """A job's name is its file's; people write hyphens too."""
    return name.replace("-", "_")


def deeper_than(tables: Table, limit: int) -> bool:
    """Whether values nest deeper than `limit`; walks without recursion, because that is the point."""
    level: list[Any] = [tables]
    for _ in range(limit + 1):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return False
    return True


def holds_number_beyond(tables: Table, limit: int) -> bool:
    """Whether any integer is too large for the format; the tables are known not to nest too deep."""
    return any(isinstance(value, int) and not -limit <= value < limit for value in _values(tables))


def _values(value: object) -> Iterator[object]:
    yield value
    for inner in _inside(value):
        yield from _values(inner)


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def secrets_in_clear(tables: Table) -> Iterator[Found]:
    """Keys and values only secrets look like, and keys called `password` or `token` whose value is no reference."""
    for path, value in _strings(tables, ()):
        if looks_like_secret(value):
            yield path, IN_CLEAR
        elif isinstance(path[-1], str) and looks_like_secret(path[-1]):
            yield path, "the key " + IN_CLEAR
        elif path[0] in ("channels", "jobs") and _named_secret(path[-1]) and not is_reference(value):
            yield path, NOT_SHOWN


def _named_secret(key: str | int) -> bool:
    return isinstance(key, str) and _NAMED_SECRET.fullmatch(key[:100]) is not None


def _strings(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text with its path; other values count as empty text, so that their keys are looked at."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list) and looks_like_secret(key):
                yield (*path, key), ""
            yield from _strings(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _strings(inner, (*path, place))
    elif isinstance(value, str):
        yield path, value
    elif path and isinstance(path[-1], str) and looks_like_secret(path[-1]):
        yield path, ""


def between_keys(tables: Table) -> Iterator[Found]:
    """Every contradiction between keys, in no particular order."""
    for rule in _RULES:
        yield from rule(tables)


def rows(tables: Table, section: str) -> Iterator[tuple[int, Table]]:
    """The tables of `[[section]]` that are tables, with their places."""
    found = tables.get(section)
    if isinstance(found, list):
        yield from ((place, row) for place, row in enumerate(found) if isinstance(row, dict))


def named(tables: Table, section: str) -> Iterator[tuple[str, Table]]:
    """The tables of `[section.<name>]` that are tables, with their names."""
    found = tables.get(section)
    if isinstance(found, dict):
        yield from ((name, row) for name, row in found.items() if isinstance(row, dict))


def texts(value: object) -> Iterator[tuple[int, str]]:
    if isinstance(value, list):
        yield from ((place, text) for place, text in enumerate(value) if isinstance(text, str))


def _names_used_twice(tables: Table) -> Iterator[Found]:
    first: dict[str, int] = {}
    for place, row in rows(tables, "environments"):
        name = row.get("name")
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield ("environments", place, "name"), f'"{name}" is already the name of environments[{first[name]}]'


def _regions(tables: Table) -> Iterator[Found]:
    defaults = tables.get("defaults")
    newer = {text for _, text in texts(defaults.get("newer_regions"))} if isinstance(defaults, dict) else set()
    for place, row in rows(tables, "environments"):
        seen: set[str] = set()
        for index, region in texts(row.get("regions")):
            why = f'"{region}" stands here twice' if region in seen else regions.unknown(region, newer)
            if why:
                yield ("environments", place, "regions", index), why
            seen.add(region)


def _signing_in(tables: Table) -> Iterator[Found]:
    for place, row in rows(tables, "environments"):
        role, account = row.get("role_arn"), row.get("account_id")
        at: Path = ("environments", place)
        if "profile" in row and "role_arn" in row:
            yield (*at, "profile"), "expected either role_arn or profile, not both"
        if "external_id" in row and "role_arn" not in row:
            yield (*at, "external_id"), "is told when a role is assumed; set role_arn too, or take it out"
        arn = ARN.fullmatch(role) if isinstance(role, str) else None
        if arn and isinstance(account, str) and re.fullmatch(r"[0-9]{12}", account) and arn["account"] != account:
            yield (*at, "role_arn"), f"is of account {arn['account']}, but account_id says {account}"


def _channels_of_jobs(tables: Table) -> Iterator[Found]:
    channels = tables.get("channels", {})
    known = list(channels) if isinstance(channels, dict) else []
    for name, row in named(tables, "jobs"):
        for index, channel in texts(row.get("channels")):
            if channel not in known:
                offer = nearest(channel, known) or "; add a table [channels.NAME]"
                yield ("jobs", name, "channels", index), f'there is no channel "{channel}"{offer}'


def _channels_of_routes(tables: Table) -> Iterator[Found]:
    channels = tables.get("channels", {})
    known = list(channels) if isinstance(channels, dict) else []
    first: dict[str, int] = {}
    for place, row in rows(tables, "routes"):
        for index, channel in texts(row.get("channels")):
            if channel not in known:
                offer = nearest(channel, known) or "; add a table [channels.NAME]"
                yield ("routes", place, "channels", index), f'there is no channel "{channel}"{offer}'
        name = row.get("name")
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield ("routes", place, "name"), f'"{name}" is already the name of routes[{first[name]}]'


def _jobs_named_twice(tables: Table) -> Iterator[Found]:
    first: dict[str, str] = {}
    for name, _ in named(tables, "jobs"):
        if first.setdefault(job_name(name), name) != name:
            yield ("jobs", name), f"is the same job as jobs.{first[job_name(name)]}; keep one of the two tables"


def _blackouts(tables: Table) -> Iterator[Found]:
    for place, row in rows(tables, "blackouts"):
        start, end = _moment(row.get("start")), _moment(row.get("end"))
        if start and end and start >= end:
            yield (
                ("blackouts", place, "end"),
                f"expected a time after its start, {start.isoformat()}, got {end.isoformat()}",
            )


def _moment(value: object) -> datetime | None:
    """A time with its offset, in quotes or not; None for anything else."""
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return read if isinstance(read, datetime) and read.tzinfo else None


def _maintenance(tables: Table) -> Iterator[Found]:
    first: dict[str, int] = {}
    for place, row in rows(tables, "maintenance"):
        at: Path = ("maintenance", place)
        name = row.get("name")
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield (*at, "name"), f'"{name}" is already the name of maintenance[{first[name]}]'
        yield from _when(at, row)


def _when(at: Path, row: Table) -> Iterator[Found]:
    """Either `start` and `end`, or `schedule` and `length`."""
    once, again = row.keys() & {"start", "end"}, row.keys() & {"schedule", "length"}
    if once and again:
        yield (*at, min(again)), "expected either start and end, or schedule and length, not both"
    elif not once and not again:
        yield at, 'when is missing: start and end, or a schedule such as "0 2 * * SUN" and its length'
    elif len(once or again) == 1:
        told = once or again
        other = ({"start", "end"} if once else {"schedule", "length"}) - told
        yield (*at, min(other)), f"missing; it goes with {min(told)}"
    start, end = _moment(row.get("start")), _moment(row.get("end"))
    if start and end and start >= end:
        yield (*at, "end"), f"expected a time after its start, {start.isoformat()}, got {end.isoformat()}"
    if why := _never_over(row.get("schedule"), row.get("length")):
        yield (*at, "length"), why


def _never_over(cron: object, length: object) -> str:
    """Whether a window is begun again before it has ended; "" where one of the two cannot be read."""
    try:
        lasts = parse_duration(str(length)) if length else timedelta(0)
        fires = list(islice(schedule.fires(str(cron), _SOME_TIME, ZoneInfo("UTC")), 50)) if cron else []
    except (ValueError, OverflowError):
        return ""
    gap = min((after - before for before, after in pairwise(fires)), default=None)
    if gap is None or lasts < gap:
        return ""
    return f"it begins again after {show_duration(gap)}, before it has ended; expected less, got {show_duration(lasts)}"


def _budgets(tables: Table) -> Iterator[Found]:
    environments = [row for _, row in rows(tables, "environments") if isinstance(row.get("name"), str)]
    names = [str(row["name"]) for row in environments]
    payers = [str(row["name"]) for row in environments if row.get("payer") is True]
    first: dict[str, int] = {}
    for place, row in rows(tables, "budgets"):
        name = row.get("name")
        if isinstance(name, str) and first.setdefault(name, place) != place:
            yield ("budgets", place, "name"), f'"{name}" is already the name of budgets[{first[name]}]'
        for key, known in (("payer", payers), ("environment", names)):
            named = row.get(key)
            if isinstance(named, str) and named not in known:
                what = "an environment with payer = true" if key == "payer" else "the name of an environment"
                yield ("budgets", place, key), f'expected {what}, got "{named}"{nearest(named, known)}'


def _queue(tables: Table) -> Iterator[Found]:
    daemon = tables.get("daemon")
    if isinstance(daemon, dict):
        if daemon.get("executor") == "celery" and "broker" not in daemon:
            yield ("daemon", "executor"), 'celery needs a broker; for example broker = "env:OPSBOT_BROKER_URL"'
        if "broker" in daemon and daemon.get("executor", "local") == "local":
            yield ("daemon", "broker"), 'is used by executor = "celery" alone; set it, or take the broker out'


def _visitors(tables: Table) -> Iterator[Found]:
    web = tables.get("web")
    if not isinstance(web, dict):
        return
    if "proxy_header" in web and not web.get("trusted_proxies"):
        yield (
            ("web", "proxy_header"),
            'anybody could send it; set trusted_proxies = ["10.0.0.0/8"] to the proxy\'s network',
        )
    listen = web.get("listen", "")
    host = listen.rpartition(":")[0].strip("[]") if isinstance(listen, str) else ""
    if host and not _loopback(host) and "token" not in web and "proxy_header" not in web:
        yield (
            ("web", "listen"),
            (
                f'{host} can be reached by others: set token = "env:OPSBOT_WEB_TOKEN", or proxy_header, '
                'or listen = "127.0.0.1:8080"'
            ),
        )


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_RULES: tuple[Callable[[Table], Iterator[Found]], ...] = (
    _names_used_twice,
    _regions,
    _signing_in,
    _channels_of_jobs,
    _channels_of_routes,
    _jobs_named_twice,
    _blackouts,
    _maintenance,
    _budgets,
    _queue,
    _visitors,
)
