"""The [[incidents.heals]] of a scenario: what cures an incident, so that a remediation can be seen to work.

`by` is one of the ways below, `on` what it is done to (the incident's own resource unless told, a glob), `document` which
one SSM is to run. `least` and `most` bound the number that cures: how many tasks, machines, concurrent executions, which
revision or version; revisions and versions before the newest cure unless told. `after` is how long until it shows.
Without bounds `ecs.scale` and `asg.set_desired` share a planted CPUUtilization among however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from opsbot.replica.draft import Entry
from opsbot.replica.reading import Section
from opsbot.replica.remedies import WAYS, Remedy, Way

Known = Callable[[Section, str, str, str], list[Entry]]
"""Looks for the resources of a kind by a name, and notes a problem with a key of the section where there are none."""
_LOAD = "CPUUtilization"
LARGEST = 1_000_000
_UNKNOWN = Way(after=0)


def read_remedies(section: Section, kind: str, metric: str, known: Known) -> tuple[Remedy, ...]:
    """Those of one incident on a resource of `kind`."""
    return tuple(_remedy(one, kind, metric, known) for one in section.tables("heals"))


def _remedy(section: Section, kind: str, metric: str, known: Known) -> Remedy:
    by = section.choice("by", tuple(WAYS))
    way = WAYS[by] if section.values.get("by") == by else _UNKNOWN
    on = _on(section, by, way, kind, known)
    document = section.text("document") if by.startswith("ssm.") else ""
    bounded = section.has("least") or section.has("most")
    shared = way.sized and not bounded
    if shared and (by == "lambda.put_concurrency" or metric != _LOAD or on):
        section.problem("least", f"expected least or most: which numbers cure; only {_LOAD} is shared by more")
    remedy = Remedy(
        by=by, on=on, document=document, shared=shared,
        least=section.number("least", -math.inf, high=LARGEST), most=section.number("most", way.most, low=0),
        after=section.duration("after") or way.after,
    )  # fmt: skip
    section.done()
    return remedy


def _on(section: Section, by: str, way: Way, kind: str, known: Known) -> str:
    on = section.text("on", "")
    if way.kind and not on and kind != way.kind:
        section.problem("on", f"expected the {way.kind} that {by} is done to, found nothing")
    if way.kind and on:
        known(section, "on", way.kind, on)
    return on
