"""`logs`: a CloudWatch Logs Insights query over one log group. It is billed by what it scans ($0.005 a GB and more)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given, Span
from opsbot.actions.telling import many, said
from opsbot.errors import CloudError
from opsbot.model.period import epoch
from opsbot.model.runbook import Answer

_ERRORS = (
    "filter @message like /(?i)error|exception|task timed out/ "
    "| stats count(*) as count by substr(@message, 0, 120) as message | sort count desc"
)
_FIRST, _LONGEST = 0.2, 2.0
_OVER = frozenset({"Complete", "Failed", "Cancelled", "Timeout", "Unknown"})


class LogsGiven(Given):
    """Without a `query` it counts the commonest lines that look like errors."""

    group: str = Field(pattern=r"^[A-Za-z0-9_./#-]+$", max_length=512)
    query: str = _ERRORS
    since: Span = timedelta(minutes=30)
    limit: int = Field(default=10, ge=1, le=100)
    deadline: Span = timedelta(seconds=30)


def look(bench: Bench, given: LogsGiven) -> Answer:
    """Raises CloudError, also where the query did not end by its deadline; it is stopped then, so that it costs no more."""
    started = bench.ask(
        "logs", "start_query", logGroupName=given.group, startTime=epoch(bench.now - given.since),
        endTime=epoch(bench.now), queryString=given.query, limit=given.limit,
    )  # fmt: skip
    query = str(started["queryId"])
    answer = _wait(bench, query, given.deadline.total_seconds())
    if answer["status"] != "Complete":
        raise CloudError(f"the query on {given.group} ended as {said(answer['status'], 40)}", permanent=False)
    found = [_row(row) for row in answer.get("results") or ()]
    scanned = float((answer.get("statistics") or {}).get("recordsScanned") or 0)
    total = sum(int(float(row["count"])) for row in found if _is_number(row.get("count", "")))
    told = many(total, "line") if total else many(len(found), "row")
    commonest = f"; the commonest: {said(next(iter(_words(found[0])), ''), 100)}" if found else ""
    some = f"{told} of {scanned:,.0f} in {given.group}{commonest}"
    return Answer(
        headline=some if found else f"nothing of {scanned:,.0f} lines in {given.group}",
        rows=tuple(tuple(said(value) for value in row.values()) for row in found),
        values={"count": total or len(found), "rows": tuple(found)},
        alarming=bool(found) and given.query == _ERRORS,
    )


def _wait(bench: Bench, query: str, seconds: float) -> Mapping[str, Any]:
    end, pause = time.monotonic() + seconds, _FIRST
    while True:
        answer: Mapping[str, Any] = bench.ask("logs", "get_query_results", queryId=query)
        if answer["status"] in _OVER:
            return answer
        if time.monotonic() + pause > end:
            bench.ask("logs", "stop_query", queryId=query)
            raise CloudError(f"the query did not end in {seconds:g} s and was stopped", permanent=False,
                             hint="give a shorter time with since, or a longer deadline")  # fmt: skip
        threading.Event().wait(pause)
        pause = min(pause * 2, _LONGEST)


def _row(row: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(cell["field"]): said(cell.get("value", ""), 400) for cell in row if cell.get("field") != "@ptr"}


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _words(row: Mapping[str, str]) -> list[str]:
    return [value for value in row.values() if not _is_number(value)]


ACTION = Action(
    name="logs",
    about="a Logs Insights query; by default the commonest error lines",
    given=LogsGiven,
    look=look,
    reads=("logs:GetQueryResults", "logs:StartQuery", "logs:StopQuery"),
    timeout=timedelta(seconds=35),
)
