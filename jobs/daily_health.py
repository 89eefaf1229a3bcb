"""Morning health check: every check in every environment, worst first."""

from opsbot.api import Context, Job, NoSettings, Outcome, Report, last, observe, sections_by_environment


def run(ctx: Context, settings: NoSettings) -> Outcome:
    findings = observe(ctx)
    return Outcome(
        findings=findings,
        report=Report(
            title="Daily health",
            period=last(hours=24, now=ctx.now),
            sections=sections_by_environment(findings),
        ),
    )


job = Job(run=run, schedule="0 7 * * MON-FRI", settings=NoSettings)
