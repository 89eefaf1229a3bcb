"""The settings of a check of logs, read from its TOML table with every mistake told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from opsbot.checks import log_text
from opsbot.checks.asking import Input, MetricSettings
from opsbot.checks.common import read_common
from opsbot.checks.log_text import Column
from opsbot.checks.metric_words import PLACES
from opsbot.checks.table import Table
from opsbot.model.check import Check

PERIOD = timedelta(minutes=5)
SETTLE = timedelta(minutes=5)
GROUP = "{name}"
"""Of a log group itself; of any other resource the check says where its lines are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings(MetricSettings):
    """How a log check looks: `column` is what is counted, `log_group` where, with the resource's `{name}` in it. `by` and
    `parse`: the field that a breach is told by."""

    column: Column = field(default_factory=Column)
    log_group: str = GROUP
    told_by: str = ""
    parse: str = ""


def read(table: Table) -> LogSettings:
    period = _period(table)
    column = _column(table)
    # `by` and `parse` are read by nobody else: a metric's `by` lists a namespace.
    told_by = _told_by(table)
    name = " or ".join(word.strip() for word in column.words) or column.value
    return LogSettings(
        common=read_common(table, PLACES),
        inputs=(Input(name="lines", namespace="Logs", metric=name, statistic="Sum" if column.words else ""),),
        period=period,
        scale=_per(table, period),
        window=table.choice("judge", ("now", "window"), "now") == "window",
        settle=table.duration("settle", SETTLE),
        column=column,
        log_group=table.text("log_group", GROUP),
        told_by=told_by,
        parse=table.parsed("parse", table.text("parse"), lambda text: log_text.parsing(text, told_by), "")
        if table.has("parse")
        else "",
    )


def _column(table: Table) -> Column:
    words, query = table.words("count"), table.text("query")
    value = table.text("value", "count(*)")
    if bool(words) == bool(query):
        table.problem("count", 'expected either count, such as "ERROR", or query')
        return Column(words=("ERROR",))
    if words:
        for word in words:
            table.parsed("count", word, log_text.quoted, "")
        return Column(words=words)
    return Column(
        source=table.parsed("query", query, log_text.source, ""),
        value=table.parsed("value", value, log_text.value, "count(*)"),
    )


def _period(table: Table) -> timedelta:
    period = table.duration("period", PERIOD)
    ok = table.parsed("period", str(table.raw.get("period", "5m")), lambda _: log_text.length(period), "")
    return period if ok else PERIOD


def _per(table: Table, period: timedelta) -> float:
    per = table.duration("per", period)
    if per <= timedelta(0) or per > period:
        table.problem("per", f"expected a length up to the period, got {table.raw['per']!r}")
        return 1.0
    return per / period


def _told_by(table: Table) -> str:
    text = table.text("by")
    return table.parsed("by", text, log_text.field_name, "") if text else ""


def settings_of(check: Check) -> LogSettings:
    if not isinstance(check.settings, LogSettings):
        raise TypeError(f"{check.name}: expected log settings, got {type(check.settings).__name__}")
    return check.settings
