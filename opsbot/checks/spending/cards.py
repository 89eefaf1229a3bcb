"""What changed since the last run: the anomalies that changed, as cards, and whether anything did."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, time

from opsbot.checks.spending.findings import ACTUAL, FORECAST
from opsbot.checks.spending.headline import ended, explained
from opsbot.checks.spending.life import Life, Stage
from opsbot.checks.spending.reading import Billed, loud
from opsbot.checks.spending.report import TOLD
from opsbot.model.finding import Finding
from opsbot.model.report import Card
from opsbot.model.status import Status

_TROUBLE = (Status.WARNING, Status.CRITICAL)


def cost_cards(all: Billed, findings: Sequence[Finding]) -> tuple[Card, ...]:
    """One for each anomaly that opened, grew, ended or was explained since the last run. What the report only lists, for
    there is so much of it, begins none."""
    by_key = {finding.key: finding for finding in findings}
    full = {life.key for _, life in loud(all)[:TOLD]}
    cards: dict[str, Card] = {}
    for life in _changed(all):
        cards.setdefault(life.key, _card(life, by_key[life.key], opens=life.key in full))
    return tuple(cards.values())


def cost_quiet(all: Billed, findings: Sequence[Finding]) -> bool:
    """Whether nothing happened to any bill since the last run: no anomaly changed, no budget was crossed, and nothing went
    unread that was read before. `findings` are all of the run."""
    return bool(all.spending) and not _changed(all) and not any(_is_new(all, finding) for finding in findings)


def _changed(all: Billed) -> list[Life]:
    said = [life for _, life in explained(all) if life.news]
    return [*(life for _, life in loud(all)), *(life for _, life in ended(all)), *said]


def _is_new(all: Billed, finding: Finding) -> bool:
    crossed = finding.check in (ACTUAL, FORECAST) and finding.status in _TROUBLE
    unseen = finding.status is Status.UNKNOWN
    return (crossed or unseen) and all.known.get(finding.key) is not finding.status


def _card(life: Life, finding: Finding, *, opens: bool) -> Card:
    return Card(
        finding=finding,
        change=str(life.stage),
        begun=datetime.combine(life.opened, time(), UTC),
        over=life.stage is Stage.OVER,
        opens=opens,
        close=f"opsbot ack {shlex.quote(life.key)} --as expected" if life.open else "",
    )
