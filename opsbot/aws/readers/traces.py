"""What to say of a week beyond limits: the statements that load a database, and how traced services did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from opsbot.aws.readers.place import DAY, Found, Look, Reader, facts, number
from opsbot.aws.words import clipped
from opsbot.model.resource import Resource

TOP = 5
_GRAPH = timedelta(hours=6)
"""The most that X-Ray draws in one call."""


def statements(look: Look) -> Iterator[Found]:
    """The five that load each database most, where Performance Insights is on. Load is sessions at work, on average."""
    for database in look.each("rds", "describe_db_instances", "DBInstances"):
        if database.get("PerformanceInsightsEnabled") and database.get("DbiResourceId"):
            yield partial(_statements, look, database)


def _statements(look: Look, database: Mapping[str, Any]) -> Iterator[Found]:
    answer = look.client("pi").describe_dimension_keys(
        ServiceType="RDS", Identifier=database["DbiResourceId"], StartTime=look.now - DAY, EndTime=look.now,
        Metric="db.load.avg", PeriodInSeconds=3600, GroupBy={"Group": "db.sql_tokenized", "Limit": TOP},
    )  # fmt: skip
    for place, key in enumerate((answer.get("Keys") or ())[:TOP], 1):
        text = (key.get("Dimensions") or {}).get("db.sql_tokenized.statement")
        yield Resource(
            kind="top-statement",
            name=f"{database['DBInstanceIdentifier']}#{place}",
            region=look.region,
            arn=f"{database.get('DBInstanceArn', '')}#{place}",
            facts=facts(
                database=database["DBInstanceIdentifier"],
                statement=clipped(str(text or "a statement that is not told"), 300),
                load=number(key.get("Total")),
            ),
        )


def services(look: Look) -> Iterator[Found]:
    """What X-Ray saw of each service in a day: calls, those that failed, seconds a call."""
    together: dict[tuple[str, str], dict[str, float]] = {}
    for place in range(int(DAY / _GRAPH)):
        end = look.now - place * _GRAPH
        asked = {"StartTime": end - _GRAPH, "EndTime": end}
        for service in look.each("xray", "get_service_graph", "Services", **asked):
            _add(together.setdefault((str(service.get("Name")), str(service.get("Type"))), {}), service)
    for (name, type), sums in together.items():
        calls = sums["calls"]
        if calls:
            yield Resource(
                kind="traced-service",
                name=clipped(name, 120),
                region=look.region,
                arn=f"{type}/{name}",
                facts=facts(
                    type=type,
                    calls=calls,
                    fault_percent=100 * sums["faults"] / calls,
                    error_percent=100 * sums["errors"] / calls,
                    seconds=sums["seconds"] / calls,
                ),
            )


def _add(sums: dict[str, float], service: Mapping[str, Any]) -> None:
    told = service.get("SummaryStatistics") or {}
    parts = {
        "calls": told.get("TotalCount"),
        "faults": (told.get("FaultStatistics") or {}).get("TotalCount"),
        "errors": (told.get("ErrorStatistics") or {}).get("TotalCount"),
        "seconds": told.get("TotalResponseTime"),
    }
    for name, value in parts.items():
        sums[name] = sums.get(name, 0.0) + float(value or 0)


READERS = {
    "top-statement": Reader(
        kinds=("top-statement",), actions=("pi:DescribeDimensionKeys", "rds:DescribeDBInstances"), read=statements
    ),
    "traced-service": Reader(kinds=("traced-service",), actions=("xray:GetServiceGraph",), read=services),
}
