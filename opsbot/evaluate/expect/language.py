"""The expectation language: from a line as people write it to an Expectation, or an error that says where it went wrong.

    expectation = subject [operator value]
    subject     = status | header.NAME | body | size | json PATH | latency[.PHASE] | certificate | address | protocol
                | tls | records | rcode
    operator    = == != < <= > >= | [not] in | [not] contains | [not] matches | [not] exists

Regular expressions are RE2's: they take linear time, so an answer cannot stall the prober.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from opsbot.model.probe import Reason

Step = str | int
_PHASES = ("dns", "connect", "proxy", "tls", "first_byte", "transfer")
_SUBJECT = re.compile(r"[a-z_]+")
_OPERATOR = re.compile(r"\s*(?P<no>not\s+)?(?P<op>==|!=|<=|>=|<|>|in\b|contains\b|matches\b|exists\b)\s*")
_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_$][\w$-]*)|\[(?P<index>-?\d{1,9})\]|\["(?P<key>[^"]*)"\]|\['(?P<key1>[^']*)'\]"""
)
_NUMBER = re.compile(r"(?P<number>-?\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z%]*)")
CLASS = re.compile(r"([1-5])xx")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "kib": 1024.0, "mib": 1048576.0}


class _Subject(NamedTuple):
    """One thing an answer has: what its failure is called, which operators make sense, what values must be."""

    reason: Reason
    operators: str
    value: str


_ORDER, _TEXT = "== != < <= > >=", "== != in contains matches exists"
_SUBJECTS = {
    "status": _Subject(Reason.ASSERT_STATUS, f"{_ORDER} in", "a status such as 200 or 2xx"),
    "header": _Subject(Reason.ASSERT_HEADER, _TEXT, "text in quotes"),
    "body": _Subject(Reason.ASSERT_BODY, "== != contains matches", "text in quotes"),
    "size": _Subject(Reason.ASSERT_BODY, _ORDER, "a size such as 10KB"),
    "json": _Subject(Reason.ASSERT_JSON, f"{_ORDER} in contains matches exists", "a number, text in quotes, true, false or null"),
    "latency": _Subject(Reason.ASSERT_LATENCY, "< <= > >=", "a duration such as 500ms"),
    "certificate": _Subject(Reason.ASSERT_CERTIFICATE, "< <= > >=", "a duration such as 14d"),
    "address": _Subject(Reason.ASSERT_ADDRESS, "== != in", "an address or a network in quotes"),
    "protocol": _Subject(Reason.ASSERT_PROTOCOL, "== != in", 'text in quotes such as "http/1.1"'),
    "tls": _Subject(Reason.ASSERT_PROTOCOL, _ORDER, "a version such as 1.3"),
    "records": _Subject(Reason.ASSERT_DNS, "== != contains matches exists", "text in quotes, or a list of it"),
    "rcode": _Subject(Reason.ASSERT_DNS, "== != in", 'text in quotes such as "NXDOMAIN"'),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expectation:
    """One parsed line. `path` is a header's name, a phase, or the steps into a JSON document."""

    text: str
    subject: str
    path: tuple[Step, ...]
    operator: str
    negated: bool
    value: Any

    @property
    def reason(self) -> Reason:
        return _SUBJECTS[self.subject].reason


class Misread(ValueError):
    """An expectation that cannot be parsed; `column` is where reading stopped, 1 first."""

    def __init__(self, what: str, column: int) -> None:
        super().__init__(what)
        self.column = column


@lru_cache(maxsize=4096)
def parse(text: str) -> Expectation:
    """Raises Misread, a ValueError that says where, what was expected and what was found."""
    if len(text) > 500:
        raise Misread(f"expected at most 500 characters, got {len(text)}", 501)
    place = len(text) - len(text.lstrip())
    try:
        subject = _subject(text.strip())
        place += len(subject)
        path, rest = _path(subject, text[place:].rstrip())
        place = len(text.rstrip()) - len(rest)
        match = _OPERATOR.match(rest)
        if match is None:
            wanted = _SUBJECTS[subject].operators
            raise ValueError(f"expected one of {wanted} after {subject!r}, got {rest.strip()[:40]!r}")
        place += len(rest) - len(rest.lstrip())
        operator, negated = match["op"], bool(match["no"])
        _check_operator(subject, operator, negated)
        place = len(text.rstrip()) - len(rest) + match.end()
        value = _value(subject, operator, rest[match.end() :].strip())
    except ValueError as error:
        raise Misread(str(error), place + 1) from None
    return Expectation(text.strip(), subject, path, operator, negated, value)


def parse_path(text: str) -> tuple[Step, ...]:
    """`json.items[0].id` or `.items[0].id`. Raises ValueError."""
    steps, rest = _path("json", text.removeprefix("json"))
    if rest.strip() or not steps:
        raise ValueError(f"expected a path such as json.items[0].id, got {text!r}")
    return steps


def _subject(text: str) -> str:
    match = _SUBJECT.match(text)
    if match is None or match[0] not in _SUBJECTS:
        # A prober that lives for months needs it never, and people who mistype need it once.
        from difflib import get_close_matches

        near = get_close_matches(match[0], _SUBJECTS, n=1) if match else []
        offer = f'; did you mean "{near[0]}"?' if near else ""
        raise ValueError(f"expected one of {', '.join(_SUBJECTS)} first, got {text[:40]!r}{offer}")
    return match[0]


def _path(subject: str, rest: str) -> tuple[tuple[Step, ...], str]:
    if subject == "header":
        match = re.match(r"\.([!#$%&'*+.^_`|~0-9A-Za-z-]+)", rest)
        if match is None:
            raise ValueError(f"expected header.NAME such as header.content-type, got 'header{rest[:30]}'")
        return (match[1].lower(),), rest[match.end() :]
    steps: list[Step] = []
    while match := _STEP.match(rest):
        index = match["index"]
        steps.append(
            int(index) if index is not None else next(g for g in match.group("name", "key", "key1") if g is not None)
        )
        rest = rest[match.end() :]
    _check_path(subject, tuple(steps), rest)
    return tuple(steps), rest


def _check_path(subject: str, steps: tuple[Step, ...], rest: str) -> None:
    if subject == "json":
        if rest[:1] in (".", "["):
            raise ValueError(f"expected a path such as json.items[0].id, got 'json…{rest[:30]}'")
    elif subject == "latency":
        if len(steps) > 1 or (steps and steps[0] not in _PHASES):
            raise ValueError(f"latency: expected one of {', '.join(_PHASES)}, got {str(steps[0])!r}")
    elif steps:
        raise ValueError(f"{subject} has no parts, got {subject}.{steps[0]}")


def _check_operator(subject: str, operator: str, negated: bool) -> None:
    allowed = _SUBJECTS[subject].operators.split()
    if operator not in allowed:
        raise ValueError(f"{subject}: expected one of {', '.join(allowed)}, got {operator!r}")
    if negated and operator in ("==", "!=", "<", "<=", ">", ">="):
        raise ValueError(f'"not" stands before in, contains, matches or exists, not before {operator}')


def _value(subject: str, operator: str, text: str) -> Any:
    if operator == "exists":
        if text:
            raise ValueError(f"nothing stands after exists, got {text[:40]!r}")
        return None
    if operator == "matches":
        return _pattern(_literal(subject, text))
    if operator == "in" or (subject == "records" and text.startswith("[")):
        return tuple(_one(subject, part) for part in _parts(subject, text))
    return _one(subject, text)


def _parts(subject: str, text: str) -> list[str]:
    if not (text.startswith("[") and text.endswith("]")):
        if subject == "address":
            return [text]
        raise ValueError(f"{subject}: expected a list such as [200, 204], got {text[:40]!r}")
    parts = re.findall(r"""\s*("[^"]*"|'[^']*'|[^,'"]+)\s*(?:,|$)""", text[1:-1])
    if not parts:
        raise ValueError(f"{subject}: expected a list such as [200, 204], got {text[:40]!r}")
    return parts


def _one(subject: str, text: str) -> Any:
    text = text.strip()
    reader = _READERS.get(subject)
    try:
        return reader(text) if reader else _literal(subject, text)
    except (ValueError, KeyError):
        raise ValueError(f"{subject}: expected {_SUBJECTS[subject].value}, got {text[:40] or 'nothing'!r}") from None


def _literal(subject: str, text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    raise ValueError(f"{subject}: expected {_SUBJECTS[subject].value}, got {text[:40] or 'nothing'!r}")


def _scalar(text: str) -> Any:
    known = {"true": True, "false": False, "null": None}
    if text in known:
        return known[text]
    if text[:1] in ("'", '"'):
        return _literal("json", text)
    match = re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d{1,3})?", text)
    if match is None:
        raise ValueError(text)
    return float(text) if match[1] or match[2] else int(text)


def _measure(units: Mapping[str, float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise ValueError(text)
        return float(match["number"]) * units[match["unit"].lower()]

    return read


def _status(text: str) -> int | str:
    return text if CLASS.fullmatch(text) else int(text)


def _network(text: str) -> str:
    bare = text[1:-1] if text[:1] in ("'", '"') else text
    return str(ipaddress.ip_network(bare, strict=False)) if "/" in bare else str(ipaddress.ip_address(bare))


def version(text: str) -> tuple[int, ...]:
    """`1.3` or `TLSv1.3` as numbers that compare."""
    return tuple(int(part) for part in text.strip("'\"").removeprefix("TLSv").split("."))


_READERS: dict[str, Callable[[str], Any]] = {
    "status": _status,
    "size": _measure({"": 1.0} | _BYTES),
    "json": _scalar,
    "latency": _measure(_SECONDS),
    "certificate": _measure(_SECONDS),
    "address": _network,
    "tls": version,
}


def _pattern(text: str) -> Any:
    import re2

    quiet = re2.Options()
    quiet.log_errors = False
    try:
        return re2.compile(text, quiet)
    except re2.error as error:
        raise ValueError(f"expected a regular expression that RE2 takes, got {text[:40]!r}: {_words(error)}") from None


def _words(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
