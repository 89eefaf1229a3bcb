"""What people said of a cost anomaly or of a recommendation: what is learnt from, and what is not told again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Meaning(StrEnum):
    """EXPECTED: it is as it should be. PLANNED: somebody does this on purpose, for now. REAL: it is trouble."""

    EXPECTED = "expected"
    PLANNED = "planned"
    REAL = "real"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One word of one person on one finding; `key` is the finding's. Later words on the same key replace earlier ones."""

    key: str
    meaning: Meaning
    who: str
    at: datetime
    reason: str = ""


def last_words(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """By key what was said last: that is what holds."""
    return {one.key: one for one in sorted(verdicts, key=lambda one: one.at)}
