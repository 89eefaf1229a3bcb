"""Logs Insights: queries that take a moment, over the lines that the world would have left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.insightlang import Row
from opsbot.replica.insightrun import compiled
from opsbot.replica.loglines import LINE_BYTES, Lines, lines

MOST_GROUPS, MOST_AT_ONCE = 50, 30
_USUAL, _MOST = 1000, 10_000


def start_query(request: Request, params: Params) -> Result:
    query = str(params.get("queryString", ""))
    if not query.strip():
        raise Fault("MalformedQueryException", "unexpected symbol found end of input at line 1 and position 0")
    run, start, end = compiled(query), int(params["startTime"]), int(params["endTime"])
    found = [_lines(request, name, start, end + 1) for name in _names(params)]
    rows = run(_merged(found))[: min(int(params.get("limit") or _USUAL), _MOST)]
    scanned = sum(one.scanned for one in found)
    doings = request.state.doings
    with doings.lock:
        place = (request.account, request.region)
        running = sum(1 for one in doings.queries.values() if one["place"] == place and one["status"] == "Running")
        if running >= MOST_AT_ONCE:
            raise Fault("LimitExceededException", "Account maximum query concurrency limit of [30] reached.")
        number = f"00000000-0000-4000-8000-{len(doings.queries) + 1:012x}"
        doings.queries[number] = {
            "rows": rows, "scanned": scanned, "asked": 0, "status": "Running", "place": place,
        }  # fmt: skip
    return {"queryId": number}


def _names(params: Params) -> list[str]:
    names = [params.get("logGroupName"), *(params.get("logGroupNames") or ())]
    found = [str(one) for one in names if one]
    if not 1 <= len(found) <= MOST_GROUPS:
        raise Fault("InvalidParameterException", f"1 to {MOST_GROUPS} log groups can be asked, found {len(found)}")
    return found


def _lines(request: Request, name: str, start: int, end: int) -> Lines:
    found = lines(request, name, start, end)
    if found is None:
        raise Fault(
            "ResourceNotFoundException", f"Log group '{name}' does not exist for account ID '{request.account}'"
        )
    return found


def _merged(found: list[Lines]) -> Iterator[Row]:
    rows = [row for one in found for row in one.rows]
    if len(found) > 1:
        rows.sort(key=lambda row: -float(row["@timestamp"] or 0))
    return iter(rows)


def get_query_results(request: Request, params: Params) -> Result:
    query = _query(request, params)
    with request.state.doings.lock:
        query["asked"] += 1
        # Real ones are never ready at the first asking.
        if query["status"] == "Running" and query["asked"] > 1:
            query["status"] = "Complete"
        done = query["status"] == "Complete"
        rows = query["rows"] if done else []
        scanned = query["scanned"] if done else 0.0
        statistics = {
            "recordsMatched": float(len(rows)), "recordsScanned": scanned, "bytesScanned": scanned * LINE_BYTES,
        }  # fmt: skip
        return {"results": rows, "status": query["status"], "statistics": statistics}


def stop_query(request: Request, params: Params) -> Result:
    query = _query(request, params)
    with request.state.doings.lock:
        running = query["status"] == "Running"
        query["status"] = "Cancelled" if running else query["status"]
    return {"success": running}


def _query(request: Request, params: Params) -> dict[str, Any]:
    found = request.state.doings.queries.get(str(params.get("queryId")))
    if found is None or found["place"] != (request.account, request.region):
        raise Fault("ResourceNotFoundException", "The specified query does not exist.")
    return found


HANDLERS: dict[tuple[str, str], Handler] = {
    ("logs", "StartQuery"): start_query,
    ("logs", "GetQueryResults"): get_query_results,
    ("logs", "StopQuery"): stop_query,
}
