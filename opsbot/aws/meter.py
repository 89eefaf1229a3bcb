"""What was asked of AWS so far, counted where the calls leave; safe to use from any thread."""

from __future__ import annotations

import threading
from collections import Counter

from opsbot.aws.price import usd
from opsbot.model.run import Usage


class Meter:
    """Counts every attempt, retries included: that is what AWS sees."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._metrics = self._datapoints = self._throttled = self._cost_requests = 0
        self._log_bytes = 0.0

    def call(self, name: str) -> None:
        """`name` such as `cloudwatch:GetMetricData`."""
        with self._lock:
            self._calls[name] += 1

    def throttle(self) -> None:
        with self._lock:
            self._throttled += 1

    def read(self, *, metrics: int = 0, datapoints: int = 0, cost_requests: int = 0) -> None:
        """Metrics that an answered call is billed as, points that came, pages of Cost Explorer: its errors are free."""
        with self._lock:
            self._metrics += metrics
            self._datapoints += datapoints
            self._cost_requests += cost_requests

    def scanned(self, bytes: float) -> None:
        """What a query of logs has read so far, since this was called last for it."""
        with self._lock:
            self._log_bytes += bytes

    def logs_usd(self) -> float:
        """What queries of logs have cost so far."""
        with self._lock:
            return usd(metrics=0, log_bytes=self._log_bytes)

    def usage(self) -> Usage:
        with self._lock:
            return Usage(
                calls=tuple(sorted(self._calls.items())),
                metrics=self._metrics,
                datapoints=self._datapoints,
                usd=usd(
                    metrics=self._metrics,
                    list_requests=self._calls["cloudwatch:ListMetrics"],
                    cost_requests=self._cost_requests,
                    log_bytes=self._log_bytes,
                ),
                throttled=self._throttled,
                log_bytes=self._log_bytes,
            )
