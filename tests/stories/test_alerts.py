"""From a finding to the right people, as their user sees it: two runs and what the routes made of them."""

from __future__ import annotations

from tests.stories.conftest import House

ROUTES = """
[channels.pager]
kind = "file"
folder = "{folder}/pager"
format = "email"

[channels.chat]
kind = "file"
folder = "{folder}/chat"
format = "slack"

[[routes]]
name = "page"
match = {{ status = "critical" }}
priority = "P1"
channels = ["pager", "chat"]
group_by = ["environment"]

[[routes]]
channels = ["chat"]
group_by = ["environment"]
"""


def test_a_finding_reaches_whom_the_routes_name_and_only_once(house: House) -> None:
    with (house.path / "config.toml").open("a", encoding="utf-8") as out:
        out.write(ROUTES.format(folder=house.path))
    # The embedded AWS stands at another day: how much of it can be judged today is no matter here.
    told = house.opsbot("run", "daily_health", "--env", "dhbw-prod", "--deliver", "--format", "json")
    assert told.code in (1, 3), told.err
    assert told.json["findings"]
    paged = {one.name for one in (house.path / "pager").iterdir()}
    assert paged
    listed = house.opsbot("alerts", "--format", "json").json
    critical = [one for one in listed["alerts"] if one["status"] == "critical"]
    assert critical
    assert all(one["state"] == "firing" and one["told"] == ["chat", "pager"] for one in critical)
    again = house.opsbot("run", "daily_health", "--env", "dhbw-prod", "--deliver", "--format", "json")
    assert again.code == told.code, again.err
    assert {one.name for one in (house.path / "pager").iterdir()} == paged
