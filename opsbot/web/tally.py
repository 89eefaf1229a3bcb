"""Counters that only grow: the runs that ended since the daemon began, each counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from opsbot.store.overview import Ended

BUCKETS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
# A run's end is stamped before its commit, and by another machine's clock: so far back the ledger is read again.
_OVERLAP = timedelta(minutes=15)


class Tally:
    """Not safe for several threads at once: the metrics ask it one after the other."""

    def __init__(self, began: datetime) -> None:
        self._began = self._seen = began
        self._counted: dict[tuple[str, int, str], datetime] = {}
        self.runs: Counter[tuple[str, str]] = Counter()
        self.seconds: dict[str, list[int]] = {}
        self.seconds_sum: Counter[str] = Counter()
        self.cpu: Counter[str] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.usd: Counter[str] = Counter()
        self.metrics: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()

    def read(self, ended: Callable[[datetime], Sequence[Ended]], now: datetime) -> None:
        """Count what ended since the last look, and what that look came too early for."""
        since = max(self._began, self._seen - _OVERLAP)
        for run in ended(since):
            key = (run.id, run.attempt, run.state)
            if key not in self._counted:
                self._add(run)
            self._counted[key] = now
        self._counted = {key: at for key, at in self._counted.items() if at == now}
        self._seen = max(self._seen, now)

    def _add(self, run: Ended) -> None:
        self.runs[run.job, run.state] += 1
        self.cpu[run.job] += run.cpu_seconds  # type: ignore[assignment]
        self.usd[run.job] += run.usd  # type: ignore[assignment]
        self.metrics[run.job] += run.metrics
        self.throttled[run.job] += run.throttled
        for call, number in run.calls:
            self.calls[run.job, call] += number
        if run.seconds is not None:
            self._time(run.job, run.seconds)

    def _time(self, job: str, seconds: float) -> None:
        counts = self.seconds.setdefault(job, [0] * (len(BUCKETS) + 1))
        place = next((place for place, edge in enumerate(BUCKETS) if seconds <= edge), len(BUCKETS))
        counts[place] += 1
        self.seconds_sum[job] += seconds  # type: ignore[assignment]
