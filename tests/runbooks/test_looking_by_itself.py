"""A route opens an incident, its runbook looks by itself, and what it saw stands where people look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest

from opsbot import app, home, incidents
from opsbot.alerting import Book, Looked, turn
from opsbot.compose import compose_notices
from opsbot.model.actor import Actor
from opsbot.model.finding import Finding
from opsbot.model.runbook import Answer, RunbookRun, RunState, StepState, Took
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.ports import Step
from opsbot.render.blockkit import BLOCKS, fits
from opsbot.render.runbook import slack
from opsbot.replica.server import Running
from opsbot.store.sql import SqlStore
from tests.runbooks.stage import NOW
from tests.runbooks.test_run_command import opsbot, place

__all__ = ["place"]

ROUTES = """
[channels.chat]
kind = "file"
folder = "chat"
format = "slack"

[channels.mail]
kind = "file"
folder = "mail"
format = "email"

[[routes]]
name = "page"
match = { status = "critical" }
priority = "P1"
channels = ["chat", "mail"]
incident = true
runbook = "auto"
"""


@pytest.fixture
def rung(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    """A home in which a run has just found that the quiz is down."""
    monkeypatch.chdir(place)
    store = ring(place, "roll-back")
    yield store
    store.close()


def ring(place: Path, runbook: str) -> SqlStore:
    with (place / "config.toml").open("a", encoding="utf-8") as out:
        out.write(ROUTES)
    config, store, channels = app.reach_on_paper(home.find(place, {}, place))
    at = app.now()
    found = Finding(
        check="ecs-tasks", environment="unilux-prod", resource="quiz-api", status=Status.CRITICAL, at=at, unit=Unit.COUNT,
        title="ECS running tasks", area="ecs", summary="0 of 3 tasks running", since=at - timedelta(minutes=3),
        labels=(("kind", "ecs-service"),), runbook=runbook,
    )  # fmt: skip
    looked = Looked(job="daily_health", at=at, findings=(found,), environments={e.name: e for e in config.environments})
    ids = iter(range(1000))

    def step(book: Book) -> Step:
        turned = turn(book, config.policy, at, lambda: f"m{next(ids)}", looked)
        told = (compose_notices(one, channels[one.channel], "UTC") for one in turned.notices)
        return Step(turned=turned, messages=tuple(chain.from_iterable(told)))

    store.alerts().turn(step)
    return store


def test_the_runbook_looks_by_itself_and_says_so_in_the_timeline_and_the_thread(
    rung: SqlStore, place: Path, cloud: Running
) -> None:
    assert [one.id for one in rung.incidents().to_look_at(app.now())] == ["INC-1"]
    assert opsbot(place, "outbox", "send", url=cloud.url).code == 0
    assert opsbot(place, "_diagnose", url=cloud.url).code == 0
    assert opsbot(place, "outbox", "send", url=cloud.url).code == 0
    timeline = rung.incidents().timeline(1)
    assert [one.text for one in timeline] == [
        "opened as P1 by the route page: unilux-prod: ECS running tasks, quiz-api",
        "told chat",
        "R-1: runbook roll-back saw 1 thing, 1 worth a look",
    ]
    assert any("0 of 3 tasks run" in line for line in timeline[2].lines)
    assert "not planned: it is time for it; ask with: opsbot runbook run -i INC-1" in " ".join(timeline[2].lines)
    (run,) = rung.journal().runs()
    assert (run.state, run.writes, run.incident) == (RunState.LOOKED, (), 1)
    (card, reply) = rung.messages(channel="chat")
    assert (reply.reply_to, reply.key, reply.state) == (card.id, "INC-1/R-1", "sent")
    assert "0 of 3 tasks run" in json.loads(reply.body)["blocks"][1]["text"]["text"]
    assert [one.key for one in rung.messages(channel="mail")] == [card.key]
    assert rung.incidents().to_look_at(app.now() + timedelta(days=1)) == ()
    assert opsbot(place, "_diagnose", url=cloud.url).code == 0
    assert len(rung.journal().runs()) == 1
    # With the runbook run by hand the thread goes on.
    assert opsbot(place, "runbook", "run", "-i", "INC-1", url=cloud.url).code == 0
    assert [one.reply_to for one in rung.messages(channel="chat", key="INC-1/R-2")] == [card.id]


def test_whoever_has_the_incident_has_its_alerts(rung: SqlStore, place: Path) -> None:
    assert opsbot(place, "incident", "ack", "INC-1", "looking", key="").code == 0
    (alert,) = rung.alerts().all()
    assert alert.ack is not None
    assert alert.ack.reason == "looking"
    assert [row.act.what for row in rung.audit().rows()] == ["incident.open", "incident.ack", "alert.ack"]
    (incident,) = rung.incidents().incidents()
    assert incident.acked_by != ""


def test_what_cannot_be_run_is_told_in_the_timeline_and_not_tried_for_ever(
    rung: SqlStore, place: Path, cloud: Running
) -> None:
    (place / "runbooks" / "roll-back.md").write_text(
        "# Nothing\n\n```step\n{id: a, uses: shell}\n```\n", encoding="utf-8"
    )
    assert opsbot(place, "_diagnose", url=cloud.url).code == 0
    assert "the runbook roll-back could not look: " in rung.incidents().timeline(1)[-1].text
    assert rung.incidents().to_look_at(app.now() + timedelta(days=1)) == ()


def test_whoever_dies_over_it_is_followed_by_another_within_half_an_hour(rung: SqlStore) -> None:
    (one,) = rung.incidents().to_look_at(app.now())
    looks, at = 0, one.opened_at
    while at < one.opened_at + timedelta(hours=2):
        if rung.incidents().to_look_at(at):
            by = incidents.By(actor=incidents.OPSBOT, now=at)
            rung.incidents().change(1, incidents.looking(by), by.act("look"))
            looks += 1
        at += timedelta(minutes=1)
    assert looks == 3


HOSTILE = "<!channel> <https://evil.example|click> ```\n*bold* `x` &amp; \x1b[31m\u202e" + "A" * 5000


def test_hostile_log_lines_fit_slack_and_do_nothing_there() -> None:
    answer = Answer(headline=HOSTILE, rows=((HOSTILE, HOSTILE),) * 60, alarming=True)
    took = tuple(Took(step=f"s{n}", uses="logs", state=StepState.DONE, answer=answer) for n in range(40))
    run = RunbookRun(
        number=7, runbook="x", title="X", book="", environment="e", region="r", params=(), actor=Actor(login="a@b"),
        at=NOW, state=RunState.LOOKED, incident=3, took=took,
    )  # fmt: skip
    told = slack(run)
    assert fits(told["blocks"])
    assert len(told["blocks"]) <= BLOCKS
    body = json.dumps(told, ensure_ascii=False)
    assert "<" not in body
    assert "\x1b" not in body
    assert "\u202e" not in body
    for block in told["blocks"]:
        assert block["type"] == "context" or block["text"]["text"].count("```") % 2 == 0
    assert "more" in body
    few = slack(replace(run, took=took[:1]))
    assert [block["type"] for block in few["blocks"]] == ["section", "section", "context"]
    assert few["blocks"][1]["text"]["text"].count("\n") <= 10
