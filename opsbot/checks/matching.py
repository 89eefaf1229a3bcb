"""Which check looks at which resource: of the checks of one name the first that fits takes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsbot.checks.kind import Subject, fits
from opsbot.model.check import Check
from opsbot.model.environment import Environment, Labels
from opsbot.model.resource import Inventory, Resource

_OWNERS = ("owner", "team")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """One environment's checks with what they look at; `named`: what the variants of a check took, by its name."""

    environment: Environment
    pairs: tuple[tuple[Check, tuple[Subject, ...]], ...]
    named: Mapping[str, frozenset[str]]


def match(environment: Environment, checks: Sequence[Check], inventory: Inventory) -> Matched:
    """Pairs of a check and its subjects, in the order of the checks; a check without rules takes and says nothing."""
    by_kind: dict[str, list[Subject]] = defaultdict(list)
    for resource in inventory.resources:
        by_kind[resource.kind].append(subject(environment, resource))
    pairs = []
    named: dict[str, set[str]] = {}
    for check in checks:
        taken = named.setdefault(check.name, set())
        mine = tuple(one for kind in check.where.kinds for one in by_kind.get(kind, ()) if _takes(check, one, taken))
        taken.update(one.resource.name for one in mine)
        if mine and check.rules:
            pairs.append((check, mine))
    return Matched(environment=environment, pairs=tuple(pairs), named={name: frozenset(s) for name, s in named.items()})


def _takes(check: Check, subject: Subject, taken: set[str]) -> bool:
    return subject.resource.name not in taken and fits(check, subject.resource)


def subject(environment: Environment, resource: Resource) -> Subject:
    tags = {key.lower(): value for key, value in resource.tags}
    owner = next((tags[name] for name in _OWNERS if tags.get(name)), "")
    return Subject(environment, resource, labels_of(environment, resource), owner)


def labels_of(environment: Environment, resource: Resource | None = None, *, region: str = "") -> Labels:
    """What routes and sections can go by: the environment's own words, then the resource's tags as `tag:<key>`."""
    labels = dict(environment.labels)
    labels |= {"tenant": environment.tenant, "tier": environment.tier, "region": region}
    if resource is not None:
        labels |= {"region": resource.region, "kind": resource.kind}
        labels |= {f"tag:{key}": value for key, value in resource.tags}
    return tuple(sorted((key, value) for key, value in labels.items() if value))
