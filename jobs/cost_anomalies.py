"""Cost anomalies: money that runs away is found the next morning, with the reason; silent otherwise."""

from datetime import timedelta

from opsbot.api import (
    Context,
    CostSensitivity,
    Finding,
    Grave,
    Job,
    Limits,
    Outcome,
    Report,
    Settings,
    Thrift,
    billed,
    cost_background,
    cost_cards,
    cost_findings,
    cost_headline,
    cost_lede,
    cost_quiet,
    cost_sections,
    savings,
    savings_section,
)


class Least(Settings):
    """What is worth an alert: an excess of at least so much a day, in USD and in percent of the payer's daily bill.
    `strict` is how far above chance it must be: 0.8 tells more and errs more, 1.2 the other way round."""

    min_usd: float = 4.0
    min_percent: float = 0.8
    strict: float = 1.0


class CostAnomalies(Least):
    """Set in `[jobs.cost_anomalies]`. `payers` gives single payers their own `min_usd`, `min_percent` and `strict`.
    An anomaly is critical above `critical_usd` a day, or above `critical_percent` of the payer's daily bill. With `savings`
    it also looks for what could be saved; `thrift` says what counts as that."""

    critical_usd: float = 50.0
    critical_percent: float = 10.0
    requests_a_day: int = 10
    requests_a_month: int = 310
    savings: bool = True
    thrift: Thrift = Thrift()
    payers: dict[str, Least] | None = None


def sensitivity(least: Least) -> CostSensitivity:
    return CostSensitivity(floor_usd=least.min_usd, floor_share=least.min_percent / 100, strict=least.strict)


def run(ctx: Context, settings: CostAnomalies) -> Outcome:
    own = settings.payers or {}
    bills = billed(
        ctx,
        sensitivity=sensitivity(settings),
        per_payer={name: sensitivity(least) for name, least in own.items()},
        limits=Limits(per_day=settings.requests_a_day, per_month=settings.requests_a_month),
        grave=Grave(usd_a_day=settings.critical_usd, percent=settings.critical_percent),
    )
    behind = cost_background(ctx, bills)
    findings = cost_findings(bills, ctx.now, behind)
    # After the bills: what Cost Explorer may be asked today is theirs first.
    spare: tuple[Finding, ...] = ()
    if settings.savings:
        per = {"per_day": settings.requests_a_day, "per_month": settings.requests_a_month}
        spare = savings(ctx, settings.thrift, **per)
    return Outcome(
        findings=(*findings, *spare),
        report=Report(
            title="Cost anomalies",
            period=ctx.window,
            headline=cost_headline(bills),
            lede=cost_lede(bills),
            idle=not bills.spending and not spare,
            quiet=cost_quiet(bills, (*findings, *spare)),
            cards=cost_cards(bills, findings),
            sections=cost_sections(
                bills, (*findings, *spare), behind=behind, also=(savings_section(spare),) if settings.savings else ()
            ),
        ),
    )


job = Job(run=run, schedule="30 7 * * *", settings=CostAnomalies, window=timedelta(days=42))
