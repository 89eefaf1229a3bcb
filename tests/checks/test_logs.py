"""Checks of logs: what a table may say, what is asked of Logs Insights, and what is made of its answers."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsbot.checks import log_text, observe
from opsbot.checks.catalogue import load
from opsbot.checks.log_text import Column
from opsbot.model.check import Check
from opsbot.model.environment import labels
from opsbot.model.finding import Finding
from opsbot.model.resource import Gap, Resource
from opsbot.model.status import Status
from opsbot.ports import Estimate, LogAnswer, LogQuery
from opsbot.replica.insightlang import tokens
from tests.fakes import NOW, Estate, WrittenCloud, context, environment

FIVE = timedelta(minutes=5)


@dataclass
class WrittenLogs:
    """Logs whose lines are rows: `answers` say what comes of a query's text, `refused` why a group is not read."""

    answers: Callable[[LogQuery], Sequence[Mapping[str, str]]] = lambda query: ()
    refused: Mapping[str, str] = field(default_factory=dict)
    asked: list[LogQuery] = field(default_factory=list)

    def estimate_logs(self, asks: Sequence[LogQuery]) -> Estimate:
        return Estimate(calls=(), metrics=0, datapoints=0, usd=0.0, log_bytes=sum(ask.bytes for ask in asks))

    def ask_logs(self, asks: Sequence[LogQuery]) -> Iterator[LogAnswer]:
        self.asked += asks
        for ask in reversed(asks):
            gaps = {group.name: self.refused[group.name] for group in ask.groups if group.name in self.refused}
            rows = [row for row in self.answers(ask) if row.get("@log", "").partition(":")[2] not in gaps]
            yield LogAnswer(query=ask, rows=tuple(rows), gaps=gaps)


def checks(text: str) -> tuple[Check, ...]:
    catalogue, problems = load(tomllib.loads(text)["checks"], [])
    assert problems == []
    return tuple(check for check in catalogue.checks if check.source != "shipped")


def group(name: str, **facts: float | str) -> Resource:
    told: dict[str, float | str] = {"stored_bytes": 3e9, "retention_days": 30.0, "storage": "STANDARD"}
    told.update(facts)
    return Resource(
        kind="log-group", name=name, region="eu-central-1", dimensions=labels(LogGroupName=name),
        facts=tuple(sorted(told.items())),
    )  # fmt: skip


def told(text: str, logs: WrittenLogs | None, *resources: Resource, gaps: tuple[Gap, ...] = ()) -> dict[str, Finding]:
    cloud = WrittenCloud({"prod": Estate(resources, gaps)})
    ctx = context(cloud, checks(text), [environment("prod")])
    ctx = replace(ctx, looking=replace(ctx.looking, logs=logs))
    return {f"{one.check} {one.resource}": one for one in observe(ctx)}


def row(minutes: int, name: str, **values: object) -> dict[str, str]:
    at = NOW - timedelta(minutes=minutes)
    return {
        "bin(5m)": f"{at:%Y-%m-%d %H:%M:%S.000}",
        "@log": f"201000000001:{name}",
        **{k: str(v) for k, v in values.items()},
    }


ERRORS = """
[[checks]]
name = "errors"
kind = "logs"
where = { resource = "log-group" }
count = "ERROR"
warning = "> 50 for 10m"
runbook = "x"
"""
LOGINS = """
[[checks]]
name = "logins"
kind = "logs"
where = { resource = "log-group" }
count = ["AUTH_FAILED", "LOGIN_FAILED"]
by = "source"
parse = '/source=(?<source>\\S+)/'
per = "1m"
warning = "> 10"
runbook = "x"
"""


def test_words_of_several_checks_are_counted_in_one_scan() -> None:
    logs = WrittenLogs()
    found = told(ERRORS + LOGINS, logs, group("/a"), group("/b"))
    assert {one.status for one in found.values()} == {Status.OK}
    assert {one.value for one in found.values()} == {0.0}
    [asked] = logs.asked
    assert {one.name for one in asked.groups} == {"/a", "/b"}
    assert asked.text == (
        'filter @message like "ERROR" or @message like "AUTH_FAILED" or @message like "LOGIN_FAILED" '
        '| fields strcontains(@message, "ERROR") as f0, '
        'greatest(strcontains(@message, "AUTH_FAILED"), strcontains(@message, "LOGIN_FAILED")) as f1 '
        "| stats sum(f0) as n0, sum(f1) as n1 by bin(5m), @log"
    )
    assert asked.bytes == pytest.approx(2 * 3e9 / 30)


def breach(query: LogQuery) -> list[dict[str, str]]:
    if "sort n desc" in query.text:
        return [
            {"source": "203.0.113.9", "n": "88"},
            {"source": "x\x1b[31m\u202e" + "y" * 90, "n": "7"},
            {"source": "", "n": "1"},
        ]
    return [row(minutes, "/a", n0=120, n1=75) for minutes in (25, 20, 15, 10)]


def test_a_breach_is_told_by_whom_it_is_about() -> None:
    logs = WrittenLogs(breach)
    found = told(ERRORS + LOGINS, logs, group("/a"), group("/b"))
    errors, logins = found["errors /a"], found["logins /a"]
    assert (errors.status, errors.value) == (Status.WARNING, 120.0)
    assert dict(errors.evidence)["log_group"] == "/a"
    assert (logins.status, logins.value) == (Status.WARNING, 15.0)
    assert "; source: 203.0.113.9 (88), x [31m" in logins.summary
    assert logins.summary.isprintable()
    assert len(logins.summary) < 200
    assert found["errors /b"].status is Status.OK
    [detail] = [ask for ask in logs.asked if "sort n desc" in ask.text]
    assert [one.name for one in detail.groups] == ["/a"]
    assert (detail.window.start, detail.window.end) == (NOW - timedelta(minutes=25), NOW)
    assert detail.text == (
        'filter @message like "AUTH_FAILED" or @message like "LOGIN_FAILED" '
        r"| parse @message /source=(?<source>\S+)/ | stats count(*) as n by source | sort n desc"
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"@log": "1:/a", "bin(5m)": "yesterday", "n0": "900"}], id="a time that is none"),
        pytest.param([row(10, "/elsewhere", n0=900)], id="a group nobody asked for"),
        pytest.param([row(10, "/a", n0="many"), row(15, "/a", n0="inf"), row(15, "/a", n0="nan")], id="no numbers"),
        pytest.param([row(10_000, "/a", n0=900), row(-500, "/a", n0=900)], id="outside the window"),
        pytest.param([{}, {"@log": "", "n0": "1"}], id="rows without columns"),
    ],
)
def test_rows_that_do_not_fit_change_nothing(rows: list[dict[str, str]]) -> None:
    found = told(ERRORS, WrittenLogs(lambda query: rows), group("/a"))
    assert (found["errors /a"].status, found["errors /a"].value) == (Status.OK, 0.0)


BLIND = [
    pytest.param(WrittenLogs(refused={"/a": "logs:StartQuery is not allowed"}), (group("/a"),), (), "logs:StartQuery", id="refused"),
    pytest.param(None, (group("/a"),), (), "logs are not read here", id="nobody to ask"),
    pytest.param(WrittenLogs(), (group("/a", storage="DELIVERY"),), (), "class DELIVERY", id="a class that is not read"),
]  # fmt: skip


@pytest.mark.parametrize(("logs", "resources", "gaps", "why"), BLIND)
def test_what_cannot_be_read_says_why(
    logs: WrittenLogs | None, resources: tuple[Resource, ...], gaps: tuple[Gap, ...], why: str
) -> None:
    found = told(ERRORS, logs, *resources, gaps=gaps)
    assert found["errors /a"].status is Status.UNKNOWN
    assert why in found["errors /a"].summary


REPORTS = """
[[checks]]
name = "memory"
kind = "logs"
where = { service = "lambda" }
log_group = "/aws/lambda/{name}"
query = "filter @type = 'REPORT'"
value = "max(@maxMemoryUsed / @memorySize) * 100"
unit = "percent"
warning = "> 90 %"
missing = "MISSING"
runbook = "x"
"""


def function(name: str) -> Resource:
    return Resource(kind="lambda-function", name=name, region="eu-central-1")


@pytest.mark.parametrize(("missing", "status"), [("notBreaching", Status.OK), ("unknown", Status.UNKNOWN)])
def test_a_resources_own_group_is_asked(missing: str, status: Status) -> None:
    logs = WrittenLogs(lambda query: [row(10, "/aws/lambda/busy", n0=97)])
    text = REPORTS.replace("MISSING", missing)
    found = told(
        text,
        logs,
        function("busy"),
        function("idle"),
        function("new"),
        group("/aws/lambda/busy"),
        group("/aws/lambda/idle"),
    )
    assert (found["memory busy"].status, found["memory busy"].value) == (Status.WARNING, 97.0)
    # A function that was not called has nothing to measure, and one that never was has no group.
    assert found["memory idle"].status is status
    assert found["memory new"].status is status
    assert [ask.text for ask in logs.asked] == [
        "filter @type = 'REPORT' | stats max(@maxMemoryUsed / @memorySize) * 100 as n0 by bin(5m), @log"
    ]


def test_groups_that_could_not_be_listed_are_no_groups_that_are_not_there() -> None:
    gap = Gap(region="eu-central-1", kinds=("log-group",), why="logs:DescribeLogGroups is not allowed")
    found = told(REPORTS.replace("MISSING", "notBreaching"), WrittenLogs(), function("busy"), gaps=(gap,))
    assert found["memory busy"].status is Status.UNKNOWN
    assert "DescribeLogGroups" in found["memory busy"].summary


def test_many_groups_are_asked_in_parts_that_fit_an_answer() -> None:
    logs = WrittenLogs()
    told(ERRORS, logs, *(group(f"/g{place}") for place in range(120)), group("/rare", storage="INFREQUENT_ACCESS"))
    sizes = sorted(len(ask.groups) for ask in logs.asked)
    assert sum(sizes) == 121
    # 288 bins of a day times 34 groups is within AWS's 10,000 rows; a class of its own is asked alone.
    assert sizes == [1, 18, 34, 34, 34]


WRONG = [
    ('count = "ERROR"\nquery = "filter x"', "count", "either count"),
    ("", "count", "either count"),
    ('query = "filter x | stats count(*)"', "query", "'stats'"),
    ('query = "fields a | limit 5"', "query", "'limit'"),
    ('query = "filter x"\nvalue = "count(*) | limit 1"', "value", "expected a statistic"),
    ('query = "filter x"\nvalue = "duration"', "value", "expected a statistic"),
    ('count = "ERROR"\nby = "a b"', "by", "name of a field"),
    ('count = "ERROR"\nby = "type"\nparse = "/x=(?<other>.)/"', "parse", "(?<type>...)"),
    ('count = "ERROR"\nby = "type"\nparse = "type=*"', "parse", "regular expression"),
    ('count = "ERROR"\nby = "type"\nparse = "/(?<type>[/"', "parse", "regular expression"),
    ('count = "ERROR"\nperiod = "7m30s"', "period", "whole minutes"),
    ('count = "ERROR"\nperiod = "90m"', "period", "whole minutes"),
    ('count = "ERROR"\nper = "10m"', "per", "up to the period"),
    ('count = ["ERROR", "\\u0007"]', "count", "printable"),
]


@pytest.mark.parametrize(("text", "key", "what"), WRONG)
def test_mistakes_are_told(text: str, key: str, what: str) -> None:
    raw = tomllib.loads(
        f'[[checks]]\nname = "mine"\nkind = "logs"\nwhere = {{ resource = "log-group" }}\nwarning = "> 5"\n{text}'
    )
    _, problems = load(raw["checks"], [])
    assert any(problem.where.endswith(f".{key}") and what in problem.what for problem in problems), problems


@given(some.text(string.printable + "äß|`", min_size=1))
def test_no_text_becomes_a_command(word: str) -> None:
    if not word.isprintable():
        with pytest.raises(ValueError, match="printable"):
            log_text.quoted(word)
        return
    query = log_text.counting([Column(words=(word,))], FIVE)
    read = tokens(query)
    assert [one.text for one in read if one.kind == "text"] == [word, word]
    assert [one.text for one in read if one.text == "|" and one.kind == "sign"] == ["|", "|"]
    assert re.sub(r'"(?:\\.|[^"\\])*"', "", query).count("|") == 2


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (timedelta(minutes=5), "5m"),
        (timedelta(minutes=60), "1h"),
        (timedelta(hours=24), "24h"),
        (timedelta(seconds=30), "30s"),
    ],
)
def test_lengths_are_what_aws_reads_as_such(length: timedelta, written: str) -> None:
    assert log_text.length(length) == written
