"""Composite alarm rules: `ALARM("a") AND NOT (OK(b) OR INSUFFICIENT_DATA(c))`."""

from __future__ import annotations

import re
from collections.abc import Callable

from opsbot.replica.codec import Fault

StateOf = Callable[[str], str]
Rule = Callable[[StateOf], bool]
_TOKEN = re.compile(
    r'\s*(?:(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"([^"]+)"|([^\s"()]+))\s*\)|(AND|OR|NOT|TRUE|FALSE|[()]))'
)


def read_rule(text: str) -> Rule:
    """The rule as a function of the named alarms' states. Raises Fault ValidationError where it cannot be read."""
    reader = _Reader(text)
    rule = reader.either()
    if reader.tokens:
        raise reader.fault()
    return rule


class _Reader:
    """Reads one rule, loosest first: OR, AND, NOT."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise self.fault()
            self.tokens.append((found[1] or found[4], (found[2] or found[3] or "").rsplit(":alarm:", 1)[-1]))
            at = found.end()

    def fault(self) -> Fault:
        return Fault("ValidationError", f"AlarmRule cannot be read: {self.text}")

    def _next_is(self, word: str) -> bool:
        if self.tokens and self.tokens[0][0] == word:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Rule:
        rules = [self.both()]
        while self._next_is("OR"):
            rules.append(self.both())
        return lambda state_of: any(rule(state_of) for rule in rules)

    def both(self) -> Rule:
        rules = [self.one()]
        while self._next_is("AND"):
            rules.append(self.one())
        return lambda state_of: all(rule(state_of) for rule in rules)

    def one(self) -> Rule:
        if not self.tokens:
            raise self.fault()
        word, name = self.tokens.pop(0)
        if word == "NOT":
            unwanted = self.one()
            return lambda state_of: not unwanted(state_of)
        if word == "(":
            rule = self.either()
            if not self._next_is(")"):
                raise self.fault()
            return rule
        if word in ("TRUE", "FALSE"):
            return lambda _: word == "TRUE"
        if not name:
            raise self.fault()
        return lambda state_of: state_of(name) == word
