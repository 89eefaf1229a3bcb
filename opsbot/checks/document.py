"""The page about the shipped checks, `docs/checks.md`: made from the catalogue, so that it cannot say anything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from opsbot.checks.asking import MetricSettings
from opsbot.checks.estate import AREAS
from opsbot.checks.fact import FactSettings
from opsbot.checks.kind import common
from opsbot.checks.log_settings import LogSettings
from opsbot.checks.seasonal import SeasonalSettings
from opsbot.evaluate.seasonal import Direction
from opsbot.model.check import Check, Missing
from opsbot.model.period import show_duration

# GetMetricData: $0.01 for 1,000 metrics asked; up to five statistics of one metric in a call count once.
USD_PER_METRIC = 0.01 / 1000

_HEAD = """# The checks that ship

Made from `opsbot/checks/catalogue.toml`; change it there, or change a check for yourself in `config.toml` under the
same name. `opsbot checks` shows what holds for your environments.

- **Rule**: `> 80 % for 10m` must hold for every point of ten minutes; `> 1 % for 3 periods` for three points;
  `> 10 3 of 5` for three of the last five. The worst rule that is broken speaks.
- **No data is** what missing points mean: `unknown` is told as such, `breaching` counts as broken, `notBreaching` as
  well, `ignore` keeps the state before, `zero` stands for a metric that is only sent when something happens.
- **Judged only above** is a floor: with less traffic in a period than that, the period is not judged.
- Points younger than the namespace's settle delay are drawn and not judged.
- **Cost**: CloudWatch bills $0.01 for 1,000 metrics asked. A metric that several checks read is asked once, and up to
  five statistics of it count once. Describe calls are free. Costs are for one run a day.
- **Logs** are billed by what is scanned, $0.005 a GB; see [logs](#what-scanning-logs-costs).
"""

_OWN = """## A check of your own

```toml
[[checks]]
name = "render-queue"
where = { service = "sqs", name = "render-*", tag.team = "media", tier = "production" }
metric = "AWS/SQS ApproximateNumberOfMessagesVisible"
statistic = "Maximum"
warning = "> 500 for 15m"
critical = "> 5000 for 15m"
missing = "zero"
runbook = "high-load"

[checks.overrides."dhbw-*"]          # also "tenant:dhbw", "tier:staging", "tag:team=media"; the last that fits wins
warning = "> 900 for 15m"
```

- `name`: small letters, digits and hyphens; that of a shipped check changes it field by field.
- `kind`: `metric` (CloudWatch series) or `fact` (a number of a describe call), told by the other keys; `seasonal`: a
  CloudWatch series against its own past, and its rules judge a score from 0 to 1, `"> 0.5"`; `logs`: lines, counted by
  Logs Insights and judged like a metric.
- `title`, `noun`, `means`, `area`: the words of reports: heading, subject of the sentence, what it does to users,
  column.
- `says`: the whole sentence, with places in braces: `{value}`, `{bound}`, `{limit}`, `{for}`, `{raw}`, `{of}`,
  `{baseline}`, `{window}`, `{detail}`, and the inputs by name.
- `where`: `service` or `resource`; `name`, `tag`, `environment`, `tenant`, `tier` as globs. A name without a glob
  must be there: if it is not found, that is a finding.
- `requires`: facts or `"dimension:<name>"` the resource must have, as globs; `!` in front turns one round.
- `expect`: the fewest resources there must be.
- `critical`, `warning`, `info`: a rule, a list of rules, or `"off"`.
- `missing`: what missing points mean; see above.
- `unit`: percent, seconds, milliseconds, bytes, count, days, usd or score; told by `%` and the like in a rule.
- `runbook`, `owner`, `enabled`, `overrides`: overrides can hold these, the rules and `missing`. Tags are matched
  one at a time: of several the last.
- `metric`, or `inputs` with `expression`: `"Namespace Name"`; several by name, joined by + - * / and parentheses.
  An input can be `{ metric, statistic, fill }`.
- `statistic`, `period`: Average, Sum, Minimum, Maximum, SampleCount, p95 ...; whole minutes.
- `dimensions`: added to the resource's own or in place of them; `{fact:x}`, `{tag:x}`, `{name}`, `{region}` are
  filled in.
- `by`: the dimension names of a custom metric: one resource for each combination CloudWatch lists.
- `scale`: the value is multiplied by this first.
- `limit`: a fact: the value becomes percent of it; `used = true`: percent that is not free; `limit_optional =
  true`: say nothing where AWS does not tell it.
- `baseline`: `"4w"`: percent of the mean of the same hour of four weeks, two of which must be there.
- `floor`: `{ invocations = 20 }`: below that a point is not judged; `baseline` stands for the usual value.
- `judge`: `window`: a breach anywhere in the window counts, not only now.
- `settle`: how old a point must be before it is judged, where the namespace's own delay is wrong.
- `direction`, `min_effect`, `min_change`: of a `seasonal` check: `up`, `down` or `both`; the least difference as a share
  of the usual (0.2 = 20 %) and in the metric's unit.
- `alerts_per_month`: at most so many anomalies of one series are told in 30 days; the threshold sets itself by it.
- `history`, `lasts`: what is learnt from (4 weeks of hours unless `period` says otherwise; it costs as much as one
  day), and how long an anomaly counts as present.
- `fact`, `since_fact`, `detail_fact`: the number; since when (epoch seconds), which a rule's `for` counts from;
  text put behind the sentence.
- `count`: of a `logs` check, a word or a list of words: lines with one of them are counted. Or `query` with `value`:
  commands of Logs Insights up to the counting (`fields`, `filter`, `parse`), and the statistic that is judged,
  `"count(*)"` or such as `"pct(@duration, 95)"`.
- `log_group`: where the lines of a resource are, `"/aws/lambda/{name}"`; nothing for `where = { resource = "log-group" }`.
- `per`: a count of five minutes told per `"1m"`. `by`, `parse`: of a `logs` check the field that a breach is told by, and
  the regular expression that finds it in a line, `/source=(?<source>\\S+)/`.
"""

_SCANS = """## What scanning logs costs

Logs Insights bills $0.005 for each GB that a query reads, which is a hundredth of what CloudWatch took for taking the
lines in. All shipped checks that count words share **one scan** of each log group in a run, whichever words they are;
whom or what the lines of a breach are about is asked once more, of its own hours alone. A daily run over groups that
take in 10 GB a day costs $0.05. `--estimate` says it beforehand, from what the groups store and how long they keep it;
what was scanned is counted and stands in the report.

Logs never take more than half of `defaults.max_usd_per_run`: beyond that the dearest groups are not asked, and each says
so. To leave a large one out: `where = { resource = "log-group", name = ["/aws/lambda/*"] }` under the check's name.

`lambda-memory` and `lambda-cold-starts` are off, because they scan the functions' groups once more (both together once);
`enabled = true` switches them on.
"""


def page(checks: Sequence[Check]) -> str:
    """The whole page, ending in a newline."""
    parts = [_HEAD, _OWN, _costs(checks), _SCANS]
    parts += [_area(area, [check for check in checks if check.area == area]) for area in AREAS]
    return "\n".join(parts)


def _costs(checks: Sequence[Check]) -> str:
    by_kind: dict[str, set[str]] = defaultdict(set)
    for check in checks:
        for kind in check.where.kinds:
            by_kind[kind] |= _metrics(check)
    rows = [
        (f"`{kind}`", str(len(metrics)), _usd(len(metrics)), f"${len(metrics) * USD_PER_METRIC * 30 * 100:.2f}")
        for kind, metrics in sorted(by_kind.items())
        if not kind.startswith("metric:")
    ]
    custom = sum(len(metrics) for kind, metrics in by_kind.items() if kind.startswith("metric:"))
    rows.append(("custom metrics, each customer", str(custom), _usd(custom), f"${custom * USD_PER_METRIC * 3000:.2f}"))
    heads = ("resource", "metrics asked", "a resource and day", "100 resources, 30 days")
    return "## What looking costs\n\n" + _table(heads, rows)


def _area(area: str, checks: Sequence[Check]) -> str:
    heads = ("check", "looks at", "critical", "warning", "info", "no data is", "judged only above", "cost a day")
    return f"## {area}\n\n" + _table(heads, [_row(check) for check in checks]) + "\n" + _meanings(checks)


def _meanings(checks: Sequence[Check]) -> str:
    return "".join(f"- `{check.name}`: {check.means} Runbook: `{check.runbook}`.\n" for check in checks)


def _row(check: Check) -> tuple[str, ...]:
    missing = "unknown" if check.missing is Missing.UNKNOWN else str(check.missing)
    rules = (", ".join(_code(rule.text) for rule in check.rules if rule.status == status) for status in _SPOKEN)
    return (f"`{check.name}`", _looks_at(check), *rules, missing, _floor(check), _cost(check))


_WAYS = {Direction.UP: "upward", Direction.DOWN: "downward", Direction.BOTH: "both ways"}
_SPOKEN = ("critical", "warning", "info")


def _looks_at(check: Check) -> str:
    return "; ".join(_parts(check))


def _parts(check: Check) -> Iterator[str]:
    settings = check.settings
    if isinstance(settings, MetricSettings):
        what = _code(settings.expression.text) if settings.expression and len(settings.inputs) > 1 else ""
        statistic = settings.statistics if len(settings.inputs) == 1 else ""
        yield " ".join(part for part in (what, settings.metrics, statistic, show_duration(settings.period)) if part)
        if settings.limit:
            known = ", where it is known" if settings.limit_optional else ""
            yield f"percent of {_code(settings.limit)}{' that is used' if settings.used else ''}{known}"
        if settings.weeks:
            yield f"percent of the same hour of {settings.weeks} weeks"
        if settings.window:
            yield "anywhere in the window"
        if isinstance(settings, LogSettings) and settings.told_by:
            yield f"told by {_code(settings.told_by)}"
        if isinstance(settings, SeasonalSettings):
            yield f"against its own last {show_duration(settings.history)}, {_WAYS[settings.direction]}"
    elif isinstance(settings, FactSettings):
        yield f"describe calls: {_code(settings.fact)}" + (f" of {_code(settings.limit)}" if settings.limit else "")
    for key, want in common(check).requires:
        yield f"only where {_code(f'{key} = {want}')}"


def _floor(check: Check) -> str:
    settings = check.settings
    floor = settings.floor if isinstance(settings, MetricSettings) else ()
    return ", ".join(f"{least:g} {name}" for name, least in floor)


def _metrics(check: Check) -> set[str]:
    if isinstance(check.settings, LogSettings) or not isinstance(check.settings, MetricSettings):
        return set()
    return set(map(str, check.settings.inputs))


def _cost(check: Check) -> str:
    return "by scan" if isinstance(check.settings, LogSettings) else _usd(len(_metrics(check)))


def _usd(metrics: int) -> str:
    return f"${metrics * USD_PER_METRIC:.5f}" if metrics else "free"


def _code(text: str) -> str:
    return f"`{text}`"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
