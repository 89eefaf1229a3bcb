"""`opsbot _diagnose`: what the daemon starts when a route has opened an incident whose runbook looks by itself."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options
from opsbot.model.runbook import RunState, StepState, Took

if TYPE_CHECKING:
    from datetime import datetime

    from opsbot.cli.runbook_stage import Stage
    from opsbot.model.finding import Finding
    from opsbot.model.incident import Incident
    from opsbot.model.runbook import RunbookRun

log = logging.getLogger(__name__)


@click.command(hidden=True)
@click.pass_obj
def diagnose(options: Options) -> int:
    """Run what the runbooks of new incidents can look at; what they would change is left to people.

    \b
    Example:
      opsbot --home ~/ops _diagnose
    """
    from opsbot import app
    from opsbot.cli.runbook_stage import stage

    there = stage(options)
    try:
        for incident in there.store.incidents().to_look_at(app.now()):
            _look(there, incident, app.now())
    finally:
        there.store.close()
    return 0


def _look(there: Stage, incident: Incident, now: datetime) -> None:
    """One incident, unless another process was faster. Why it could not be looked at stands in its timeline."""
    from opsbot import incidents
    from opsbot.errors import IncidentError, OpsbotError

    by = incidents.By(actor=incidents.OPSBOT, now=now)
    book = there.store.incidents()
    try:
        book.change(incident.number, incidents.looking(by), by.act("look", runbook=incident.runbook))
    except IncidentError:
        return
    try:
        said, trouble = _run(there, incident, now).id, ""
    except OpsbotError as error:
        said = trouble = f"the runbook {incident.runbook} could not look: {error.message}"
        log.warning("runbook failed", extra={"incident": incident.id, "why": error.message})
    book.change(incident.number, incidents.looked(by, trouble), by.act("looked", said=said))


def _run(there: Stage, incident: Incident, now: datetime) -> RunbookRun:
    from opsbot import app
    from opsbot.cli.runbook_stage import book
    from opsbot.cli.runbook_timeline import tell
    from opsbot.errors import RunbookError
    from opsbot.incidents import OPSBOT
    from opsbot.runbooks import knowing, running
    from opsbot.runbooks.approving import act

    finding = _finding(there, incident)
    places = {one.name: one for one in there.config.environments}
    if finding is None or finding.environment not in places:
        raise RunbookError("nothing is known any more of what fired", hint="run it by hand")
    page = book(there.home, incident.runbook)
    environment = places[finding.environment]
    region = knowing.region_of(environment, finding, {})
    names = knowing.known(page, environment, region, finding, {})
    start = running.Start(book=page, names=names, actor=OPSBOT, finding=finding.key, incident=incident.number)
    with there.bench(environment, region, now) as bench:
        run = running.run(start, bench, lambda _: None)
    run = replace(
        run, state=RunState.LOOKED, writes=(), digest="", took=tuple(_only_looked(one, incident) for one in run.took)
    )
    kept = there.store.journal().keep(run, act("runbook.look", run, OPSBOT, now, runbook=run.runbook))
    tell(there.store, kept, app.on_paper(there.config))
    return kept


def _only_looked(took: Took, incident: Incident) -> Took:
    """A plan is asked for by a person, whom another one can then approve."""
    if took.state is not StepState.PLANNED:
        return took
    why = f"not planned: it is time for it; ask with: opsbot runbook run -i {incident.id}"
    return replace(took, state=StepState.SKIPPED, answer=None, why=why)


def _finding(there: Stage, incident: Incident) -> Finding | None:
    """The worst of its alerts that has this runbook, as it was last seen."""
    mine = set(incident.alerts)
    alerts = [one for one in there.store.alerts().all() if one.key in mine]
    alerts.sort(key=lambda one: (one.finding.runbook != incident.runbook, not one.fires, -one.status.rank, one.since))
    return alerts[0].finding if alerts else None
