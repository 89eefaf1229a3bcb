"""What is done to a trouble stands where its people look: in the timeline, and in the thread of the notice they got."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsbot.model.message import Message
from opsbot.model.runbook import Approval, Begun, RunState, StepState
from opsbot.render.blockkit import BLOCKS, fits
from opsbot.render.runbook_change import LINES, slack, steps
from opsbot.replica.faults import FaultRule
from opsbot.replica.server import Running
from opsbot.store.sql import SqlStore
from tests.runbooks.stage import ANA, BO, NOW, ROLL_BACK
from tests.runbooks.test_journal import run
from tests.runbooks.test_looking_by_itself import HOSTILE, rung
from tests.runbooks.test_run_command import opsbot, place

__all__ = ["place", "rung"]

RUN = ("runbook", "run", "roll-back", "-i", "INC-1", "--resource", "quiz-api")


@pytest.fixture
def planned(rung: SqlStore, place: Path, cloud: Running) -> SqlStore:
    """A plan of an incident whose card is in the chat."""
    text = ROLL_BACK.replace("every: 15s", "every: 1s")
    (place / "runbooks" / "roll-back.md").write_text(text, encoding="utf-8")
    assert opsbot(place, "outbox", "send", url=cloud.url).code == 0
    assert opsbot(place, *RUN, url=cloud.url).code == 0
    return rung


def thread(store: SqlStore) -> list[str]:
    """What the thread of the card was told since the runbook was run, a text a message."""
    card, *rest = store.messages(channel="chat")
    return [words(one) for one in rest if (one.key, one.reply_to) == ("INC-1/R-1", card.id)][1:]


def words(reply: Message) -> str:
    told: dict[str, Any] = json.loads(reply.body)
    return "\n".join(block["text"]["text"] for block in told["blocks"] if block["type"] == "section")


def test_each_step_of_a_change_is_told_in_the_thread_and_the_timeline(
    planned: SqlStore, place: Path, cloud: Running
) -> None:
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    assert opsbot(place, "runbook", "apply", "R-1", url=cloud.url).code == 0
    assert opsbot(place, "runbook", "rollback", "R-1", "--yes", url=cloud.url).code == 0
    approved, applied, back = thread(planned)
    assert approved.startswith("*R-1 approved by bo until ")
    assert applied.splitlines() == [
        "*R-1 applied by demo: 1 change*",
        "✓ back: ecs:UpdateService lecture/quiz-api taskDefinition=quiz-api:41",
        "deployment: ecs-svc/quiz-api -&gt; a new one",
        "task definition: quiz-api:42 -&gt; quiz-api:41",
        "done: verified: running &gt;= desired &amp;&amp; rollout == 'COMPLETED'",
    ]
    assert back.startswith("*R-1 taken back by demo*")
    assert back.endswith("taken back (back to quiz-api:42): done: verified: it shows")
    timeline = planned.incidents().timeline(1)[-3:]
    assert [(str(one.kind), one.actor.short) for one in timeline] == [
        ("change", "bo"),
        ("change", "demo"),
        ("change", "demo"),
    ]
    assert "task definition: quiz-api:42 -> quiz-api:41" in " ".join(timeline[1].lines)
    assert opsbot(place, "outbox", "send", url=cloud.url).code == 0
    assert {one.state for one in planned.messages(channel="chat")} == {"sent"}
    assert opsbot(place, "audit", "verify", key="").code == 0


def test_what_did_not_work_is_told_too(planned: SqlStore, place: Path, cloud: Running) -> None:
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    cloud.state.faults.add([FaultRule(fault="access_denied", service="ecs", operation="UpdateService")])
    failed = opsbot(place, "runbook", "apply", "R-1", url=cloud.url)
    assert (failed.code, "look again with: opsbot runbook run roll-back --env unilux-prod" in failed.err) == (3, True)
    said = thread(planned)[-1]
    assert "R-1 failed, carried out by demo: step back: ecs:UpdateService is denied (nothing was changed)" in said
    assert "✗ back: ecs:UpdateService" in said


def test_an_approval_that_is_void_is_told_with_its_reason(planned: SqlStore, place: Path, cloud: Running) -> None:
    assert opsbot(place, "runbook", "approve", "R-1", url=cloud.url, key="user-bo").code == 0
    (place / "runbooks" / "roll-back.md").unlink()
    assert opsbot(place, "runbook", "apply", "R-1", url=cloud.url).code == 3
    (place / "runbooks" / "roll-back.md").write_text("# Nothing", encoding="utf-8")
    again = opsbot(place, "runbook", "apply", "R-1", url=cloud.url)
    assert "it is void (the runbook cannot be read any more: there is no runbook roll-back any more)" in again.err
    (said,) = [one for one in thread(planned) if "not carried out" in one]
    assert "R-1 is not carried out, as demo asked: the runbook cannot be read any more" in said


BY_FORCE = ("runbook", "apply", "R-1", "--override-approval")


@pytest.mark.parametrize(
    ("allowed", "priority", "reason", "told"),
    [
        pytest.param(False, "P0", "locked out", "config.toml: [runbooks] break_glass = true", id="off"),
        pytest.param(True, "P1", "locked out", "INC-1 is P1, and only P0 may do so", id="not urgent enough"),
        pytest.param(True, "P0", " ", "it takes a reason: --reason TEXT", id="no reason"),
    ],
)
def test_break_glass_is_refused_with_the_reason(
    planned: SqlStore, place: Path, cloud: Running, allowed: bool, priority: str, reason: str, told: str
) -> None:
    prepare(place, allowed, priority)
    refused = opsbot(place, *BY_FORCE, "--reason", reason, url=cloud.url)
    assert (refused.code, told in refused.err) == (3, True), refused.err
    run = planned.journal().run(1)
    assert run is not None
    assert run.state is RunState.PLANNED
    assert [row.act.what for row in planned.audit().rows()][-1] == "runbook.override.refused"
    assert thread(planned) == []


def prepare(place: Path, allowed: bool, priority: str) -> None:
    if allowed:
        with (place / "config.toml").open("a", encoding="utf-8") as out:
            out.write("\n[runbooks]\nbreak_glass = true\n")
    if priority != "P1":
        assert opsbot(place, "incident", "priority", "INC-1", priority, key="").code == 0


def test_break_glass_is_loud_wherever_the_trouble_was_told(planned: SqlStore, place: Path, cloud: Running) -> None:
    prepare(place, allowed=True, priority="P0")
    done = opsbot(place, *BY_FORCE, "--reason", "locked out <!channel>", url=cloud.url)
    assert done.code == 0, done.err
    assert "everybody who was told of INC-1 is told of that" in done.err
    loud = {name: planned.messages(channel=name, key="INC-1/R-1/break-glass") for name in ("chat", "mail")}
    assert [len(told) for told in loud.values()] == [1, 1]
    for (told,) in loud.values():
        assert (told.reply_to, told.status, told.priority) == (None, "critical", "P0")
        assert told.subject.startswith("INC-1, R-1: BREAK-GLASS by demo, without anybody's approval until ")
    assert b"<!channel>" not in loud["chat"][0].body
    assert thread(planned)[0].startswith("*R-1: BREAK-GLASS by demo, without anybody's approval")
    texts = [one.text for one in planned.incidents().timeline(1)]
    assert any("BREAK-GLASS by demo" in text and "locked out" in text for text in texts)
    whats = [row.act for row in planned.audit().rows() if row.act.what == "runbook.override"]
    assert [dict(act.detail)["reason"] for act in whats] == ["locked out <!channel>"]
    assert opsbot(place, "runbook", "apply", "R-1", "--reason", "x", key="").code == 2


def test_a_plan_of_no_incident_is_not_carried_out_by_force(place: Path, cloud: Running) -> None:
    prepare(place, allowed=True, priority="P1")
    words = ("runbook", "run", "roll-back", "--env", "unilux-prod", "--resource", "quiz-api")
    assert opsbot(place, *words, url=cloud.url).code == 0
    refused = opsbot(place, *BY_FORCE, "--reason", "x", url=cloud.url)
    assert "it belongs to no incident" in refused.err


def test_hostile_names_fit_slack_and_do_nothing_there() -> None:
    made = run()
    write = replace(made.writes[0], calls=HOSTILE, after=tuple((f"{n}", HOSTILE) for n in range(12)))
    many = replace(
        made, writes=tuple(replace(write, step=f"s{n}") for n in range(14)), state=RunState.APPROVED, why=HOSTILE,
        approval=Approval(actor=BO, digest="", at=NOW, until=NOW, reason=HOSTILE),
    )  # fmt: skip
    begun = [Begun(step=f"s{n}", state=StepState.UNKNOWN, at=NOW, why=HOSTILE) for n in range(14)]
    assert {len(lines) for lines in steps(many, begun)} == {LINES}
    told = slack(many, begun, replace(ANA, arn=HOSTILE))
    assert fits(told["blocks"])
    assert len(told["blocks"]) <= BLOCKS
    body = json.dumps(told, ensure_ascii=False)
    assert not {"<", "\x1b", "\u202e"} & set(body)
    for state in RunState:
        assert fits(slack(replace(many, state=state, approval=None), begun, BO)["blocks"])
