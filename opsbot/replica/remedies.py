"""What cures what a scenario planted: the remedies it names, what callers did, and from when to when the two agree.

A cure shows from a full five minutes on, some time after it was made: no datapoint that anybody has seen changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise

STEP = 300
"""Seconds of a datapoint; cures begin and end with one."""
NEVER = 2**62
NEWEST_DEFINITION = 42
"""The revision of every service's task definition, before anybody changes it."""
NEWEST_VERSION = 7
"""The version that every function's alias points at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One kind of change: what it is made to, how many seconds until it shows, and which settings cure unless told."""

    kind: str = ""
    after: int
    most: float = math.inf
    sized: bool = False
    """It sets a number; which numbers cure has to be said, or the load is shared."""


WAYS: Mapping[str, Way] = {
    "asg.set_desired": Way(kind="autoscaling-group", after=90, sized=True),
    "cfn.rollback": Way(after=120),
    "ecs.force_new_deployment": Way(kind="ecs-service", after=60),
    "ecs.scale": Way(kind="ecs-service", after=60, sized=True),
    "ecs.set_task_definition": Way(kind="ecs-service", after=60, most=NEWEST_DEFINITION - 1),
    "lambda.put_concurrency": Way(kind="lambda-function", after=20, sized=True),
    "lambda.set_alias": Way(kind="lambda-function", after=20, most=NEWEST_VERSION - 1),
    "ssm.run_command": Way(after=30),
    "ssm.start_automation": Way(after=60),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Cures an incident while what was set last lies from `least` to `most`. `on` "" means the incident's own resource."""

    by: str
    on: str = ""
    document: str = ""
    least: float = -math.inf
    most: float = math.inf
    after: int = 0
    shared: bool = False
    """The planted load is shared by however many there are, instead of being gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Something that a caller did at `at` (epoch seconds), and the number he set: a revision, a version, a size."""

    account: str
    by: str
    names: tuple[str, ...]
    at: int
    value: float = 1.0
    document: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """From `begin` to `end` (epoch seconds) it stood at `value`."""

    begin: int
    end: int
    value: float


def held(taken: Sequence[Taken], after: int) -> list[Held]:
    """What each of some changes of one thing did until the next one; one that was overtaken did nothing."""
    begins = [-(-(one.at + after) // STEP) * STEP for one in taken]
    stretches = zip(pairwise([*begins, NEVER]), taken, strict=True)
    return [Held(begin, end, one.value) for (begin, end), one in stretches if end > begin]


def cured(remedy: Remedy, own: str, account: str, taken: Sequence[Taken]) -> list[tuple[int, int]]:
    """When a remedy was at work for an incident on the resource `own`."""
    mine = [one for one in taken if _is(remedy, own, account, one)]
    return [(one.begin, one.end) for one in held(mine, remedy.after) if remedy.least <= one.value <= remedy.most]


def _is(remedy: Remedy, own: str, account: str, one: Taken) -> bool:
    # A disk is cured by what is done to its machine.
    wanted = remedy.on or own.partition(":")[0]
    same = (one.account, one.by, one.document) == (account, remedy.by, remedy.document)
    return same and any(fnmatchcase(name, wanted) for name in one.names)
