"""From findings to who is told what, and why: pure, so that a crash, a restart or a second look changes nothing.

`advance` moves one alert by one finding, `turn` all of them by a run; routes, groups, silences and storms are decided here.
"""

from __future__ import annotations

from opsbot.alerting.advance import Patience, advance
from opsbot.alerting.book import Book, Looked, Turned
from opsbot.alerting.calling import Call
from opsbot.alerting.muting import Dependency
from opsbot.alerting.policy import Policy, carried
from opsbot.alerting.routing import Route, Tried, dedup_key, group_of, routes_of, sample, tried
from opsbot.alerting.turn import turn

__all__ = [
    "Book",
    "Call",
    "Dependency",
    "Looked",
    "Patience",
    "Policy",
    "Route",
    "Tried",
    "Turned",
    "advance",
    "carried",
    "dedup_key",
    "group_of",
    "routes_of",
    "sample",
    "tried",
    "turn",
]
