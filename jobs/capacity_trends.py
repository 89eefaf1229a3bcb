"""Capacity: when does what reach its limit, with what odds, and by when must somebody act."""

from datetime import timedelta

from opsbot.api import (
    CapacitySettings,
    Context,
    Job,
    Outcome,
    Report,
    capacity_headline,
    capacity_lede,
    capacity_sections,
    forecast,
)


def run(ctx: Context, settings: CapacitySettings) -> Outcome:
    found = forecast(ctx, settings)
    return Outcome(
        findings=found.findings,
        report=Report(
            title="Capacity",
            period=ctx.window,
            sections=capacity_sections(found),
            headline=capacity_headline(found),
            lede=capacity_lede(found),
            idle=not ctx.environments,
        ),
        forecasts=found.noted,
    )


job = Job(
    run=run,
    schedule="30 7 * * MON",
    settings=CapacitySettings,
    window=timedelta(days=90),
    timeout=timedelta(minutes=20),
)
