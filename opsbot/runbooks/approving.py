"""Another person's word for a plan: bound to its digest, good for minutes, and never one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from opsbot.audit import Act
from opsbot.errors import RunbookError
from opsbot.model.actor import Actor, differ
from opsbot.model.incident import Incident
from opsbot.model.runbook import Approval, RunbookRun, RunState
from opsbot.model.status import Priority
from opsbot.ports.incidents import Audit, Journal, Tidings
from opsbot.runbooks import planning

Tell = Callable[[RunbookRun], Tidings | None]
HIGHEST = Priority.P0
_BREAK = timedelta(minutes=5)


def nobody(run: RunbookRun) -> None:
    """For a run that belongs to no incident."""


def approve(
    journal: Journal, audit: Audit, run: RunbookRun, actor: Actor, now: datetime, tidings: Tell = nobody
) -> RunbookRun:
    """PLANNED becomes APPROVED. Raises RunbookError with the reason, which is written down as well."""
    until = now + run.approve.expires
    if why := _refusal(run, actor, now):
        audit.add(act("runbook.approve.refused", run, actor, now, why=why))
        raise RunbookError(f"{run.id} is not approved: {why}", hint=_hint(run, actor))
    approval = Approval(actor=actor, digest=run.digest, at=now, until=until)
    told = act("runbook.approve", run, actor, now, digest=run.digest)
    return journal.approve(run.number, approval, told, tidings(_approved(run, approval)))


def _hint(run: RunbookRun, actor: Actor) -> str:
    if run.state is RunState.PLANNED and differ(run.actor, actor):
        return f"somebody else reads the plan and types: opsbot runbook approve {run.id}"
    return f"see: opsbot runbook replay {run.id}"


def override(
    journal: Journal, audit: Audit, run: RunbookRun, actor: Actor, now: datetime, *,
    reason: str, incident: Incident | None, allowed: bool, tidings: Tell = nobody,
) -> RunbookRun:  # fmt: skip
    """Break-glass: PLANNED becomes APPROVED by whoever is there, for an incident of the highest priority, where the
    configuration allows it. Raises RunbookError with the reason, which is written down as well."""
    if why := _unbreakable(run, reason, incident, allowed) or _stale(run, now):
        audit.add(act("runbook.override.refused", run, actor, now, why=why, reason=reason))
        raise RunbookError(f"{run.id} is not carried out without an approval: {why}", hint="nothing was changed")
    approval = Approval(actor=actor, digest=run.digest, at=now, until=now + _BREAK, reason=reason)
    told = act("runbook.override", run, actor, now, digest=run.digest, reason=reason)
    return journal.approve(run.number, approval, told, tidings(_approved(run, approval)))


def _approved(run: RunbookRun, approval: Approval) -> RunbookRun:
    return replace(run, state=RunState.APPROVED, approval=approval)


def _unbreakable(run: RunbookRun, reason: str, incident: Incident | None, allowed: bool) -> str:
    if not allowed:
        return "that is off; whoever may allow it writes into config.toml: [runbooks] break_glass = true"
    if not reason.strip():
        return "it takes a reason: --reason TEXT"
    if incident is None:
        return "it belongs to no incident; plan it with: opsbot runbook run NAME --incident INC-N"
    if not incident.state.active:
        return f"{incident.id} is resolved"
    return "" if incident.priority is HIGHEST else f"{incident.id} is {incident.priority}, and only {HIGHEST} may do so"


def _stale(run: RunbookRun, now: datetime) -> str:
    """Why there is nothing to approve, "" if there is."""
    if run.state is not RunState.PLANNED:
        return _NEXT.get(run.state, f"it is {run.state}").format(run=run.id)
    if now - run.at > run.approve.expires:
        return f"the plan is older than {int(run.approve.expires.total_seconds() // 60)} min; make it anew"
    return "" if run.digest == planning.digest(run) else "what is kept of it is not what was planned"


_NEXT = {
    RunState.LOOKED: "it only looked, and plans no change",
    RunState.APPROVED: "it is approved already; now: opsbot runbook apply {run}",
    RunState.APPLYING: "it is being carried out",
}


def _refusal(run: RunbookRun, actor: Actor, now: datetime) -> str:
    if why := _stale(run, now) or differ(run.actor, actor):
        return why
    if not any(
        fnmatchcase(name, glob) for glob in run.approve.by for name in (actor.arn, actor.login, actor.short) if name
    ):
        return f"{actor.short} is not among those who may: {', '.join(run.approve.by)}"
    return ""


def stands(run: RunbookRun, now: datetime) -> str:
    """Why an approval does not hold, "" if it does."""
    if run.state is RunState.LOOKED:
        return "it only looked, and plans no change"
    if run.state is RunState.PLANNED:
        return f"nobody has approved it; somebody else does with: opsbot runbook approve {run.id}"
    if run.state is not RunState.APPROVED or run.approval is None:
        because = f" ({run.why})" if run.state is RunState.VOID and run.why else ""
        return f"it is {run.state}{because}; a plan is carried out once: make a new one"
    if run.approval.digest != planning.digest(run):
        return "another plan was approved than the one that is kept"
    if now > run.approval.until:
        return f"the approval expired at {run.approval.until:%H:%M:%S} UTC; make the plan anew"
    if now < run.approval.at:
        return "the clock stands before the approval; set it (chrony, ntpd)"
    return ""


def act(what: str, run: RunbookRun, actor: Actor, now: datetime, **detail: str) -> Act:
    """A row of the audit log about a run."""
    told = tuple(sorted((name, value) for name, value in detail.items() if value))
    return Act(at=now, actor=actor, what=what, about=run.id, environment=run.environment, detail=told)
