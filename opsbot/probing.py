"""What people configured to be probed, as plain values: `Probe`, and its way through JSON to the process that probes.

Nothing heavy is imported here: the prober is a process that lives for years and reads no configuration file itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from opsbot.evaluate.slo import Objective
from opsbot.model.probe import Dns, Flow, Http, Pairs, Target, Tcp, Tls, WebSocket

_SPECS: Mapping[str, type] = {kind.kind: kind for kind in (Http, WebSocket, Tls, Tcp, Dns, Flow)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When somebody else's job must report by itself: every so often (the probe's `every`), or at the times of a cron
    expression in `zone`; `grace` seconds later it is late."""

    grace: float = 60.0
    cron: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe of one target in one environment ("" for none): what is asked, how often, and what the answer must be.

    `name` is unique; `check` is the name as it was configured, the same in every environment. `target` is None for a
    heartbeat, which is pushed and never asked. `expect` and `degraded` are lines of `opsbot.evaluate.expect`: not met
    they mean DOWN and DEGRADED. `failures` and `recoveries` are how many results in a row change the standing; `retries`
    is how often one result other than up is asked again before it counts, `retry_after` seconds later. `after` names
    the probe without which this one cannot work. `every` is in seconds, of a heartbeat with a cron expression 0.

    `secrets` are references still to be put into the target by `resolved`: (place, reference), the place being a field
    of its spec (`password`), a header (`headers.authorization`), or either of them in a step (`steps.0.bearer`).
    """

    name: str
    check: str
    every: float
    target: Target | None = None
    heartbeat: Heartbeat | None = None
    environment: str = ""
    tenant: str = ""
    tier: str = ""
    expect: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    failures: int = 2
    recoveries: int = 2
    retries: int = 1
    retry_after: float = 1.0
    after: str = ""
    slo: Objective | None = None
    labels: Pairs = ()
    runbook: str = ""
    owner: str = ""
    publish: bool = False
    secrets: Pairs = field(default=(), repr=False)

    @property
    def kind(self) -> str:
        return self.target.kind if self.target else "heartbeat"

    @property
    def timeout(self) -> float:
        """Seconds for the whole probe; 0 for a heartbeat."""
        return self.target.timeout if self.target else 0.0


def plain(probe: Probe) -> dict[str, Any]:
    """As JSON has it. Holds the secrets of a resolved probe: for a pipe between processes, never for a file."""
    found: dict[str, Any] = _plain(probe)
    return found


def read(tables: Iterable[Mapping[str, Any]]) -> tuple[Probe, ...]:
    """The inverse of `plain` for several. Raises ValueError for anything else."""
    try:
        return tuple(_typed(Probe, table) for table in tables)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no probe: {error}") from error


def resolved(probe: Probe, reading: Callable[[str], str]) -> Probe:
    """The probe with its secrets in their places, each read by its reference; whatever `reading` raises passes."""
    if not probe.target or not probe.secrets:
        return probe
    spec: Any = probe.target.spec
    for place, reference in probe.secrets:
        spec = _placed(spec, place, reading(reference))
    return replace(probe, target=replace(probe.target, spec=spec), secrets=())


def _placed(spec: Any, place: str, value: str) -> Any:
    first, _, rest = place.partition(".")
    if first == "steps":
        number, _, inner = rest.partition(".")
        steps = list(spec.steps)
        step = steps[int(number)]
        steps[int(number)] = replace(step, http=_placed(step.http, inner, value))
        return replace(spec, steps=tuple(steps))
    known = (*spec.secrets, value)
    if first == "headers":
        return replace(spec, headers=(*spec.headers, (rest, value)), secrets=known)
    encoded = value.encode() if isinstance(getattr(spec, first), bytes) else value
    return replace(spec, **{first: encoded}, secrets=known)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": type(value).kind} if type(value) in _SPECS.values() else {}  # type: ignore[attr-defined]
        return kind | {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    # Every byte has one character in latin-1, so any body survives JSON.
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _typed(kind: Any, value: Any) -> Any:
    """`value` as JSON has it, as the type that a field declares."""
    if get_origin(kind) in (Union, UnionType):
        choices = [choice for choice in get_args(kind) if choice is not type(None)]
        if value is None or len(choices) == 1:
            return None if value is None else _typed(choices[0], value)
        return _typed(_SPECS[value["kind"]], {name: each for name, each in value.items() if name != "kind"})
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _typed(hints[name], one) for name, one in value.items() if name != "kind"})
    if kind is timedelta:
        return timedelta(seconds=value)
    if kind is bytes:
        return value.encode("latin-1")
    return kind(value) if isinstance(kind, type) and issubclass(kind, StrEnum) else value


def _tuple(kinds: tuple[Any, ...], value: list[Any]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return tuple(_typed(kinds[0], one) for one in value)
    return tuple(_typed(kind, one) for kind, one in zip(kinds, value, strict=True))


_KNOWN: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _KNOWN:
        _KNOWN[kind] = get_type_hints(kind)
    return _KNOWN[kind]
