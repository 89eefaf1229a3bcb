"""Short ways to write a check, a resource and a look at it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence

from opsbot.checks import observe
from opsbot.checks.catalogue import load, shipped
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.resource import Gap, Resource
from opsbot.model.status import Status
from tests.fakes import Estate, WrittenCloud, context, environment

DIMENSIONS = {
    "ecs-service": "ServiceName",
    "lambda-function": "FunctionName",
    "rds-instance": "DBInstanceIdentifier",
    "s3-bucket": "BucketName",
    "cwagent-disk": "path",
}


def check(text: str, environments: Sequence[Environment] = ()) -> Check:
    """One check from TOML, without its [[checks]] line; must be right."""
    table = {"name": "test", **tomllib.loads(text)}
    catalogue, problems = load([table], environments or [environment()])
    assert problems == []
    return next(one for one in catalogue.checks if one.name == table["name"])


def ships(name: str) -> Check:
    """A shipped check by its name."""
    assert any(raw["name"] == name for raw in shipped())
    return next(one for one in load([], [])[0].checks if one.name == name)


def resource(kind: str, name: str = "one", *, tags: Mapping[str, str] | None = None, **facts: str | float) -> Resource:
    dimension = DIMENSIONS.get(kind, "Customer")
    return Resource(
        kind=kind,
        name=name,
        region="eu-central-1",
        dimensions=((dimension, name),),
        facts=tuple(sorted(facts.items())),
        tags=tuple(sorted((tags or {}).items())),
    )


def look(
    checks: Check | Sequence[Check],
    resources: Resource | Sequence[Resource],
    series: Mapping[str, str] | None = None,
    *,
    gaps: Sequence[Gap] = (),
    refused: Mapping[str, str] | None = None,
    history: Mapping[str, Status] | None = None,
) -> tuple[Finding, ...]:
    """What observe finds in the one environment dhbw-prod."""
    some = (resources,) if isinstance(resources, Resource) else tuple(resources)
    estate = Estate(resources=some, gaps=tuple(gaps))
    cloud = WrittenCloud(estates={"dhbw-prod": estate}, series=series or {}, refused=refused or {})
    wanted = (checks,) if isinstance(checks, Check) else tuple(checks)
    return observe(context(cloud, wanted, history=history))
