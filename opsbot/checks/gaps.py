"""What could not be looked at, as findings: the one place where failing to look becomes UNKNOWN, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from opsbot.checks import found
from opsbot.checks.estate import noun
from opsbot.checks.kind import When, common
from opsbot.checks.matching import Matched, labels_of
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.finding import Evidence, Finding
from opsbot.model.resource import Gap, Inventory
from opsbot.model.status import Status
from opsbot.model.units import Unit

_WILD = frozenset("*?[")


def unseen(
    environment: Environment, checks: Sequence[Check], inventory: Inventory | None, when: When
) -> Iterator[Finding]:
    """The gaps of one environment's inventory; None stands for an environment that nothing came back for."""
    if inventory is None:
        yield _account(environment, Gap(region="", kinds=(), why="AWS gave no answer for this environment"), when)
        return
    areas = {kind: check.area for check in reversed(checks) for kind in check.where.kinds}
    for gap in inventory.gaps:
        if not gap.kinds and not gap.region:
            yield _account(environment, gap, when)
        for kind in gap.kinds:
            if kind in areas:
                yield _service(environment, gap, kind, areas[kind], when)
        if gap.region and not gap.kinds:
            yield _service(environment, gap, "everything", "platform", when)


def absent(matched: Matched, checks: Sequence[Check], inventory: Inventory, when: When) -> Iterator[Finding]:
    """Checks that say what must be there, where it is not.

    A kind that could not be listed is left out: its gap says so already.
    """
    if any(not gap.kinds for gap in inventory.gaps):
        return
    hidden = {kind for gap in inventory.gaps for kind in gap.kinds}
    # The last check of a name is the general one: variants for tags come before it.
    for check in {check.name: check for check in checks}.values():
        if hidden.isdisjoint(check.where.kinds):
            yield from _missing(matched.environment, check, matched.named.get(check.name, frozenset()), when)


def _missing(environment: Environment, check: Check, names: Set[str], when: When) -> Iterator[Finding]:
    kind = check.where.kinds[0] if check.where.kinds else "resource"
    for name in check.where.names:
        if _WILD.isdisjoint(name) and name not in names:
            yield _absent(environment, check, name, f"declared and not found among the {noun(kind)}", when)
    least = common(check).expect
    if len(names) < least:
        yield _absent(environment, check, kind, f"{len(names)} of at least {least} {noun(kind)} found", when)


def _absent(environment: Environment, check: Check, resource: str, summary: str, when: When) -> Finding:
    return Finding(
        check=check.name,
        environment=environment.name,
        resource=resource,
        status=Status.WARNING,
        at=when.now,
        unit=check.unit,
        title=check.title,
        area=check.area,
        summary=summary,
        means="Something that should be there is gone, renamed, or in another region than the ones looked at.",
        labels=labels_of(environment),
        runbook=check.runbook,
        owner=check.owner,
        evidence=(("declared_in", check.source),),
    )


def _account(environment: Environment, gap: Gap, when: When) -> Finding:
    resource = environment.account_id or environment.name
    means = "Nothing in this environment was looked at."
    return _blind(environment, "credentials", resource, "Credentials", "platform", gap, gap.why, means, when)


def _service(environment: Environment, gap: Gap, kind: str, area: str, when: When) -> Finding:
    where = gap.region or environment.home_region
    if kind == "everything":
        summary = f"nothing could be looked at in {where}: {gap.why}"
    else:
        summary = f"{noun(kind)} in {where} not listed: {gap.why}"
    means = "They exist perhaps, but nobody is watching them."
    return _blind(environment, "discovery", f"{kind}@{where}", "Discovery", area, gap, summary, means, when)


def _blind(
    environment: Environment,
    check: str,
    resource: str,
    title: str,
    area: str,
    gap: Gap,
    summary: str,
    means: str,
    when: When,
) -> Finding:
    action = gap.action or found.action_in(gap.why)
    missing = f"; the role lacks {action}" if action and action not in summary else ""
    evidence: Evidence = (("why", gap.why), ("action", action)) if action else (("why", gap.why),)
    return Finding(
        check=check,
        environment=environment.name,
        resource=resource,
        status=Status.UNKNOWN,
        at=when.now,
        unit=Unit.COUNT,
        title=title,
        area=area,
        summary=summary + missing,
        means=means,
        labels=labels_of(environment, region=gap.region),
        evidence=evidence,
    )
