"""AWS's own advice beside ours: the same thing is told once, with both figures; what only AWS saw is told as its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from opsbot.checks.found import well
from opsbot.checks.kind import Subject, When
from opsbot.checks.matching import labels_of
from opsbot.checks.savings.rules import rule_check
from opsbot.checks.savings.telling import money
from opsbot.evaluate.savings import Confidence, Thrift
from opsbot.evaluate.savings.advice import PLANS, Advice, Advised, Covered
from opsbot.model.environment import Environment
from opsbot.model.finding import Evidence, Finding
from opsbot.model.resource import Resource
from opsbot.model.status import Status

AWS = rule_check("saving-aws", "AWS's own advice", "AWS watched it for two weeks or longer.")
COMMITMENT = rule_check("saving-commitment", "Low commitment", "Steady use is paid at the highest price there is.")
NOTES = rule_check("saving-advice", "AWS's own advice", "")
BASIS = "AWS's estimate, after your discounts where it knows them"


def merged(
    findings: Sequence[Finding],
    advices: Sequence[Advice],
    environments: Sequence[Environment],
    when: When,
    thrift: Thrift,
    known: Mapping[str, Subject] = MappingProxyType({}),
) -> Iterator[Finding]:
    """Ours with AWS's figure beside it where AWS says the same, then what only AWS says, then what could not be read.

    `known`: what was found in the environments, by the id that AWS's advice goes by.
    """
    open_advice = {_same(one.account, one.resource): one for advice in advices for one in advice.advised}
    for finding in findings:
        told = dict(finding.evidence)
        theirs = open_advice.pop(_same(str(told.get("account", "")), str(told.get("resource_id", ""))), None)
        yield beside(finding, theirs) if theirs and finding.status is Status.INFO else finding
    for advice in advices:
        payer = next(one for one in environments if one.name == advice.payer)
        mine = [one for one in advice.advised if _same(one.account, one.resource) in open_advice]
        buying = [one for one in mine if _buys(one)]
        yield from (
            _alone(one, known.get(one.resource) or _placed(one, payer, environments), when)
            for one in mine
            if not _buys(one)
        )
        yield from _commitment(advice, buying, payer, when, thrift)
        yield from _notes(advice, payer, when)


_UNIQUE = re.compile(r"(i|vol|snap|nat|eipalloc)-[0-9a-f]{8,}")


def _same(account: str, resource: str) -> tuple[str, str]:
    """AWS names some by id and some by ARN. An id is the only one of its kind anywhere, a name is not."""
    tail = resource.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    return "" if _UNIQUE.fullmatch(tail) else account, tail


def beside(finding: Finding, theirs: Advised) -> Finding:
    """The larger of two figures is not the sum: ours stays, AWS's stands beside it; without one of ours AWS's counts."""
    figure = f"{theirs.usd_month:,.2f} {theirs.currency} a month" if theirs.usd_month is not None else "no figure"
    told = dict(finding.evidence)
    also: Evidence = (("aws_usd_month", _usd(theirs)), ("aws_says", f"{theirs.what}: {figure} ({theirs.source})"))
    if told.get("saving_usd_month") is not None or _usd(theirs) is None:
        return replace(finding, evidence=(*finding.evidence, *also))
    mine = money(_usd(theirs), _how(theirs), str(told["confidence"]), BASIS)
    rest = tuple((key, value) for key, value in finding.evidence if key not in dict(mine))
    return replace(finding, value=_usd(theirs), evidence=(*mine, *rest, *also))


def _usd(one: Advised) -> float | None:
    return one.usd_month if one.currency == "USD" else None


def _how(one: Advised) -> str:
    if one.usd_month is not None and one.currency != "USD":
        return f"{one.source} says {one.usd_month:,.2f} {one.currency} a month"
    return f"told by {one.source}" if one.usd_month is not None else f"{one.source} gives no figure"


def _buys(one: Advised) -> bool:
    return one.what.startswith("purchase")


def _placed(one: Advised, payer: Environment, environments: Sequence[Environment]) -> Subject:
    """What opsbot did not list itself stands in the environment of its account, or with the payer."""
    mine = [it for it in environments if it.account_id == one.account] or [payer]
    home = next((it for it in mine if one.region in it.regions), mine[0])
    region = one.region or home.home_region
    resource = Resource(kind=one.kind, name=one.resource.rsplit("/", 1)[-1], region=region)
    return Subject(home, resource, labels_of(home, region=region), "")


def _alone(one: Advised, subject: Subject, when: When) -> Finding:
    usd = _usd(one)
    evidence: Evidence = (
        *money(usd, _how(one), Confidence.MEDIUM, BASIS),
        ("account", one.account),
        ("region", subject.resource.region),
        ("resource_id", one.resource),
        ("aws_usd_month", usd),
        ("source", one.source),
    )
    return replace(well(AWS, subject, when, usd, one.what), status=Status.INFO, means=AWS.means, evidence=evidence)


def _commitment(
    advice: Advice, buying: Sequence[Advised], payer: Environment, when: When, thrift: Thrift
) -> Iterator[Finding]:
    """Coverage is low where neither plans nor reservations reach it; the saving is what AWS computes for buying."""
    # With one of the two not asked nobody knows whether the other covers it.
    low = bool(advice.covered) and not advice.cut and all(one.share < thrift.coverage for one in advice.covered)
    paid = max((_a_month(one) for one in advice.covered), default=0.0)
    if not buying and not (low and paid >= thrift.coverage_usd):
        return
    figures = [one.usd_month for one in buying if _usd(one) is not None and one.usd_month is not None]
    usd = sum(figures) if figures else None
    shares = ", ".join(f"{one.share * 100:.0f} % by {one.by}" for one in advice.covered)
    summary = f"covered {shares}; {paid:,.0f} USD a month at on-demand rates" if advice.covered else buying[0].what
    how = "AWS gave no figure: see its purchase advice"
    if buying:
        how = f"{buying[0].source}: {'; '.join(one.what for one in buying)}"
    evidence: Evidence = (
        *money(usd, how, Confidence.LOW if advice.denied else Confidence.MEDIUM, BASIS),
        ("account", payer.account_id),
        ("on_demand_usd_month", round(paid, 2)),
        *(
            (f"covered_by_{'plans' if one.by == PLANS else 'reservations'}", round(one.share, 3))
            for one in advice.covered
        ),
    )
    aside = _of(payer, "compute")
    yield replace(
        well(COMMITMENT, aside, when, usd, summary), status=Status.INFO, means=COMMITMENT.means, evidence=evidence
    )


def _a_month(one: Covered) -> float:
    return one.on_demand_usd / max((one.end - one.first).days, 1) * 365 / 12


def _notes(advice: Advice, payer: Environment, when: When) -> Iterator[Finding]:
    """What AWS does not tell is said once a payer, as something well: nobody has to have it."""
    if advice.notes:
        said = "; ".join(advice.notes)
        evidence: Evidence = (("not_judged", 0), ("why", said), ("actions", advice.denied))
        yield replace(well(NOTES, _of(payer, "AWS"), when, None, said), evidence=evidence)


def _of(payer: Environment, name: str) -> Subject:
    return Subject(payer, Resource(kind="payer", name=name, region=payer.home_region), labels_of(payer), "")
