"""Log lines to CloudWatch Logs: batched, in order, never in anybody's way, and honest about what was lost."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from opsbot.aws.errors import CALL_ERRORS, translate
from opsbot.errors import CloudError

# AWS's limits of one PutLogEvents call; each event is charged 26 bytes beside its text.
BATCH_BYTES, BATCH_EVENTS, OVERHEAD = 1_048_576, 10_000, 26
LONGEST = 200_000
# What is kept while AWS does not answer: at a line a second, most of a day.
KEPT_LINES = 50_000
# Events older than this are refused; the whole batch with them would be a batch lost.
OLDEST = timedelta(days=13)


class Shipper:
    """One stream of one group. `add` never blocks and never raises; `flush` makes at most one call a batch.

    `trouble` says why the last flush failed, "" if it did not. `lost` counts lines that were never shipped.
    """

    def __init__(self, client: Any, group: str, stream: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._names = {"logGroupName": group, "logStreamName": stream}
        self._now = now
        self._waiting: deque[tuple[int, str]] = deque()
        self._lock = threading.Lock()
        self._made = False
        self.lost = 0
        self.trouble = ""

    def add(self, line: str) -> None:
        text = line.rstrip("\n")
        if not text.strip():
            return
        event = self._moment(text), text[:LONGEST]
        with self._lock:
            self._waiting.append(event)
            self._forget()

    def flush(self) -> bool:
        """Ship what waits; False if some of it still waits because AWS did not take it."""
        while batch := self._take():
            try:
                self._put(batch)
            except CALL_ERRORS as error:
                self._give_back(batch)
                self.trouble = translate(error, call="logs:PutLogEvents").message
                return False
            self._confess()
        self.trouble = ""
        return True

    def _take(self) -> list[tuple[int, str]]:
        """The oldest lines that fit one call."""
        batch: list[tuple[int, str]] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < BATCH_EVENTS:
                size += len(self._waiting[0][1].encode("utf-8", "replace")) + OVERHEAD
                if batch and size > BATCH_BYTES:
                    break
                batch.append(self._waiting.popleft())
        return batch

    def _give_back(self, batch: list[tuple[int, str]]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(batch))
            self._forget()

    def _forget(self) -> None:
        while len(self._waiting) > KEPT_LINES:
            self._waiting.popleft()
            self.lost += 1

    def _put(self, batch: list[tuple[int, str]]) -> None:
        if not self._made:
            self._make()
        too_old = self._millis(self._now() - OLDEST)
        events = [{"timestamp": max(at, too_old), "message": text} for at, text in sorted(batch, key=itemgetter(0))]
        self._client.put_log_events(**self._names, logEvents=events)

    def _make(self) -> None:
        """The stream, and the group too if there is none yet; both may be there already."""
        known = self._client.exceptions
        try:
            self._client.create_log_stream(**self._names)
        except known.ResourceNotFoundException:
            self._client.create_log_group(logGroupName=self._names["logGroupName"])
            self._client.create_log_stream(**self._names)
        except known.ResourceAlreadyExistsException:
            pass
        self._made = True

    def _confess(self) -> None:
        if self.lost:
            told = {"event": "log lines were lost before they reached CloudWatch Logs", "lost": self.lost}
            with self._lock:
                self._waiting.append((self._millis(self._now()), json.dumps(told)))
                self.lost = 0

    def _moment(self, text: str) -> int:
        """The line's own time if it says one; a line that is no JSON of ours has the time it came at."""
        try:
            return self._millis(datetime.fromisoformat(json.loads(text)["timestamp"]))
        except (ValueError, TypeError, KeyError):
            return self._millis(self._now())

    @staticmethod
    def _millis(moment: datetime) -> int:
        return int(moment.timestamp() * 1000)


def client(region: str | None = None) -> Any:
    """A CloudWatch Logs client with the credentials opsbot itself runs as. Raises CloudError if there is no region."""
    import boto3
    from botocore.config import Config

    patient = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=10)
    try:
        return boto3.client("logs", region_name=region, config=patient)
    except CALL_ERRORS as error:
        failure = translate(error, call="logs:PutLogEvents")
        raise CloudError(f"the log cannot be shipped: {failure.message}", permanent=True, hint=failure.hint) from error
