"""Uptime: what the probes say, every morning and whenever something went down or came back."""

from opsbot.api import (
    Context,
    Job,
    NoSettings,
    Outcome,
    Report,
    probed,
    uptime_headline,
    uptime_lede,
    uptime_sections,
)


def run(ctx: Context, settings: NoSettings) -> Outcome:
    seen = probed(ctx)
    return Outcome(
        findings=seen.findings,
        report=Report(
            title="Uptime",
            period=ctx.window,
            sections=uptime_sections(seen),
            headline=uptime_headline(seen),
            lede=uptime_lede(seen),
            idle=not ctx.looking.probes,
        ),
        flips=seen.flips,
    )


job = Job(run=run, schedule="0 8 * * *", settings=NoSettings)
