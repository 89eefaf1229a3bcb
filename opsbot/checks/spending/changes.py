"""What changed in an account: the usual reason why a bill does, shown beside an anomaly where it is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

BEFORE, AFTER = timedelta(hours=30), timedelta(hours=24)
MOST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write event: `what` in words or as CloudTrail names it, `who` did it. `region` is "" where it has none."""

    at: datetime
    environment: str
    what: str
    who: str = ""
    region: str = ""


def just_before(changes: Iterable[Change], environment: str, start: date) -> tuple[Change, ...]:
    """Those of an environment from 30 hours before the first day of an anomaly to its end, oldest first, the last six:
    a day of the bill is a day in UTC, so nobody knows the hour."""
    midnight = datetime.combine(start, time(), UTC)
    near = (one for one in changes if one.environment == environment and midnight - BEFORE <= one.at < midnight + AFTER)
    return tuple(sorted(near, key=lambda one: one.at))[-MOST:]
