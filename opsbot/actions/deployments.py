"""`deployments`: what was deployed lately, of all that CloudTrail says; the first suspect of every new trouble."""

from __future__ import annotations

from datetime import timedelta

from opsbot.actions import cloudtrail
from opsbot.actions.action import Action, Bench, Given, Span
from opsbot.actions.telling import many
from opsbot.model.runbook import Answer
from opsbot.model.trail import deploys


class DeploymentsGiven(Given):
    """`about` marks those that name this resource."""

    since: Span = timedelta(hours=6)
    about: str = ""


def look(bench: Bench, given: DeploymentsGiven) -> Answer:
    """Raises CloudError."""
    found = [one for one in cloudtrail.changes(bench, given.since) if deploys(str(one.get("EventName", "")))]
    ours = [one for one in found if given.about and cloudtrail.names(one, given.about)]
    hours = f"{given.since.total_seconds() / 3600:g} h"
    if not found:
        return Answer(headline=f"nothing was deployed in {hours}", values={"count": 0, "ours": 0})
    last = cloudtrail.row((ours or found)[0], bench.now)
    whose = f", {len(ours)} of {given.about}" if given.about else ""
    return Answer(
        headline=f"{many(len(found), 'deployment')} in {hours}{whose}; the last: {last[2]} {last[3]} by {last[1]} at {last[0]}",
        rows=tuple(cloudtrail.row(event, bench.now) for event in (ours or found)[:10]),
        values={"count": len(found), "ours": len(ours), "who": last[1]},
        alarming=bool(ours),
    )


ACTION = Action(
    name="deployments",
    about="what was deployed in the last hours, and by whom",
    given=DeploymentsGiven,
    look=look,
    reads=cloudtrail.READS,
)
