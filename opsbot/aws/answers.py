"""Reading GetMetricData's answers fast: orjson and numpy on the body, before botocore walks it.

botocore makes a datetime of every timestamp, which is nine tenths of the work. A `before-parse` hook takes the body
instead and leaves columns; on anything it does not know it touches nothing, and the default parser reads the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from opsbot.aws.words import clipped
from opsbot.samples import Values


class Column(NamedTuple):
    """One query's part of a page: epoch seconds and values, side by side; `notes` are CloudWatch's messages."""

    id: str
    times: NDArray[np.float64]
    values: Values
    status: str
    notes: str


# A page of 3 MB becomes three times that while it is read, and Python reads one at a time whatever the number of threads.
_PARSING = Lock()
_COLUMNS = "OpsbotColumns"
_STAMPS = b'"Timestamps":['
_SHARED = b'"Timestamps":null'


def read_columns(client: Any) -> None:
    """Make a cloudwatch client answer GetMetricData with columns; `columns(page)` finds them."""
    client.meta.events.register("before-parse.cloudwatch.GetMetricData", _before_parse)


def columns(page: Mapping[str, Any]) -> list[Column]:
    """The columns of a page, whichever parser read it. Raises ValueError for a column that does not fit together."""
    ready: list[Column] | None = page.get(_COLUMNS)
    return _from_results(page.get("MetricDataResults") or []) if ready is None else ready


def notes(messages: Any) -> str:
    """CloudWatch's messages as one line."""
    if not isinstance(messages, list):
        return ""
    said = (f"{item.get('Code', '')}: {item.get('Value', '')}" for item in messages if isinstance(item, Mapping))
    return clipped("; ".join(said))


def _before_parse(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    if response_dict["status_code"] != 200:
        return
    try:
        with _PARSING:
            body, stamps = _without_repeats(response_dict["body"])
            page = orjson.loads(body)
            found = _from_json(page.pop("MetricDataResults"), stamps)
        token, messages = page.get("NextToken"), page.get("Messages")
        if not isinstance(token, str | None) or not isinstance(messages, list | None):
            return
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    customized_response_dict[_COLUMNS] = found
    customized_response_dict["Messages"] = messages or []
    if token is not None:
        customized_response_dict["NextToken"] = token
    response_dict["body"] = b"{}"


def _without_repeats(body: bytes) -> tuple[bytes, Any]:
    """The body with its first list of timestamps taken out wherever it stands, and that list.

    Series of one page nearly always stand on the same moments, which are two fifths of the bytes. A string cannot be
    hit: inside one the quotes are escaped.
    """
    first = body.find(_STAMPS)
    last = body.find(b"]", first) + 1
    if first < 0 or not last:
        return body, None
    repeated = body[first:last]
    return body.replace(repeated, _SHARED), orjson.loads(repeated[len(_STAMPS) - 1 :])


def _from_json(results: list[dict[str, Any]], shared: Any) -> list[Column]:
    moments = None if shared is None else _numbers(shared)
    return [_column(result, moments) for result in results]


def _column(result: dict[str, Any], moments: NDArray[np.float64] | None) -> Column:
    stamps = result["Timestamps"]
    times = moments if stamps is None and moments is not None else _numbers(stamps)
    values = _numbers(result["Values"])
    id, status = result["Id"], result["StatusCode"]
    if not isinstance(id, str) or not isinstance(status, str) or len(values) != len(times):
        raise ValueError("a result of a shape that is not known")
    return Column(id, times, values, status, notes(result.get("Messages")))


def _numbers(raw: Any) -> NDArray[np.float64]:
    array = np.asarray(raw)
    if not isinstance(raw, list) or array.ndim != 1 or array.dtype.kind not in "if":
        raise ValueError("expected a list of numbers")
    return array.astype(np.float64, copy=False)


def _from_results(results: list[dict[str, Any]]) -> list[Column]:
    found = []
    for result in results:
        times = np.asarray([moment.timestamp() for moment in result.get("Timestamps") or ()], dtype=np.float64)
        values = np.asarray(result.get("Values") or (), dtype=np.float64)
        if len(times) != len(values):
            raise ValueError(f"{len(times)} timestamps for {len(values)} values")
        status = str(result.get("StatusCode", ""))
        found.append(Column(str(result.get("Id", "")), times, values, status, notes(result.get("Messages"))))
    return found
