"""The kind `fact`: a number that a describe call told, judged as it is or as percent of another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsbot.checks import found
from opsbot.checks.common import read_common
from opsbot.checks.kind import Common, Kind, Queries, Subject, Work
from opsbot.checks.table import Table
from opsbot.checks.words import bound, quantity, sentence, span
from opsbot.model.check import Check, Missing, Rule
from opsbot.model.finding import Evidence, Finding
from opsbot.model.period import from_epoch
from opsbot.model.resource import Resource
from opsbot.model.units import Unit
from opsbot.ports import CustomMetric

PLACES = ("noun", "value", "bound", "limit", "for", "raw", "of", "detail")
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSettings:
    """`limit`: the fact that `fact` becomes percent of. `since_fact`: epoch seconds; a rule's hold counts from there.
    `detail_fact`: text shown behind the sentence."""

    common: Common = field(default_factory=Common)
    fact: str
    limit: str = ""
    since_fact: str = ""
    detail_fact: str = ""


def read(table: Table) -> FactSettings:
    fact = table.text("fact")
    if not fact and not isinstance(table.raw.get("fact"), int | float | bool | list | dict):
        table.problem("fact", 'expected the name of a fact such as "running", got nothing')
    return FactSettings(
        common=read_common(table, PLACES),
        fact=fact,
        limit=table.text("limit"),
        since_fact=table.text("since_fact"),
        detail_fact=table.text("detail_fact"),
    )


def settings_of(check: Check) -> FactSettings:
    if not isinstance(check.settings, FactSettings):
        raise TypeError(f"{check.name}: expected fact settings, got {type(check.settings).__name__}")
    return check.settings


def evaluate(work: Work) -> Iterator[Finding]:
    for subject in work.subjects:
        yield _judged(work, subject)


def _judged(work: Work, subject: Subject) -> Finding:
    check, settings = work.check, settings_of(work.check)
    value = _value(settings, subject.resource)
    if value is None:
        return _absent(work, subject)
    since = _since(settings, subject.resource)
    for rule in check.rules:
        if rule.breached_by(value) and (since is None or work.when.now - since >= rule.hold):
            return _broken(work, subject, rule, value, since)
    return found.well(check, subject, work.when, value)


def _absent(work: Work, subject: Subject) -> Finding:
    """What the check says of a fact that is not there."""
    check, settings = work.check, settings_of(work.check)
    match check.missing:
        case Missing.UNKNOWN:
            why = f"AWS did not tell its {settings.fact}"
            return found.blind(check, subject, work.when, why, evidence=(("fact", settings.fact),))
        case Missing.BREACHING if check.rules:
            return _broken(work, subject, check.rules[0], None, None)
        case _:
            return found.well(check, subject, work.when, None)


def _broken(work: Work, subject: Subject, rule: Rule, value: float | None, since: datetime | None) -> Finding:
    settings = settings_of(work.check)
    return found.broken(
        work.check,
        subject,
        work.when,
        found.Said(
            rule=rule,
            status=rule.status,
            summary=_sentence(work, subject.resource, rule, value, since),
            value=value,
            since=since,
            hold=rule.hold,
            evidence=_evidence(settings, subject.resource),
        ),
    )


def _sentence(work: Work, resource: Resource, rule: Rule, value: float | None, since: datetime | None) -> str:
    check, settings = work.check, settings_of(work.check)
    if value is None:
        return f"AWS did not tell its {settings.fact}, which counts as a breach"
    of = _number(resource, settings.limit)
    raw = _number(resource, settings.fact)
    plain = "{noun} {raw} of {of}{for}, {bound}" if settings.limit else "{noun} {value}{for}, {bound}"
    words = {
        "noun": settings.common.noun,
        "value": quantity(value, check.unit, beside=rule.threshold),
        "bound": bound(rule, check.unit),
        "limit": quantity(rule.threshold, check.unit),
        "for": f" for {span(work.when.now - since)}" if since and since < work.when.now else "",
        "raw": quantity(raw, Unit.COUNT) if raw is not None else "",
        "of": quantity(of, Unit.COUNT) if of is not None else "",
        "detail": _detail(settings, resource),
    }
    return sentence(settings.common.says or plain + "{detail}", words)


def _detail(settings: FactSettings, resource: Resource) -> str:
    detail = resource.fact(settings.detail_fact) if settings.detail_fact else None
    if not detail:
        return ""
    text = " ".join(str(detail).split())
    return f": {text if len(text) <= _LONGEST else text[: _LONGEST - 1] + '…'}"


def _evidence(settings: FactSettings, resource: Resource) -> Evidence:
    names = (settings.fact, settings.limit, settings.since_fact, settings.detail_fact)
    told = ((name, resource.fact(name)) for name in names if name)
    return tuple((name, value) for name, value in told if value is not None)


def _value(settings: FactSettings, resource: Resource) -> float | None:
    value = _number(resource, settings.fact)
    if value is None or not settings.limit:
        return value
    limit = _number(resource, settings.limit)
    # Nothing wanted and nothing there is no outage: a share of zero is not known, it is not zero.
    return value / limit * 100.0 if limit else None


def _number(resource: Resource, name: str) -> float | None:
    value = resource.fact(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _since(settings: FactSettings, resource: Resource) -> datetime | None:
    seconds = _number(resource, settings.since_fact) if settings.since_fact else None
    try:
        return from_epoch(seconds) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def custom(settings: object) -> tuple[CustomMetric, ...]:
    """Facts come from describe calls alone."""
    return ()


def before(check: Check) -> timedelta:
    return timedelta(0)


def plan(check: Check, subject: Subject) -> Queries | str:
    return ()


KIND = Kind(name="fact", settings=read, custom=custom, before=before, plan=plan, evaluate=evaluate)
