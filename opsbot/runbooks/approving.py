"""Another person's word for a plan: bound to its digest, good for minutes, and never one's own."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

from opsbot.audit import Act
from opsbot.errors import RunbookError
from opsbot.model.actor import Actor, differ
from opsbot.model.runbook import Approval, RunbookRun, RunState
from opsbot.ports.incidents import Audit, Journal
from opsbot.runbooks import planning


def approve(journal: Journal, audit: Audit, run: RunbookRun, actor: Actor, now: datetime) -> RunbookRun:
    """PLANNED becomes APPROVED. Raises RunbookError with the reason, which is written down as well."""
    until = now + run.approve.expires
    if why := _refusal(run, actor, now):
        audit.add(act("runbook.approve.refused", run, actor, now, why=why))
        raise RunbookError(f"{run.id} is not approved: {why}", hint=f"see: opsbot runbook replay {run.id}")
    approval = Approval(actor=actor, digest=run.digest, at=now, until=until)
    return journal.approve(run.number, approval, act("runbook.approve", run, actor, now, digest=run.digest))


def _refusal(run: RunbookRun, actor: Actor, now: datetime) -> str:
    if run.state is not RunState.PLANNED:
        return f"it is {run.state}"
    if now - run.at > run.approve.expires:
        return f"the plan is older than {int(run.approve.expires.total_seconds() // 60)} min; make it anew"
    if run.digest != planning.digest(run):
        return "what is kept of it is not what was planned"
    if why := differ(run.actor, actor):
        return why
    if not any(
        fnmatchcase(name, glob) for glob in run.approve.by for name in (actor.arn, actor.login, actor.short) if name
    ):
        return f"{actor.short} is not among those who may: {', '.join(run.approve.by)}"
    return ""


def stands(run: RunbookRun, now: datetime) -> str:
    """Why an approval does not hold, "" if it does."""
    if run.state is RunState.PLANNED:
        return f"nobody has approved it; somebody else does with: opsbot runbook approve {run.id}"
    if run.state is not RunState.APPROVED or run.approval is None:
        return f"it is {run.state}; a plan is carried out once"
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
