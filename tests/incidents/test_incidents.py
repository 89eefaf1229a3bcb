"""Incidents: one of each trouble, a timeline that is only added to, and the times that are measured."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsbot import incidents
from opsbot.audit import faults
from opsbot.cli import incident_lines as lines
from opsbot.errors import IncidentError
from opsbot.incidents import By, Step
from opsbot.model.actor import Actor
from opsbot.model.finding import Finding
from opsbot.model.incident import EntryKind, Incident, IncidentState, Role, number_of, times
from opsbot.model.runbook import Approval, RunbookRun, RunState
from opsbot.model.status import Priority, Status
from opsbot.model.units import Unit
from opsbot.store.sql import SqlStore
from tests.contracts.conftest import store
from tests.incidents.shelf import shared

__all__ = ["shared", "store"]

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
ANA = Actor(login="ana@laptop", arn="arn:aws:sts::1:assumed-role/sre/ana")


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def by(minute: float, *, at: float | None = None, actor: Actor = ANA) -> By:
    return By(actor=actor, now=START + minutes(minute), at=None if at is None else START + minutes(at))


def finding(resource: str = "checkout", *, since: float | None = -10) -> Finding:
    return Finding(
        check="ecs-tasks", environment="shop-prod", resource=resource, status=Status.CRITICAL, at=START, unit=Unit.PERCENT,
        title="ECS running tasks", area="ecs", since=None if since is None else START + minutes(since),
        summary="0 of 3 tasks running", labels=(("tenant", "shop"),), runbook="system-down",
    )  # fmt: skip


def opened(store: SqlStore, *findings: Finding, title: str = "checkout is down", minute: float = 1) -> Incident:
    return store.incidents().open(*incidents.opened(by(minute), title, Priority.P1, findings=findings or (finding(),)))[
        0
    ]


def do(store: SqlStore, incident: Incident, *steps: tuple[By, Step]) -> Incident:
    for who, step in steps:
        incident = store.incidents().change(incident.number, step, who.act("x"))
    return incident


def test_from_the_first_breach_to_its_end(store: SqlStore) -> None:
    one = opened(store)
    assert (one.id, one.state, one.tenant, one.runbook) == ("INC-1", IncidentState.OPEN, "shop", "system-down")
    assert one.alerts == ("shop-prod/ecs-tasks/checkout",)
    one = do(
        store, one,
        (by(2), incidents.told(by(2), "ops-slack")),
        (by(5), incidents.acked(by(5), "looking")),
        (by(20), incidents.noted(by(20, at=12), "took a target out")),
        (by(30), incidents.mitigated(by(30))),
        (by(60), incidents.resolved(by(60), "rolled back", "ana")),
    )  # fmt: skip
    measured = times(one)
    # Somebody opened it a minute after it was seen: before that there was nothing to tell.
    assert (measured.detect, measured.tell, measured.acknowledge) == (minutes(10), minutes(1), minutes(5))
    assert (measured.mitigate, measured.resolve) == (minutes(30), minutes(60))
    timeline = store.incidents().timeline(1)
    assert [(entry.kind.value, entry.at - START) for entry in timeline] == [
        ("opened", minutes(1)), ("told", minutes(2)), ("acked", minutes(5)), ("note", minutes(12)),
        ("mitigated", minutes(30)), ("resolved", minutes(60)),
    ]  # fmt: skip
    assert timeline[3].recorded_at == START + minutes(20)
    assert store.incidents().incident(1) == one
    assert (one.fix, one.review_owner, one.acked_by, one.revision) == ("rolled back", "ana", ANA.arn, 6)
    assert list(faults(store.audit().rows(), store.audit().head())) == []
    assert store.audit().head().seq == 6


def test_of_one_trouble_one_incident_is_active(store: SqlStore) -> None:
    first = opened(store)
    again, fresh = store.incidents().open(
        *incidents.opened(by(3), "again", Priority.P2, findings=(finding(), finding("cart")))
    )
    assert (again.number, fresh, again.priority) == (first.number, False, Priority.P1)
    assert again.alerts == ("shop-prod/ecs-tasks/checkout", "shop-prod/ecs-tasks/cart")
    assert [entry.kind for entry in store.incidents().timeline(1)] == [EntryKind.OPENED, EntryKind.ALERT]
    assert opened(store).number == 1
    do(store, first, (by(9), incidents.resolved(by(9))))
    assert opened(store).number == 2
    assert store.incidents().active("shop", first.key) == store.incidents().incident(2)


def test_however_many_open_it_at_once(shared: SqlStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: opened(shared, minute=n), range(16)))
    assert {one.number for one in found} == {1}
    assert len(shared.incidents().incidents()) == 1


def test_what_is_listed(store: SqlStore) -> None:
    for name in ("a", "b", "c"):
        opened(store, finding(name))
    do(store, opened(store, finding("b")), (by(5), incidents.resolved(by(5))))
    active = (IncidentState.OPEN, IncidentState.ACKED)
    assert [one.number for one in store.incidents().incidents()] == [3, 2, 1]
    assert [one.number for one in store.incidents().incidents(states=active)] == [3, 1]
    assert [one.number for one in store.incidents().incidents(tenant="other")] == []
    assert [one.number for one in store.incidents().incidents(limit=1)] == [3]
    assert [one.number for one in store.incidents().incidents(since=START + minutes(2))] == []


@pytest.mark.parametrize(
    ("before", "step", "told"),
    [
        pytest.param([incidents.resolved(by(5))], incidents.acked(by(6)), "INC-1 is resolved and cannot be acknowledged", id="acknowledge what is over"),
        pytest.param([incidents.resolved(by(5))], incidents.resolved(by(6)), "INC-1 is resolved and cannot be resolved", id="resolve it twice"),
        pytest.param([], incidents.reopened(by(6)), "INC-1 is open, not resolved", id="reopen what is open"),
        pytest.param([incidents.resolved(by(5))], incidents.reopened(by(5 + 25 * 60)), "more than a day ago", id="reopen it too late"),
        pytest.param([], incidents.raised(by(6), Priority.P1), "INC-1 is P1 already", id="the same priority"),
        pytest.param([incidents.acked(by(3))], incidents.as_of(1, incidents.resolved(by(6))), "INC-1 has changed since this message was written", id="an old button"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_everything_as_it_was(
    store: SqlStore, before: list[Step], step: Step, told: str
) -> None:
    one = do(store, opened(store), *((by(5), one) for one in before))
    rows = store.audit().head()
    with pytest.raises(IncidentError, match=told):
        store.incidents().change(one.number, step, by(6).act("x"))
    assert (store.incidents().incident(1), store.audit().head()) == (one, rows)
    assert len(store.incidents().timeline(1)) == 1 + len(before)


def test_an_incident_that_is_not_there(store: SqlStore) -> None:
    with pytest.raises(IncidentError, match="there is no incident INC-7"):
        store.incidents().change(7, incidents.acked(by(1)), by(1).act("ack"))


def test_roles_and_priority_and_a_second_acknowledgement(store: SqlStore) -> None:
    bo = Actor(login="bo@desk")
    one = do(
        store, opened(store),
        (by(2), incidents.acked(by(2))), (by(9), incidents.acked(by(9, actor=bo))),
        (by(3), incidents.assigned(by(3), Role.COMMANDER, "ana")), (by(4), incidents.assigned(by(4), Role.COMMANDER, "bo")),
        (by(5), incidents.raised(by(5), Priority.P0, "everybody is affected")),
    )  # fmt: skip
    assert (one.acked_at, one.acked_by, one.roles, one.priority) == (
        START + minutes(2),
        "bo@desk",
        (("commander", "bo"),),
        Priority.P0,
    )
    resolved = do(store, one, (by(6), incidents.resolved(by(6))))
    assert do(store, resolved, (by(7), incidents.reopened(by(7), "it is back"))).state is IncidentState.ACKED


def planned(at: int, state: RunState, approved: int | None = None) -> RunbookRun:
    """A run of the incident's runbook, begun so many minutes after the start."""
    bo = Approval(actor=Actor(login="bo@desk"), digest="d", at=START, until=START + minutes(approved or 0))
    return RunbookRun(
        number=4, runbook="high-load", title="T", book="", environment="shop-prod", region="eu-central-1", params=(),
        actor=ANA, at=START + minutes(at), state=state, incident=1, approval=bo if approved else None,
    )  # fmt: skip


SAYS = {
    "ack": 'next: opsbot incident ack INC-1 "looking"',
    "run": "opsbot runbook run high-load --incident INC-1",
    "mitigate": 'opsbot incident mitigate INC-1 "what helped"',
}


@pytest.mark.parametrize(
    ("runbook", "state", "run", "said"),
    [
        pytest.param("high-load", "open", None, [SAYS["ack"], f"then: {SAYS['run']}"], id="nobody has it"),
        pytest.param("", "open", None, [SAYS["ack"], f"then: {SAYS['mitigate']}"], id="without a runbook"),
        pytest.param("high-load", "acked", None, [f"next: {SAYS['run']}"], id="somebody has it"),
        pytest.param("high-load", "acked", planned(5, RunState.PLANNED), ["next: opsbot runbook approve R-4   (by somebody else than ana)"], id="a plan waits"),
        pytest.param("high-load", "acked", planned(-5, RunState.PLANNED), [f"next: {SAYS['run']}"], id="a plan that is too old"),
        pytest.param("high-load", "acked", planned(5, RunState.APPROVED, 15), ["next: opsbot runbook apply R-4"], id="approved"),
        pytest.param("high-load", "acked", planned(5, RunState.APPROVED, 9), [f"next: {SAYS['run']}"], id="an approval that is over"),
        pytest.param("high-load", "acked", planned(5, RunState.UNKNOWN), ["next: opsbot runbook apply R-4   (looks what came of it; makes nothing twice)"], id="nobody knows what came of it"),
        pytest.param("high-load", "acked", planned(5, RunState.APPLIED, 15), [f"next: {SAYS['mitigate']}"], id="applied"),
        pytest.param("high-load", "mitigated", None, ['next: opsbot incident resolve INC-1 --fix "what helped"'], id="users are well"),
        pytest.param("high-load", "resolved", None, ["next: opsbot incident show INC-1 --format markdown > INC-1.md"], id="over"),
    ],
)  # fmt: skip
def test_what_to_type_next(runbook: str, state: str, run: RunbookRun | None, said: list[str]) -> None:
    drawn, *_ = incidents.opened(by(1), "checkout is down", Priority.P1, findings=())
    one = replace(drawn, number=1, runbook=runbook, state=IncidentState(state))
    assert list(lines.following(one, run, START + minutes(10))) == said


def test_the_record_is_readable_and_says_whose_time_it_is(store: SqlStore) -> None:
    one = opened(store)
    kept = "\n".join(lines.markdown(one, store.incidents().timeline(1)))
    assert "Opened 2026-11-20 07:01:00 by ana; all times are UTC." in kept
    assert "- **2026-11-20 07:01:00** ana: opened as P1" in kept


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("INC-12", 12),
        ("inc-12", 12),
        ("12", 12),
        (" INC-1 ", 1),
        ("INC-0", None),
        ("INC-", None),
        ("R-1", None),
        ("1; x", None),
    ],
)
def test_how_an_incident_is_called(text: str, number: int | None) -> None:
    assert number_of(text) == number


def test_nothing_that_somebody_wrote_commands_the_terminal_or_the_record(store: SqlStore) -> None:
    evil = "\x1b[2J# down | <b>x</b> `rm` [a](http://b) @oncall \u202e"
    one = opened(store, finding("a\x1b]0;x\x07b"), title=evil)
    one = do(store, one, (by(3), incidents.noted(by(3), evil, lines=("```", evil, "  - kept  apart"))))
    timeline = store.incidents().timeline(1)
    shown, kept = "\n".join(lines.shown(one, timeline, "UTC")), "\n".join(lines.markdown(one, timeline))
    assert all(character.isprintable() or character == "\n" for character in shown + kept)
    assert "\n# down" not in kept
    assert "&lt;b&gt;" in kept
    # In indented code a link or a mention is text.
    prose = "\n".join(line for line in kept.splitlines() if not line.startswith("      "))
    assert "http:" not in prose
    assert "@oncall" not in prose
    assert "        - kept  apart" in kept
    assert [lines.waits(one), lines.as_json(one, timeline)["timeline"][1]["lines"][0]] == [True, "```"]
