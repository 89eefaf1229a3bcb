"""The embedded Logs Insights: its language over written lines, each of which may stand for many."""

from __future__ import annotations

import pytest

from opsbot.replica.codec import Fault
from opsbot.replica.insightlang import Row
from opsbot.replica.insightrun import WEIGHT, compiled

LINES: list[Row] = [
    {"@timestamp": 1000.0, "@message": "ERROR KeyError at app.py", "@log": "1:/a", WEIGHT: 3.0},
    {"@timestamp": 900.0, "@message": 'WARN source=10.0.0.1 said "no | way"', "@log": "1:/b", WEIGHT: 2.0, "ms": 40.0},
    {"@timestamp": 650.0, "@message": "ERROR ValueError", "@log": "1:/a", WEIGHT: 1.0, "ms": 10.0},
    {"@timestamp": 400.0, "@message": "all is well", "@log": "1:/a", WEIGHT: 10.0, "ms": 20.0},
]


def answered(query: str) -> list[dict[str, str]]:
    return [{cell["field"]: cell["value"] for cell in row} for row in compiled(query)(iter(LINES))]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("stats count(*)", [{"count(*)": "16"}]),
        ('filter @message like "ERROR" | stats count(*) as n by bin(5m), @log',
         [{"bin(5m)": "1970-01-01 00:15:00.000", "@log": "1:/a", "n": "3"},
          {"bin(5m)": "1970-01-01 00:10:00.000", "@log": "1:/a", "n": "1"}]),
        ('filter @message like /(?i)error/ and not @message like "Value" | stats count(*) as n', [{"n": "3"}]),
        ("filter @log in ['1:/b', '1:/c'] or ms = 10 | stats sum(ms) as s, avg(ms) as m, max(ms) as x", [{"s": "90", "m": "30", "x": "40"}]),
        ("stats pct(ms, 50) as half, min(ms) as least, count(ms) as n, count_distinct(@log) as d",
         [{"half": "20", "least": "10", "n": "13", "d": "2"}]),
        ("parse @message /source=(?<source>[0-9.]+)/ | filter ispresent(source) | stats count(*) as n by source",
         [{"source": "10.0.0.1", "n": "2"}]),
        ('parse @message "ERROR *Error" as kind | filter ispresent(kind) | stats count(*) as n by kind | sort n desc | limit 1',
         [{"kind": "Key", "n": "3"}]),
        ('fields strcontains(@message, "ERROR") as e, greatest(strcontains(@message, "WARN"), e) as x | stats sum(e) as errors, sum(x) as both', [{"errors": "4", "both": "6"}]),
        ("stats count(ms) / count(*) * 100 as share, (1 + 2) * 3 as nine", [{"share": "81.2500", "nine": "9"}]),
        ('filter @message like "no | way" | fields substr(@message, 0, 4) as word, @log | dedup word', [{"word": "WARN", "@log": "1:/b"}]),
        ("filter ms >= 20 and ms < 40 | fields @timestamp, ms | limit 2",
         [{"@timestamp": "1970-01-01 00:06:40.000", "ms": "20"}] * 2),
        ("filter nothing = 1 | stats count(*) as n by @log", []),
        ("stats sum(ms / 0) as s", [{"s": "0"}]),
    ],
)  # fmt: skip
def test_queries(query: str, rows: list[dict[str, str]]) -> None:
    assert answered(query) == rows


def test_a_length_too_large_for_its_unit_is_the_largest_as_in_aws() -> None:
    assert {row["bin(300s)"] for row in answered("stats count(*) by bin(300s)")} == {
        f"1970-01-01 00:{minute:02d}:00.000" for minute in (16, 15, 10, 6)
    }


def test_lines_themselves_come_one_by_one() -> None:
    assert len(answered("fields @message | limit 12")) == 12
    assert [row["@message"] for row in answered("filter @log = '1:/b'")] == [LINES[1]["@message"]] * 2


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("frobnicate", "unknown command frobnicate"),
        ("stats count(*", r"expected \)"),
        ("filter @message like 5", "expected a text"),
        ("filter (a = 1", r"expected \)"),
        ("stats frob(x)", "unknown function frob"),
        ("parse @message /(?<x/", "not valid"),
        ("parse @message 'a*b*' as one", "expected 2 names"),
        ("fields a ? b", "unexpected symbol"),
        ("stats count(*) by bin(long)", "bin needs a length"),
        ("fields a | ", "expected a field"),
    ],
)
def test_what_it_does_not_understand_it_refuses(query: str, why: str) -> None:
    with pytest.raises(Fault, match=why) as refused:
        compiled(query)
    assert refused.value.code == "MalformedQueryException"
