"""What Lambda itself says of each call in its log: memory used, time billed, cold starts; a week's facts, not a check."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opsbot.checks import log_plan
from opsbot.checks.log_text import MOST_ROWS
from opsbot.job import Context
from opsbot.model.environment import Environment
from opsbot.model.resource import Inventory
from opsbot.ports import LogGroup, LogQuery

PREFIX = "/aws/lambda/"
_TEXT = (
    "filter @type = 'REPORT' | stats count(*) as calls, sum(@billedDuration) as billed, max(@duration) as slowest, "
    "max(@maxMemoryUsed) as used, max(@memorySize) as size, count(@initDuration) as cold by @log"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One function's calls in a window. `billed` and `slowest` in seconds, `memory_percent` of the call that used most."""

    environment: str
    region: str
    function: str
    calls: int
    billed: float
    slowest: float
    memory_percent: float
    cold_percent: float


def reported(ctx: Context) -> tuple[Reported, ...]:
    """Every function that was called in the window and keeps a log, by environment and name. One scan of each of their
    groups, billed as checks of logs are; what could not be read is left out: the checks of those functions say why."""
    if ctx.looking.logs is None:
        return ()
    found = ctx.looking.cloud.inventory(ctx.environments, frozenset({log_plan.KIND}), frozenset(), ctx.now)
    environments = {one.name: one for one in ctx.environments}
    asks = [ask for inventory in found for ask in _asks(ctx, environments[inventory.environment], inventory)]
    answers = ctx.looking.logs.ask_logs(asks) if asks else iter(())
    told = (_reported(answer.query, row) for answer in answers for row in answer.rows)
    return tuple(sorted((one for one in told if one), key=lambda one: (one.environment, one.function, one.region)))


def _asks(ctx: Context, environment: Environment, inventory: Inventory) -> Iterator[LogQuery]:
    known = log_plan.known(inventory, ctx.now)
    places: dict[tuple[str, str], list[LogGroup]] = {}
    for (region, name), one in known.groups.items():
        if name.startswith(PREFIX) and one.storage != "DELIVERY":
            places.setdefault((region, one.storage), []).append(one.group)
    for (region, _), groups in places.items():
        for part in _parts(groups):
            yield LogQuery(
                environment=environment,
                region=region,
                window=ctx.window,
                groups=tuple(part),
                text=_TEXT,
                limit=MOST_ROWS,
            )


def _parts(groups: Sequence[LogGroup]) -> Iterator[Sequence[LogGroup]]:
    size = log_plan.MOST_GROUPS
    return (groups[first : first + size] for first in range(0, len(groups), size))


def _reported(query: LogQuery, row: Mapping[str, str]) -> Reported | None:
    """None for a row that is not of a group that was asked, or has no numbers where they belong."""
    group = row.get("@log", "").partition(":")[2]
    names = ("calls", "billed", "slowest", "used", "size", "cold")
    try:
        calls, billed, slowest, used, size, cold = (float(row.get(name, "")) for name in names)
    except ValueError:
        return None
    sound = all(map(math.isfinite, (calls, billed, slowest, used, size, cold))) and calls > 0 and size > 0
    if not sound or group not in {one.name for one in query.groups}:
        return None
    return Reported(
        environment=query.environment.name,
        region=query.region,
        function=group.removeprefix(PREFIX),
        calls=int(calls),
        billed=billed / 1000,
        slowest=slowest / 1000,
        memory_percent=100 * used / size,
        cold_percent=100 * cold / calls,
    )
