"""`rds.instance`: a database's state, its class and storage, and what RDS did to it lately."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given, Span
from opsbot.actions.telling import clock, many, said
from opsbot.model.runbook import Answer, Value

_LONGEST = timedelta(days=14)
"""RDS keeps events for no longer."""


class DatabaseGiven(Given):
    """`database` is the DB instance's identifier."""

    database: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,62}$")
    since: Span = timedelta(hours=24)


def look(bench: Bench, given: DatabaseGiven) -> Answer:
    """Raises CloudError."""
    told = bench.ask("rds", "describe_db_instances", DBInstanceIdentifier=given.database)["DBInstances"][0]
    events = bench.ask(
        "rds", "describe_events", SourceIdentifier=given.database, SourceType="db-instance",
        Duration=int(min(given.since, _LONGEST).total_seconds() // 60),
    ).get("Events") or ()  # fmt: skip
    status = said(told.get("DBInstanceStatus", ""), 40)
    values: dict[str, Value] = {
        "database": given.database,
        "status": status,
        "class": said(told.get("DBInstanceClass", ""), 40),
        "engine": said(f"{told.get('Engine', '')} {told.get('EngineVersion', '')}", 60),
        "storage": int(told.get("AllocatedStorage") or 0),
        "multi_az": bool(told.get("MultiAZ")),
        "events": len(events),
    }
    newest = sorted(events, key=lambda one: one["Date"], reverse=True)[:6]
    happened = f"; last: {said(newest[0].get('Message', ''), 90)}" if newest else ""
    return Answer(
        headline=f"{status}, {values['engine']} on {values['class']}; {many(len(events), 'event')} in "
        f"{given.since.total_seconds() / 3600:g} h{happened}",
        rows=tuple((clock(one.get("Date"), bench.now), said(one.get("Message", ""))) for one in newest),
        values=values,
        alarming=status != "available" or any(_grave(one) for one in events),
    )


def _grave(event: Mapping[str, Any]) -> bool:
    return bool({"availability", "failover", "failure", "low storage"} & set(event.get("EventCategories") or ()))


ACTION = Action(
    name="rds.instance",
    about="a database: state, class, and what RDS did to it lately",
    given=DatabaseGiven,
    look=look,
    reads=("rds:DescribeDBInstances", "rds:DescribeEvents"),
)
