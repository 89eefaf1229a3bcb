"""Whether something comes and goes so often that telling each time would be noise.

The weighted share of changes among the last 21 states, with hysteresis, as Nagios reckons it (Nagios Core,
base/flapping.c): each change weighs from 0.75, the oldest, to 1.25, the newest. States older than six hours are left
out, so that a check of one look a day never flaps, and one that is only looked at when it changes calms down by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from opsbot.model.alert import Alert

Recent = tuple[tuple[datetime, bool], ...]

STATES = 21
SPAN = timedelta(hours=6)
HIGH, LOW = 30.0, 20.0


def remember(recent: Recent, at: datetime, breach: bool) -> Recent:
    """The states with one more; those that do not count any more go."""
    return (*within(recent, at), (at, breach))[-STATES:]


def within(recent: Recent, now: datetime) -> Recent:
    return tuple(state for state in recent if state[0] > now - SPAN)


def churn(recent: Recent, now: datetime) -> float:
    """Percent of change: 0 where nothing changed, 100 where everything did; newer changes weigh more."""
    states = [breach for _, breach in within(recent, now)]
    newest = STATES - 1
    total = 0.0
    for back, (after, before) in enumerate(zip(reversed(states), reversed(states[:-1]), strict=False)):
        if after != before:
            total += 1.25 - 0.5 * back / (newest - 1)
    return total * 100 / newest


def flaps(alert: Alert, now: datetime) -> bool:
    """Whether it is to be called flapping from now on: what flaps has to calm down further than it took to begin."""
    share = churn(alert.recent, now)
    return share > LOW if alert.flapping else share >= HIGH


def changes(recent: Recent) -> int:
    """How often it came or went in the states that are known."""
    return sum(before[1] != after[1] for before, after in pairwise(recent))
