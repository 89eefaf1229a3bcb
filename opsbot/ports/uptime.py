"""What probes said over time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from opsbot.model.period import Period
from opsbot.model.uptime import Bucket, Certified, Flip, Sample, Standing


class Uptime(Protocol):
    """What probes said over time. Raises StoreError."""

    def record(self, samples: Sequence[Sample], standings: Sequence[Standing], flips: Sequence[Flip]) -> None:
        """A batch of samples with what they changed, in one transaction."""

    def account(self, buckets: Sequence[Bucket]) -> None:
        """Add what was asked and not sampled (`missing`, `excused`) to the finest buckets."""

    def roll_up(self, now: datetime) -> None:
        """Raw samples into 5-minute buckets, those into hours; and forget what is past its retention. Idempotent."""

    def samples(self, probe: str, period: Period) -> tuple[Sample, ...]: ...

    def buckets(
        self, period: Period, length: timedelta, probes: Collection[str] | None = None
    ) -> Mapping[str, tuple[Bucket, ...]]:
        """By probe, oldest first; `length` is 5 minutes, an hour or a day. Today's not yet rolled up are included."""

    def standings(self) -> Mapping[str, Standing]: ...

    def untold(self) -> tuple[Flip, ...]:
        """Flips that no run has taken up yet, oldest first."""

    def told(self, flips: Sequence[Flip]) -> None:
        """These were taken up."""

    def certify(self, shown: Sequence[Certified]) -> None:
        """Keep the certificate that each of these probes was shown last; the newest of a probe wins."""

    def certificates(self) -> Mapping[str, Certified]:
        """By probe; those that were never shown one are absent."""
