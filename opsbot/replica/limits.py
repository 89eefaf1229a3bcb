"""AWS's request quotas as token buckets, by account and region; switched off through the control endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from opsbot.errors import ConfigError, Problem
from opsbot.replica.codec import Fault

# Calls a second (CloudWatch service quotas).
CALLS = {
    "cloudwatch:GetMetricData": 50.0,
    "cloudwatch:GetMetricStatistics": 400.0,
    "cloudwatch:ListMetrics": 25.0,
    "cloudwatch:PutMetricData": 500.0,
    "cloudwatch:DescribeAlarms": 9.0,
    "cloudwatch:DescribeAlarmHistory": 3.0,
}
# GetMetricData's datapoints a second: windows that begin more than three hours ago, and younger ones.
POINTS_OLD, POINTS_RECENT = 396_000.0, 180_000.0
RECENT = 3 * 3600


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


@dataclass(slots=True)
class Limits:
    """Spends tokens; refills by the machine's own clock, because a quota is about real seconds."""

    enabled: bool = True
    calls: dict[str, float] = field(default_factory=lambda: dict(CALLS))
    points: tuple[float, float] = (POINTS_OLD, POINTS_RECENT)
    _buckets: dict[tuple[str, str, str], _Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, document: object) -> None:
        """What the control endpoint asks: `enabled`, `calls` (operation -> a second), `points` ([old, recent]).

        Raises ConfigError with every problem.
        """
        problems = list(_problems(document))
        if problems or not isinstance(document, dict):
            raise ConfigError(problems)
        with self._lock:
            self.enabled = document.get("enabled", self.enabled)
            self.calls |= document.get("calls", {})
            old, recent = document.get("points", self.points)
            self.points = (old, recent)
            self._buckets.clear()

    def spend_call(self, account: str, region: str, operation: str) -> None:
        """One call. Raises Fault ThrottlingException when the second is used up."""
        rate = self.calls.get(operation)
        if rate is not None:
            self._spend((account, region, operation), 1.0, rate)

    def spend_points(self, account: str, region: str, points: int, *, recent: bool) -> None:
        """Datapoints of one GetMetricData answer. Raises Fault ThrottlingException when the second is used up."""
        rate = self.points[1] if recent else self.points[0]
        self._spend((account, region, "points-recent" if recent else "points"), float(points), rate)

    def _spend(self, key: tuple[str, str, str], cost: float, rate: float) -> None:
        if not self.enabled:
            return
        with self._lock:
            now = time.monotonic()
            bucket = self._buckets.setdefault(key, _Bucket(rate, now))
            bucket.left = min(rate, bucket.left + (now - bucket.at) * rate)
            bucket.at = now
            # An answer larger than a whole second's quota passes when the bucket is full, or it never would.
            if bucket.left < min(cost, rate):
                raise Fault("ThrottlingException", "Rate exceeded")
            bucket.left -= min(cost, rate)


def _problems(document: object) -> Iterable[Problem]:
    if not isinstance(document, dict):
        yield Problem("limits", f"expected an object, got {type(document).__name__}")
        return
    for key, value in document.items():
        if key == "enabled" and not isinstance(value, bool):
            yield Problem("limits.enabled", f"expected true or false, got {value!r}")
        elif key == "calls" and not (isinstance(value, dict) and all(map(_rate, value.values()))):
            yield Problem("limits.calls", f"expected operation -> calls a second, got {value!r}")
        elif key == "points" and not (isinstance(value, list) and len(value) == 2 and all(map(_rate, value))):
            yield Problem("limits.points", f"expected two numbers of datapoints a second, got {value!r}")
        elif key not in ("enabled", "calls", "points"):
            yield Problem(f"limits.{key}", "unknown key; known are enabled, calls, points")


def _rate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
