"""What an answer had, held against what was expected; each line comes back with what was found: `status == 200 (503)`."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opsbot.evaluate.expect.language import CLASS, Expectation, Step, version
from opsbot.model.period import show_duration
from opsbot.model.probe import Answer, ProbeResult

_LONGEST_SHOWN = 60


class Absent:
    """What was asked for is not there; the text says what stands in its place."""

    def __init__(self, why: str = "absent") -> None:
        self.why = why


@dataclass(frozen=True, slots=True)
class Met:
    """Whether it was met, and the line with what was found. `shown` holds text of the answer: redact it before it is kept."""

    expectation: Expectation
    met: bool
    shown: str


def check(expectation: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Met:
    """Whether a probe's answer is as expected. `now` is for the days a certificate has left. Never raises."""
    found = _FOUND[expectation.subject](expectation, result, answer, now)
    shown = found.why if isinstance(found, Absent) else _shown(expectation, found)
    return Met(expectation, _met(expectation, found), f"{expectation.text} ({shown})")


def _met(expectation: Expectation, found: Any) -> bool:
    if isinstance(found, Absent):
        # What is not there equals nothing and holds nothing.
        return expectation.negated or expectation.operator == "!="
    return (expectation.operator == "exists" or _compare(expectation, found)) is not expectation.negated


def check_all(
    expectations: tuple[Expectation, ...], result: ProbeResult, answer: Answer, now: datetime
) -> tuple[Met, ...]:
    """All of them: somebody who is woken wants to know everything that is wrong, not the first of it."""
    return tuple(check(one, result, answer, now) for one in expectations)


def unmet(expectations: tuple[Expectation, ...], result: ProbeResult, answer: Answer, now: datetime) -> tuple[Met, ...]:
    """Those that were not met: words are made for them alone, because nearly always there are none."""
    missed = []
    for one in expectations:
        if not _met(one, _FOUND[one.subject](one, result, answer, now)):
            missed.append(check(one, result, answer, now))
    return tuple(missed)


def extract(path: tuple[Step, ...], answer: Answer) -> str | Absent:
    """The text at a place of a JSON answer, for the next step of a flow."""
    found = _at(path, answer)
    return found if isinstance(found, Absent | str) else json.dumps(found)


def _body(_: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    return answer.body.decode("utf-8", "replace")


def _header(expectation: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    values = [value for name, value in answer.headers if name == expectation.path[0]]
    return ", ".join(values) if values else Absent()


def _latency(expectation: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    if not expectation.path:
        return result.seconds
    found = getattr(result.phases, str(expectation.path[0]))
    return Absent("this phase was not reached") if found is None else found


def _certificate(_: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    ends = result.secured.not_after if result.secured else None
    return Absent("no certificate was shown") if ends is None else (ends - now).total_seconds()


def _json(expectation: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    return _at(expectation.path, answer)


def _at(path: tuple[Step, ...], answer: Answer) -> Any:
    try:
        place = json.loads(answer.body)
    except (ValueError, RecursionError):
        return Absent("the body is no JSON")
    for step in path:
        if isinstance(place, list) and isinstance(step, int) and -len(place) <= step < len(place):
            place = place[step]
        elif isinstance(place, dict) and str(step) in place:
            place = place[str(step)]
        elif step == "length" and isinstance(place, list | str | dict):
            place = len(place)
        else:
            return Absent()
    return place


def _tls(_: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    told = result.secured.version if result.secured else None
    return Absent("no TLS") if told is None else version(told)


def _records(_: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
    values = tuple(sorted(record.value for record in result.records))
    return values or Absent("no records")


def _plain(name: str) -> Callable[[Expectation, ProbeResult, Answer, datetime], Any]:
    def find(_: Expectation, result: ProbeResult, answer: Answer, now: datetime) -> Any:
        found = getattr(result, name)
        return Absent() if found is None else found

    return find


_FOUND: dict[str, Callable[[Expectation, ProbeResult, Answer, datetime], Any]] = {
    "status": _plain("status"),
    "header": _header,
    "body": _body,
    "size": _plain("body_size"),
    "json": _json,
    "latency": _latency,
    "certificate": _certificate,
    "address": _plain("address"),
    "protocol": _plain("protocol"),
    "tls": _tls,
    "records": _records,
    "rcode": _plain("rcode"),
}


def _compare(expectation: Expectation, found: Any) -> bool:
    wanted, operator = expectation.value, expectation.operator
    match operator:
        case "==" | "!=":
            same = _same(expectation.subject, found, wanted)
            return same is (operator == "==")
        case "in":
            return any(_same(expectation.subject, found, one) for one in wanted)
        case "contains":
            return _contains(found, wanted)
        case "matches":
            texts = found if isinstance(found, tuple) else (found,)
            return any(wanted.search(text) is not None for text in texts if isinstance(text, str))
        case _:
            return _ordered(found, wanted, operator)


def _same(subject: str, found: Any, wanted: Any) -> bool:
    if subject == "status" and isinstance(wanted, str):
        return bool(found // 100 == int(wanted[0]))
    if subject == "address":
        return _in_network(found, wanted)
    if subject == "records":
        return bool(tuple(sorted(wanted if isinstance(wanted, tuple) else (wanted,))) == found)
    if subject in ("protocol", "rcode"):
        return str(found).lower() == str(wanted).lower()
    # JSON's true is not its 1, though Python's is.
    return isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)


def _in_network(found: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(found.partition("%")[0]) in ipaddress.ip_network(wanted)
    except ValueError:
        return False


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, tuple) and isinstance(wanted, tuple):
        return set(wanted) <= set(found)
    try:
        return bool(wanted in found)
    except TypeError:
        return False


def _ordered(found: Any, wanted: Any, operator: str) -> bool:
    if isinstance(wanted, str) and CLASS.fullmatch(wanted):
        found, wanted = found // 100, int(wanted[0])
    numbers = not isinstance(found, bool) and isinstance(found, int | float) and isinstance(wanted, int | float)
    if not numbers and type(found) is not type(wanted):
        return False
    try:
        return bool({"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted}[operator])
    except TypeError:
        return False


def _shown(expectation: Expectation, found: Any) -> str:
    match expectation.subject:
        case "latency":
            return f"{found * 1000:.0f} ms"
        case "certificate":
            return _left(found)
        case "body":
            return f"{len(found):,} characters"
        case "size":
            return f"{found:,} bytes"
        case "tls":
            return ".".join(map(str, found))
        case "status" | "address" | "protocol" | "rcode":
            return str(found)
        case _:
            return _cut(json.dumps(found, ensure_ascii=False) if not isinstance(found, str) else repr(found))


def _left(seconds: float) -> str:
    if seconds <= 0:
        return f"expired {show_duration(timedelta(seconds=-seconds // 1))} ago"
    return f"{seconds / 86400:.0f} days left" if seconds >= 172800 else f"{seconds / 3600:.0f} h left"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
