"""The language of Logs Insights, as far as checks and runbooks speak it: words, and what reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from opsbot.replica.codec import Fault

Value = str | float | None
Row = dict[str, Value]
Term = Callable[[Row], Value]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<tick>`[^`]*`)|(?P<number>\d+(?:\.\d+)?(?:ms|s|m|h|d|w)?\b)
    |(?P<name>[@A-Za-z_][\w.@]*)|(?P<sign>=~|!=|<=|>=|[=<>+*/%^(),|\[\]-]))""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*/((?:\\.|[^/\\\n])*)/")
_BEFORE_REGEX = ("like", "=~", "parse")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is text, name, number, sign, regex or end."""

    kind: str
    text: str


END = Token("end", "")


def tokens(query: str) -> list[Token]:
    """The words of a query. Raises Fault MalformedQueryException."""
    found: list[Token] = []
    at = 0
    while query[at:].strip():
        regex = _REGEX.match(query, at) if _may_be_regex(found) else None
        match = regex or _TOKEN.match(query, at)
        if match is None:
            refuse(f"unexpected symbol found {query[at:].strip()[:10]} at line 1 and position {at}")
        found.append(Token("regex", match[1]) if regex else _token(match))
        at = match.end()
    return found


def _may_be_regex(found: list[Token]) -> bool:
    if not found:
        return False
    in_parse = len(found) > 1 and found[-2] == Token("name", "parse")
    return found[-1].text in _BEFORE_REGEX or in_parse


def _token(match: re.Match[str]) -> Token:
    kind = str(match.lastgroup)
    if kind == "text":
        return Token("text", re.sub(r"\\(.)", r"\1", match["text"][1:-1]))
    if kind == "tick":
        return Token("name", match["tick"][1:-1])
    return Token(kind, match[kind])


def refuse(why: str) -> NoReturn:
    raise Fault("MalformedQueryException", why)


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression as AWS writes it. Raises Fault."""
    try:
        return re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", text))
    except re.error as error:
        raise Fault("MalformedQueryException", f"the regular expression is not valid: {error}") from error


def number(value: Value) -> float | None:
    """A value as a number, where it is one."""
    if isinstance(value, float) or value is None:
        return value
    try:
        return float(value)
    except ValueError:
        return None


class Reader:
    """Reads tokens one by one."""

    def __init__(self, found: list[Token]) -> None:
        self._found = found
        self._at = 0
        self.aggregate: Callable[[str, Reader], Term | None] = lambda name, reader: None
        """What `stats` makes of count(*) and its like; elsewhere there are none."""

    def rest(self) -> str:
        """What the expression that begins here is written as, up to `as`, a comma or a bar: its column's name."""
        depth, written = 0, ""
        for token in self._found[self._at :]:
            depth += (token.text == "(") - (token.text == ")")
            if depth <= 0 and token.text.lower() in ("as", ",", "by", "|", "asc", "desc"):
                break
            written += f" {token.text} " if token.text in ("+", "*", "/", "-") and depth <= 0 else token.text
            written += " " if token.text == "," else ""
        return written.strip()

    @property
    def now(self) -> Token:
        return self._found[self._at] if self._at < len(self._found) else END

    def next(self) -> Token:
        token = self.now
        self._at += 1
        return token

    def takes(self, *texts: str) -> str:
        """The word if it is one of these, and "" else."""
        token = self.now
        if token.kind in ("name", "sign") and token.text.lower() in texts:
            self._at += 1
            return token.text.lower()
        return ""

    def needs(self, text: str) -> None:
        if not self.takes(text):
            refuse(f"expected {text}, found {self.now.text or 'end of input'}")

    def name(self) -> str:
        token = self.next()
        if token.kind != "name":
            refuse(f"expected a field, found {token.text or 'end of input'}")
        return token.text
