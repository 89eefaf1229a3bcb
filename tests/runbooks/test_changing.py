"""Changes: planned word for word, approved by another, made once, looked at, and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from opsbot.actions import ACTIONS
from opsbot.audit import faults
from opsbot.aws.actions import action_of
from opsbot.aws.inspecting import WRITES
from opsbot.errors import RunbookError
from opsbot.model.actor import Actor, differ
from opsbot.model.runbook import Answer, RunState, StepState
from opsbot.replica.faults import FaultRule
from opsbot.replica.server import Running
from opsbot.runbooks import planning
from opsbot.runbooks.approving import act
from opsbot.store import incidents_tables as t
from opsbot.store.engine import writing
from tests.runbooks.stage import ANA, BO, NOW, ROLL_BACK, Stage, edited, only

WHERE = "unilux-prod"
PLACE = "203000000001/eu-central-1/"


def test_a_rollout_that_fails_is_planned_approved_rolled_back_healed_and_taken_back(
    stage: Stage, cloud: Running
) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    (write,) = run.writes
    assert run.state is RunState.PLANNED
    assert (write.calls, write.key) == (
        "ecs:UpdateService lecture/quiz-api taskDefinition=quiz-api:41",
        f"{PLACE}ecs/lecture/quiz-api",
    )
    assert dict(write.before)["task definition"] == "quiz-api:42"
    assert dict(write.after)["task definition"] == "quiz-api:41"
    assert write.undo_says == "back to quiz-api:42"
    assert cloud.state.doings.rollouts == {}

    assert stage.approve(run).state is RunState.APPROVED
    assert stage.apply(run).state is RunState.APPLIED
    assert stage.states(run) == {"back": StepState.DONE}
    assert stage.waits >= 1
    healed = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    assert only(healed, "svc").answer.values["running"] == 3  # type: ignore[union-attr]
    assert (healed.state, only(healed, "back").why) == (RunState.LOOKED, "not so: running < desired")

    assert stage.rollback(run).state is RunState.ROLLED_BACK
    assert stage.states(run) == {"back": StepState.DONE, "back/undo": StepState.DONE}
    assert [event.name for event in cloud.state.doings.events] == ["UpdateService", "UpdateService"]
    with pytest.raises(RunbookError, match="there is nothing to take back"):
        stage.rollback(run)
    told = stage.acts()
    assert told[:6] == [
        "runbook.plan", "runbook.approve", "runbook.apply", "runbook.change", "runbook.change.done", "runbook.verified",
    ]  # fmt: skip
    assert list(faults(stage.store.audit().rows(), stage.store.audit().head())) == []


@pytest.mark.parametrize(
    ("who", "minutes", "told"),
    [
        pytest.param(ANA, 0, "ana asked for it", id="one's own plan"),
        pytest.param(replace(ANA, login="ana@another"), 0, "ana asked for it", id="from another machine"),
        pytest.param(Actor(login="bo@desk"), 0, "it takes an AWS identity", id="signed out of AWS"),
        pytest.param(BO, 11, "older than 10 min", id="too late"),
    ],
)
def test_an_approval_that_is_refused_is_written_down(stage: Stage, who: Actor, minutes: int, told: str) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.now += timedelta(minutes=minutes)
    with pytest.raises(RunbookError, match=told):
        stage.approve(run, who)
    assert stage.acts()[-1] == "runbook.approve.refused"
    with pytest.raises(RunbookError, match="nobody has approved it"):
        stage.apply(run)


@pytest.mark.parametrize(
    ("requester", "approver", "same"),
    [
        pytest.param(ANA, BO, False, id="two identities"),
        pytest.param(ANA, replace(BO, arn=ANA.arn), True, id="one identity on two machines"),
        pytest.param(Actor(login="ana@a"), Actor(login="bo@a"), False, id="two logins"),
        pytest.param(Actor(login="ana@a"), Actor(login="ana@a", arn="arn:x/bo"), True, id="signed in meanwhile"),
        pytest.param(Actor(login="ana@a", arn="arn:x/ana"), Actor(login="bo@a"), True, id="not signed in"),
    ],
)
def test_who_counts_as_another_person(requester: Actor, approver: Actor, same: bool) -> None:
    assert bool(differ(requester, approver)) is same


def test_only_those_who_may_can_approve(stage: Stage) -> None:
    text = ROLL_BACK.replace("verify:", "approve: {by: ['*/sre-*']}\nverify:")
    run = stage.run(text, WHERE, resource="quiz-api")
    with pytest.raises(RunbookError, match=r"bo is not among those who may: \*/sre-\*"):
        stage.approve(run)
    lead = replace(BO, arn="arn:aws:sts::1:assumed-role/sre-lead/carla")
    assert stage.approve(run, lead).state is RunState.APPROVED


def test_an_approval_expires_and_is_good_once(stage: Stage) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    with pytest.raises(RunbookError, match="it is approved"):
        stage.approve(run)
    stage.now += timedelta(minutes=11)
    with pytest.raises(RunbookError, match="the approval expired"):
        stage.apply(run)
    assert stage.kept(run).state is RunState.VOID
    with pytest.raises(RunbookError, match="a plan is carried out once"):
        stage.apply(run)


def test_a_runbook_that_was_edited_after_the_plan_is_refused(stage: Stage, cloud: Running) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    with pytest.raises(RunbookError, match="the runbook was edited after it was planned"):
        stage.apply(run, edited(ROLL_BACK))
    assert (stage.kept(run).state, stage.acts()[-1]) == (RunState.VOID, "runbook.apply.refused")
    assert cloud.state.doings.events == []


def test_a_plan_that_was_tampered_with_is_not_what_was_approved(stage: Stage, cloud: Running) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    with writing(stage.store.engine) as db:
        body = db.execute(t.runbook_run.select()).mappings().one()["body"]
        db.execute(update(t.runbook_run).values(body=body.replace("quiz-api:41", "quiz-api:40")))
    with pytest.raises(RunbookError, match="another plan was approved"):
        stage.apply(run)
    assert cloud.state.doings.events == []


def test_a_world_that_has_moved_voids_the_approval(stage: Stage, cloud: Running) -> None:
    run, other = (stage.run(ROLL_BACK, WHERE, resource="quiz-api") for _ in range(2))
    stage.approve(run)
    stage.approve(other)
    stage.apply(run)
    with pytest.raises(RunbookError, match="step back: not so: running < desired"):
        stage.apply(other)
    assert len(cloud.state.doings.events) == 1


def test_two_runs_never_change_the_same_target_at_once(stage: Stage) -> None:
    first, second = (stage.run(ROLL_BACK, WHERE, resource="quiz-api") for _ in range(2))
    journal = stage.store.journal()
    for run in (first, second):
        stage.approve(run)
    told = act("runbook.apply", first, ANA, NOW)
    lock = [f"{PLACE}ecs/lecture/quiz-api"], NOW, timedelta(minutes=5), 2, timedelta(hours=1)
    journal.begin(first.number, *lock, told)
    with pytest.raises(RunbookError, match=r"ecs/lecture/quiz-api is being changed by R-1"):
        journal.begin(second.number, *lock, told)
    with pytest.raises(RunbookError, match="is being carried out"):
        stage.apply(first)


@pytest.mark.parametrize(
    ("called", "state", "step"),
    [
        pytest.param(True, RunState.APPLIED, StepState.DONE, id="after the call"),
        pytest.param(False, RunState.FAILED, StepState.NOT_DONE, id="before the call"),
    ],
)
def test_a_death_in_the_middle_is_found_out_by_looking_and_nothing_is_made_twice(
    stage: Stage, cloud: Running, called: bool, state: RunState, step: StepState
) -> None:
    """The process dies between the note of the change and the note of its end: with or without the call made."""
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    journal, told = stage.store.journal(), act("runbook.apply", run, ANA, NOW)
    journal.begin(run.number, [f"{PLACE}ecs/lecture/quiz-api"], NOW, timedelta(minutes=5), 2, timedelta(hours=1), told)
    journal.note(run.number, NOW + timedelta(minutes=5), "back", f"{PLACE}ecs/lecture/quiz-api", NOW, told)
    if called:
        from opsbot.aws.inspecting import Hands

        place = stage.environment(WHERE)
        Hands(lambda _: "opsbot-demo").act(
            place, place.home_region, "ecs", "update_service",
            cluster="lecture", service="quiz-api", taskDefinition="quiz-api:41",
        )  # fmt: skip
    calls = len(cloud.state.doings.events)
    stage.now += timedelta(minutes=6)
    assert stage.apply(run).state is state
    assert stage.states(run) == {"back": step}
    assert len(cloud.state.doings.events) == calls
    with pytest.raises(RunbookError, match="another has taken over"):
        journal.note(run.number, NOW + timedelta(minutes=5), "back", f"{PLACE}ecs/lecture/quiz-api", NOW, told)


def test_what_did_not_help_twice_is_not_tried_a_third_time(stage: Stage) -> None:
    target = [f"{PLACE}ecs/lecture/quiz-api"]
    journal = stage.store.journal()
    for turn in range(3):
        run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
        stage.approve(run)
        told = act("runbook.apply", run, ANA, NOW)
        if turn == 2:
            with pytest.raises(RunbookError, match="was changed by 2 runbook runs in 60 min, and 2 are allowed"):
                stage.apply(run)
            break
        journal.begin(run.number, target, NOW, timedelta(minutes=5), 2, timedelta(hours=1), told)
        journal.note(run.number, NOW + timedelta(minutes=5), "back", target[0], NOW, told)
        journal.end(run.number, RunState.FAILED, "", NOW, told)


def test_a_change_that_aws_refuses_is_a_failure_without_a_trace(stage: Stage, cloud: Running) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    cloud.state.faults.add([FaultRule(fault="access_denied", service="ecs", operation="UpdateService")])
    ended = stage.apply(run)
    assert ended.state is RunState.FAILED
    assert ended.why == "step back: ecs:UpdateService is denied (nothing was changed)"
    assert stage.states(run) == {"back": StepState.NOT_DONE}


def test_a_change_without_an_answer_is_asked_once_and_then_looked_at(stage: Stage, cloud: Running) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    cloud.state.faults.add([FaultRule(fault="server_error", service="ecs", operation="UpdateService")])
    before = cloud.stats()["calls"].get("ecs:UpdateService", 0)
    ended = stage.apply(run)
    assert (ended.state, stage.states(run)) == (RunState.FAILED, {"back": StepState.NOT_DONE})
    assert cloud.stats()["calls"]["ecs:UpdateService"] == before + 1


def test_what_somebody_changed_since_is_not_taken_back(stage: Stage, cloud: Running) -> None:
    run = stage.run(ROLL_BACK, WHERE, resource="quiz-api")
    stage.approve(run)
    stage.apply(run)
    next(iter(cloud.state.doings.rollouts.values())).definition = "quiz-api:40"
    with pytest.raises(RunbookError, match="somebody has changed it since"):
        stage.rollback(run)


CHANGES = {
    "alarm.disable_actions": ("dhbw-prod", "{alarm: lecture-web-5xx}", "its actions are on again"),
    "alarm.enable_actions": ("dhbw-prod", "{alarm: lecture-db-storage}", "its actions are off again"),
    "asg.set_desired": ("dataplat-prod", "{group: kafka-connect, desired: 28}", "back to 24 machines"),
    "cfn.rollback": ("unilux-prod", "{stack: lecture-services}", "nothing: the update can be made again"),
    "ecs.force_new_deployment": ("dhbw-prod", "{service: quiz-api}", "nothing to undo: the same tasks are started again"),
    "ecs.scale": ("dhbw-prod", "{service: quiz-api, desired: 5}", "back to 3 tasks"),
    "ecs.set_task_definition": ("dhbw-prod", "{service: quiz-api, to: 'quiz-api:40'}", "back to quiz-api:42"),
    "lambda.put_concurrency": ("edt-prod", "{function: grade-export, reserved: 5}", "back to no limit of its own"),
    "lambda.set_alias": ("edt-prod", "{function: grade-export, alias: live}", "back to version 7"),
    "ssm.run_command": ("dhbw-prod", "{document: Opsbot-DropCaches, machines: [i-07aadea97ac20196f]}", "nothing: a command is not taken back"),
    "ssm.start_automation": ("dhbw-prod", "{document: Opsbot-ClearCache, parameters: {Name: main}}", "only what the document itself undoes"),
}  # fmt: skip


@pytest.mark.parametrize("uses", CHANGES)
def test_every_change_works_shows_and_is_taken_back(stage: Stage, cloud: Running, uses: str) -> None:
    account = stage.environment("dhbw-prod").account_id
    cloud.state.doings.muted[account, "eu-central-1", "lecture-db-storage"] = False
    place, given, undo = CHANGES[uses]
    text = f"---\nid: one\n---\n# One\n\n```step\n{{id: it, uses: {uses}, with: {given}, verify: {{every: 1s, timeout: 5s}}}}\n```\n"
    run = stage.run(text, place)
    assert [write.undo_says for write in run.writes] == [undo]
    assert run.digest == planning.digest(stage.kept(run))
    stage.approve(run)
    assert (stage.apply(run, text).state, stage.said[-1]) == (RunState.APPLIED, "it: verified: it shows")
    if run.writes[0].undo:
        assert stage.rollback(run).state is RunState.ROLLED_BACK
        again = stage.run(text, place)
        assert dict(again.writes[0].before).get("version") == dict(run.writes[0].before).get("version")


def test_every_change_is_here_and_says_what_it_must_be_allowed() -> None:
    changing = {name: action.change for name, action in ACTIONS.items() if action.change}
    assert set(changing) == set(CHANGES)
    calls = {
        f"{service}:{''.join(part.title() for part in one.split('_'))}"
        for service, ones in WRITES.items()
        for one in ones
    }
    allowed = {one for change in changing.values() if change for one in change.writes}
    assert {action_of(call) for call in calls} == allowed - {"iam:PassRole"}


@pytest.mark.parametrize(
    ("uses", "given", "why"),
    [
        pytest.param("ecs.scale", "{service: quiz-api, desired: 3}", "it has 3 tasks already", id="as it is"),
        pytest.param("ecs.set_task_definition", "{service: quiz-api, to: 'quiz-api:42'}", "it runs quiz-api:42 already", id="same definition"),
        pytest.param("alarm.enable_actions", "{alarm: lecture-web-5xx}", "its actions are on already", id="on already"),
        pytest.param("cfn.rollback", "{stack: lecture-services}", "it is UPDATE_COMPLETE, and from there nothing leads back", id="nothing hangs"),
        pytest.param("asg.set_desired", "{group: kafka-connect, desired: 33}", "the group allows 6 to 32: its own limits come first", id="past its limit"),
    ],
)  # fmt: skip
def test_a_change_that_must_not_be_made_is_not_planned(stage: Stage, uses: str, given: str, why: str) -> None:
    place = "dataplat-prod" if uses.startswith("asg") else "dhbw-prod"
    run = stage.run(f"# One\n\n```step\n{{id: it, uses: {uses}, with: {given}}}\n```\n", place)
    assert (run.state, only(run, "it").why) == (RunState.LOOKED, f"not planned: {why}")


def test_a_rollout_in_progress_is_not_started_anew(stage: Stage) -> None:
    run = stage.run(
        "# One\n\n```step\n{id: it, uses: ecs.force_new_deployment, with: {service: quiz-api}}\n```\n", WHERE
    )
    assert only(run, "it").why == "not planned: a rollout is in progress: look at it first, or roll it back"


def test_a_stack_that_is_taken_back_heals_the_service_it_hung_on(stage: Stage) -> None:
    text = "# One\n\n```step\n{id: it, uses: cfn.rollback, with: {stack: lecture-services}}\n```\n"
    run = stage.run(text, WHERE)
    assert run.writes[0].calls == "cloudformation:CancelUpdateStack lecture-services"
    stage.approve(run)
    assert stage.apply(run, text).state is RunState.APPLIED
    seen = [only(stage.run(ROLL_BACK, WHERE, resource="quiz-api"), "svc").answer for _ in range(3)][-1]
    assert seen is not None
    assert (seen.values["running"], seen.values["rollout"]) == (3, "COMPLETED")


@pytest.mark.parametrize(
    ("status", "call"),
    [
        pytest.param("UPDATE_ROLLBACK_FAILED", "ContinueUpdateRollback", id="its rollback failed"),
        pytest.param("UPDATE_FAILED", "RollbackStack", id="its update failed"),
        pytest.param("UPDATE_IN_PROGRESS", "CancelUpdateStack", id="its update hangs"),
    ],
)
def test_each_state_of_a_stack_has_its_one_call(status: str, call: str) -> None:
    change = ACTIONS["cfn.rollback"].change
    assert change is not None
    given = ACTIONS["cfn.rollback"].parse({"stack": "web"})
    assert change.intend(given, Answer(headline="", values={"status": status})).calls == f"cloudformation:{call} web"
    assert change.reached(given, Answer(headline=""), Answer(headline="", values={"status": status})) is False


@pytest.mark.parametrize("document", ["AWS-RunShellScript", "AWS-RunPowerShellScript", "AWS-RunRemoteScript"])
def test_no_command_runs_any_text_as_a_script(stage: Stage, document: str) -> None:
    given = f"{{document: {document}, machines: [i-07aadea97ac20196f], parameters: {{commands: reboot}}}}"
    with pytest.raises(RunbookError, match="runs any text as a script"):
        stage.run(f"# One\n\n```step\n{{id: it, uses: ssm.run_command, with: {given}}}\n```\n", "dhbw-prod")


def test_a_group_shows_what_was_done_to_it(stage: Stage) -> None:
    change = "# One\n\n```step\n{id: it, uses: asg.set_desired, with: {group: kafka-connect, desired: 28}}\n```\n"
    run = stage.run(change, "dataplat-prod")
    stage.approve(run)
    assert stage.apply(run, change).state is RunState.APPLIED
    look = "# One\n\n```step\n{id: it, uses: asg.group, with: {group: kafka-connect}}\n```\n"
    seen = only(stage.run(look, "dataplat-prod"), "it").answer
    assert seen is not None
    assert seen.headline == "28 of 28 machines in service, from 6 to 32 allowed"
    assert seen.rows[0][1] == "Successful"
