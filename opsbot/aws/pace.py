"""Staying inside AWS's quotas by waiting before a call, which is cheaper than being throttled after it.

Quotas belong to an account and a region and are shared with dashboards and other tools, so opsbot starts below them,
climbs slowly while nothing is throttled and halves its share when something is. GetMetricData counts calls (50 a
second) and points (396,000 a second, 180,000 if the window begins within the last three hours).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

POINTS = 396_000.0
RECENT_POINTS = 180_000.0
RECENT_SECONDS = 3 * 3600
# LookupEvents is allowed twice a second and in bursts: it starts ten times faster and falls to that when throttled.
CALLS = {
    "GetMetricData": 45.0,
    "ListMetrics": 20.0,
    "DescribeAlarmHistory": 2.0,
    "DescribeAlarms": 8.0,
    "LookupEvents": 20.0,
}

FIRST_SHARE, LEAST_SHARE, MOST_SHARE = 0.75, 0.1, 0.95
CLIMB = 0.02
"""Share regained per second without throttling."""
SHORT_SECONDS = 4.0
"""A plan that fits in so many seconds of quota goes out at once: a throttled call or two costs less than waiting."""


@dataclass(slots=True)
class Lane:
    """A token bucket of one second that may go into debt by one call; who comes next waits until the debt is paid."""

    quota: float
    now: Callable[[], float]
    share: float = 1.0
    most: float = 1.0
    tokens: float = field(init=False)
    seen: float = field(init=False)
    slowed: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self.seen = self.now()
        self.tokens = self.rate

    @property
    def rate(self) -> float:
        return self.quota * self.share

    def take(self, amount: float) -> float:
        """Spend `amount`; the seconds to wait before using it."""
        self._refill()
        wait = max(0.0, -self.tokens / self.rate)
        self.tokens -= amount
        return wait

    def credit(self, amount: float) -> None:
        self._refill()
        self.tokens = max(self.tokens, amount)

    def slow(self) -> None:
        """Throttled. Calls that were under way together are one throttling, so the share halves once a second."""
        self._refill()
        self.tokens = min(self.tokens, 0.0)
        if self.seen - self.slowed >= 1.0:
            self.slowed = self.seen
            self.share = max(LEAST_SHARE, self.share / 2)

    def _refill(self) -> None:
        now = self.now()
        passed, self.seen = now - self.seen, now
        if self.tokens < self.rate:
            self.tokens = min(self.rate, self.tokens + passed * self.rate)
        self.share = min(self.most, self.share + CLIMB * passed)


class Pace:
    """The quotas of one account in one region. `now` and `wait` are given so that tests need no waiting."""

    def __init__(
        self, *, now: Callable[[], float] = time.monotonic, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._lock = threading.Lock()
        self._wait = wait
        self._calls = {operation: Lane(quota=quota, now=now) for operation, quota in CALLS.items()}
        self._points = {
            recent: Lane(quota=quota, now=now, share=FIRST_SHARE, most=MOST_SHARE)
            for recent, quota in ((False, POINTS), (True, RECENT_POINTS))
        }

    def expect(self, points: int, *, recent: bool) -> bool:
        """Announce a plan: whether it is so short that it is let through without pacing its points."""
        lane = self._points[recent]
        short = points <= SHORT_SECONDS * lane.quota
        if short:
            with self._lock:
                lane.credit(points)
        return short

    def before(self, operation: str, *, points: int = 0, recent: bool = False) -> None:
        """Wait until this call is within the quotas."""
        with self._lock:
            lane = self._calls.get(operation)
            seconds = lane.take(1) if lane else 0.0
            if points:
                seconds = max(seconds, self._points[recent].take(points))
        if seconds > 0:
            self._wait(seconds)

    def throttled(self, operation: str, *, recent: bool = False) -> None:
        """AWS refused a call for its rate."""
        with self._lock:
            if operation == "GetMetricData":
                self._points[recent].slow()
            elif operation in self._calls:
                self._calls[operation].slow()
