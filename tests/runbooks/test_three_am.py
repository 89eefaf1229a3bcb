"""docs/incidents.md tells of a night; here it is lived through, command by command, with two people."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from opsbot import app
from opsbot.home import find, shipped_home
from opsbot.model.incident import IncidentState, times
from opsbot.replica.server import Running
from tests.runbooks.test_looking_by_itself import ROUTES, ring
from tests.runbooks.test_run_command import opsbot, place

__all__ = ["place"]

PAGE = Path(__file__).parents[2] / "docs" / "incidents.md"


def commands() -> list[str]:
    """What the page tells people to type."""
    night = PAGE.read_text(encoding="utf-8").partition("## 3 am")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", night, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_night_goes_as_the_page_says(place: Path, cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    shipped = (shipped_home() / "runbooks" / "system-down.md").read_text(encoding="utf-8")
    (place / "runbooks" / "system-down.md").write_text(shipped.replace("every: 15s", "every: 1s"), encoding="utf-8")
    store = ring(place, "system-down")
    for unseen in ("outbox send", "_diagnose"):
        assert opsbot(place, *unseen.split(), url=cloud.url).code == 0
    said = {}
    for line in commands():
        _, *words = shlex.split(line)
        # The second person has a keyboard of her own.
        key = "user-bo" if "approve" in words else "demo"
        said[line] = opsbot(place, *words, url=cloud.url, key=key)
        # `runbook run` says with 3 that something could not be looked at, `alerts` with 1 that something fires.
        assert said[line].code in (0, 1, 3), said[line].err
    incident = store.incidents().incident(1)
    assert incident is not None
    assert (incident.state, incident.review_owner) == (IncidentState.RESOLVED, "ana")
    took = times(incident)
    assert None not in (took.detect, took.tell, took.acknowledge, took.mitigate, took.resolve)
    assert [str(one.kind) for one in store.incidents().timeline(1)] == [
        "opened", "told", "runbook", "acked", "runbook", "change", "change", "note", "resolved",
    ]  # fmt: skip
    assert "quiz-api:42 -> quiz-api:41" in said["opsbot runbook run --incident INC-1"].out
    assert "back to quiz-api:41" in said["opsbot incident show INC-1 --format markdown"].out
    verified = said["opsbot audit verify"]
    assert (verified.code, "rows" in verified.out) == (0, True)
    store.close()


@pytest.mark.skipif(not os.environ.get("OPSBOT_SOAK"), reason="two whole runs: OPSBOT_SOAK=1")
def test_what_a_run_finds_is_healed_by_its_runbook_and_the_next_run_sees_it(
    place: Path, cloud: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    with (place / "config.toml").open("a", encoding="utf-8") as out:
        out.write(ROUTES)
    look = ("run", "daily_health", "--env", "unilux-prod", "--deliver")
    assert opsbot(place, *look, url=cloud.url).code in (0, 1, 3)
    _, store, _ = app.reach_on_paper(find(place, {}, place))
    # The embedded AWS stands at another day, which is troubles of its own.
    (mine,) = [one for one in store.incidents().incidents() if one.alerts == ("unilux-prod/ecs-tasks/quiz-api",)]
    assert mine.state is IncidentState.OPEN
    assert opsbot(place, "runbook", "run", "roll-back", "-i", mine.id, url=cloud.url).code == 0
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    applied = opsbot(place, "runbook", "apply", "R-1", url=cloud.url)
    assert applied.code == 0, applied.err
    assert opsbot(place, *look, url=cloud.url).code in (0, 1, 3)
    healed = store.incidents().incident(mine.number)
    assert healed is not None
    assert healed.state is IncidentState.MITIGATED
    said = f"all its alerts are over; to end it: opsbot incident resolve {mine.id}"
    assert store.incidents().timeline(mine.number)[-1].text == said
    store.close()
