"""A Monday's report of one tenant against the embedded AWS, from an empty home: the whole path, and nobody else in it."""

from __future__ import annotations

from opsbot.replica.world import World
from tests.stories.conftest import House

MONDAY = "2026-11-16T08:00:00+00:00"
IDS = [
    "system_health",
    "performance_metrics",
    "cost_analysis",
    "security_summary",
    "capacity",
    "incidents",
    "recommendations",
]


def test_a_tenants_week_nobody_elses_and_its_price(house: House, world: World) -> None:
    words = ("run", "weekly_report", "--at", MONDAY, "--tenant", "dhbw", "--format", "json")
    told = house.opsbot(*words, "--verbose", "--dry-run")
    answer = told.json
    assert [one["id"] for one in answer["sections"] if one["id"] in IDS] == IDS
    assert {one["environment"] for one in answer["findings"]} == {"dhbw-prod", "dhbw-staging"}
    others = {one.tenant for one in world.environments if one.tenant != "dhbw"}
    accounts = {one.account for one in world.environments if one.tenant != "dhbw"}
    assert not [secret for secret in others | accounts if secret in told.out]
    # Twelve weeks and last year's one are for what a health check costs, and no bill is asked for.
    assert answer["aws"]["usd"] < 0.01
    assert not [call for call in answer["aws"]["calls"] if call.startswith("ce:")]
    priced = house.opsbot(*words, "--estimate").json
    assert priced["metrics"] == answer["aws"]["metrics_requested"]
    assert priced["calls"]["cloudwatch:GetMetricData"] == answer["aws"]["calls"]["cloudwatch:GetMetricData"]
