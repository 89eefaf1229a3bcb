"""How a judgement becomes a Finding: INFO with the saving in its evidence, or OK where nothing is to be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from opsbot.checks.found import well
from opsbot.checks.kind import Subject, When
from opsbot.checks.matching import labels_of
from opsbot.evaluate.costdata.verdicts import Meaning, Verdict
from opsbot.evaluate.savings import AS_OF, Saving, Thrift
from opsbot.model.check import Check
from opsbot.model.finding import Evidence, Finding
from opsbot.model.resource import Resource
from opsbot.model.status import Status

SMALLER = "smaller ones"
LIST_PRICE = f"list price of {AS_OF}, before your discounts"


def told(check: Check, subject: Subject, when: When, saving: Saving) -> Finding:
    """One resource that could be done without."""
    resource = subject.resource
    evidence: Evidence = (
        *money(saving.usd_month, saving.how, saving.confidence, LIST_PRICE),
        ("account", subject.environment.account_id),
        ("region", resource.region),
        ("resource_id", id_of(resource)),
        *saving.evidence,
    )
    return replace(
        well(check, subject, when, saving.usd_month, saving.summary),
        status=Status.INFO,
        means=check.means,
        evidence=evidence,
    )


def money(usd: float | None, how: str, confidence: str, basis: str) -> Evidence:
    """What every saving says of its figure."""
    return (
        ("saving_usd_month", None if usd is None else round(usd, 2)),
        ("how", how),
        ("confidence", str(confidence)),
        ("basis", basis),
    )


def id_of(resource: Resource) -> str:
    """What AWS itself calls it in its advice."""
    return str(
        resource.fact("id")
        or resource.fact("volume")
        or dict(resource.dimensions).get("InstanceId")
        or resource.arn
        or resource.name
    )


def fewer(check: Check, subject: Subject, when: When, many: Sequence[Saving], thrift: Thrift) -> Finding:
    """Savings too small to be told alone; still too small together, they are only counted."""
    together = sum(one.usd_month or 0.0 for one in many)
    environment = subject.environment
    resource = Resource(kind=subject.resource.kind, name=SMALLER, region=environment.home_region)
    all_of_them = Subject(environment, resource, labels_of(environment), "")
    if together < thrift.least_usd:
        return well(
            check, all_of_them, when, together, f"{len(many)} that are worth {together:.2f} USD a month together"
        )
    most = max(many, key=lambda one: one.usd_month or 0.0)
    saving = Saving(
        summary=f"{len(many)} more, each below {thrift.least_usd:g} USD a month; the largest: {most.summary}",
        how=f"sum of {len(many)}; the largest: {most.how}",
        confidence=min((one.confidence for one in many), key=("low", "medium", "high").index),
        usd_month=together,
    )
    return told(check, all_of_them, when, saving)


def left_out(check: Check, subjects: Sequence[Subject], when: When, why: str) -> Finding:
    """Not judged, and that is no fault: said once, as something well."""
    one = subjects[0]
    name = one.resource.name if len(subjects) == 1 else f"{len(subjects)} not judged"
    resource = Resource(kind=one.resource.kind, name=name, region=one.resource.region)
    aside = Subject(one.environment, resource, labels_of(one.environment), "")
    return replace(well(check, aside, when, None, why), evidence=(("not_judged", len(subjects)), ("why", why)))


def explained(finding: Finding, verdict: Verdict | None) -> Finding:
    """What somebody called expected or planned is not told again."""
    if verdict is None or verdict.meaning is Meaning.REAL or finding.status is not Status.INFO:
        return finding
    reason = f": {verdict.reason}" if verdict.reason else ""
    said = f"{verdict.meaning}, says {verdict.who}{reason}"
    return replace(finding, status=Status.OK, summary=said, evidence=(("explained", said), *finding.evidence))
