"""Probes in a report: `probed` is to them what `observe` is to the checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opsbot.checks import uptime_findings
from opsbot.checks.uptime_seen import Seen, look
from opsbot.evaluate.standing import PROBER
from opsbot.job import Context
from opsbot.model.finding import Finding
from opsbot.model.maintenance import Maintenance
from opsbot.model.period import Period
from opsbot.model.uptime import Flip


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """All probes, and what is to be told of them; with `flips` only of those whose standing changed."""

    seen: tuple[Seen, ...]
    findings: tuple[Finding, ...]
    flips: tuple[Flip, ...]
    window: Period
    now: datetime
    zone: str
    planned: tuple[Maintenance, ...] = ()


def probed(ctx: Context) -> Probed:
    """What probes said until now, as findings and as figures for a report. Raises StoreError."""
    seen = look(ctx)
    if ctx.flips:
        findings = uptime_findings.of_flips(seen, ctx.flips, ctx.now)
    else:
        findings = tuple(finding for one in seen for finding in uptime_findings.of(one, ctx.now))
    kept = ctx.looking.uptime
    if kept is not None and (ctx.looking.probes or ctx.flips):
        findings += tuple(uptime_findings.of_prober(kept.standings().get(PROBER), ctx.flips, ctx.now))
    return Probed(
        seen=seen, findings=findings, flips=ctx.flips, window=ctx.window, now=ctx.now, zone=ctx.zone,
        planned=tuple(one for one in ctx.looking.maintenance if any(one.means_probe(probe.environment, probe.name)
        for probe in ctx.looking.probes)),
    )  # fmt: skip
