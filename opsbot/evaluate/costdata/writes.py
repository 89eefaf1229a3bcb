"""What was changed in an account, as CloudTrail tells it: the usual reason why its bill does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

PAGES = 3
"""Of 50 events, for one account and region: LookupEvents is free, and slow at two calls a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One change that AWS carried out. `source` is the service (`ec2`), `about` what it was done to, "" where unknown."""

    at: datetime
    name: str
    source: str
    who: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """Changes of one account and region, newest first. `cut`: there were more, and those before this moment were not read.
    `why` they could not be read, and the IAM `action` that would help."""

    writes: tuple[Write, ...] = ()
    cut: datetime | None = None
    why: str = ""
    action: str = ""
