"""`probe`: one look from outside, on a fresh connection, as `opsbot probe` does it."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from opsbot.actions.action import Action, Bench, Given
from opsbot.actions.telling import said
from opsbot.model.probe import ProbeState
from opsbot.model.runbook import Answer


class ProbeGiven(Given):
    """`url` begins with its scheme: https, http, tcp, tls, dns, wss."""

    url: str = Field(pattern=r"^(https?|tcp|tls|dns|wss?)://[^\s]+$", max_length=2000)


def look(bench: Bench, given: ProbeGiven) -> Answer:
    """Never raises for what the target does."""
    result = bench.probe(given.url)
    took = f" in {result.seconds * 1000:.0f} ms"
    why = f": {said(result.why)}" if result.why else ""
    return Answer(
        headline=f"{result.state.value}{took}{why}",
        values={
            "state": result.state.value,
            "seconds": result.seconds,
            "why": said(result.reason or "", 60),
            "status": result.status,
        },
        alarming=result.state is not ProbeState.UP,
    )


ACTION = Action(
    name="probe", about="one look from outside, now", given=ProbeGiven, look=look, timeout=timedelta(seconds=15)
)
