"""Weekly report: what the week was and what has to be decided, for a team, its manager and its customer."""

from datetime import timedelta

from opsbot.api import (
    Context,
    Job,
    Outcome,
    Report,
    WeeklySettings,
    week,
    weekly_findings,
    weekly_headline,
    weekly_lede,
    weekly_sections,
)


def run(ctx: Context, settings: WeeklySettings) -> Outcome:
    found = week(ctx, settings)
    return Outcome(
        findings=weekly_findings(found),
        report=Report(
            title=f"Weekly report, {found.calendar.title}",
            period=found.calendar.this,
            sections=weekly_sections(found),
            headline=weekly_headline(found),
            lede=weekly_lede(found),
        ),
    )


job = Job(
    run=run,
    schedule="0 8 * * MON",
    settings=WeeklySettings,
    window=timedelta(days=7),
    timeout=timedelta(minutes=20),
    parts=True,
)
