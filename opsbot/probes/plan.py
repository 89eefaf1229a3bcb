"""From `[[probes]]` to the probes there are: one of each environment, their names, what they wait for, and every mistake.

Only whoever reads a configuration imports this; the prober knows `opsbot.probing` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from opsbot.config.probes import ProbeTable
from opsbot.evaluate import expect
from opsbot.evaluate.slo import Objective
from opsbot.model.environment import Environment
from opsbot.model.probe import Dns, Flow, Http, Pairs, Reach, Target
from opsbot.probes import fit, resolvconf, specs
from opsbot.probing import Heartbeat, Probe

Path = tuple[str | int, ...]
Found = tuple[Path, str]

_EVERY, _TIMEOUT = 60.0, 10.0
_SEVERAL = ("both", "every")
_TOGETHER = (
    frozenset({"every", "cron", "timeout"}),
    frozenset({"user", "password", "bearer"}),
    frozenset({"body", "body_secret"}),
    frozenset({"client_key", "client_certificate"}),
)
_NOWHERE = Environment(name="", regions=("",))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What a table calls one of its probes, whatever else is wrong with it; `sure` if nothing could change the name."""

    place: int
    name: str
    check: str
    environment: str
    after: str
    sure: bool = True


@dataclass(slots=True)
class _Draft:
    """Probes as they are made: `found` are the mistakes, `made` each probe with its name; `named` has those as well of
    which no probe could be made, so that other tables' mistakes about them are told at once."""

    zone: str
    environments: Sequence[Environment]
    found: list[Found] = field(default_factory=list)
    made: list[tuple[_Named, Probe]] = field(default_factory=list)
    named: list[_Named] = field(default_factory=list)

    def say(self, place: int, path: Path, what: str) -> None:
        if ((told := ("probes", place, *path)), what) not in self.found:
            self.found.append((told, what))


def plan(
    tables: Iterable[tuple[int, Mapping[str, Any]]], environments: Sequence[Environment], zone: str
) -> tuple[tuple[Probe, ...], list[Found]]:
    """The probes, in the order of the file, and what is wrong; `tables` are raw, with their places in `[[probes]]`.

    What a single key tells by itself, the file's model has told: such a key counts as absent here.
    """
    draft = _Draft(zone, environments)
    for place, raw in tables:
        table, wrong = readable(raw)
        if table is not None:
            _row(draft, place, table, wrong | ({"name"} - raw.keys()))
        elif isinstance(name := raw.get("name"), str) and "name" not in wrong:
            # Whether there are several, and called after their environments, its url would have said.
            draft.named.append(_Named(place=place, name=name, check=_bare(name), environment="", after="", sure=False))
    _names(draft)
    probes = _parents(draft)
    return (() if draft.found else probes), draft.found


def readable(raw: Mapping[str, Any]) -> tuple[ProbeTable | None, frozenset[str]]:
    """A table as far as it can be read, with a name if it lacks one, and the keys that had to be left out for it."""
    kept = {"name": "probe", **raw}
    wrong: set[str] = set()
    for _ in range(2):
        try:
            return ProbeTable.model_validate(kept), frozenset(wrong)
        except ValidationError as error:
            wrong |= {str(each["loc"][0]) for each in error.errors(include_url=False) if each["loc"]}
            kept = {"name": "probe"} | {key: value for key, value in kept.items() if key not in wrong}
            if wrong & {"url", "steps"}:
                break
    return None, frozenset(wrong)


def _row(draft: _Draft, place: int, table: ProbeTable, wrong: frozenset[str]) -> None:
    """`wrong` are the keys that could not be read, and the name if there is none: then it is nobody's."""
    kind = _kind(draft, place, table)
    if kind:
        _keys(draft, place, table, kind, wrong)
    environments = _environments(draft, place, table)
    for environment in environments or [_NOWHERE]:
        # Without its environments nobody knows what it would have been called.
        named = _called(place, table, kind, environment, sure=bool(environments) and "environments" not in wrong)
        if "name" not in wrong:
            draft.named.append(named)
        if kind and environments and (probe := _probe(draft, named, table, kind, environment)):
            draft.made.append((named, probe))


def _keys(draft: _Draft, place: int, table: ProbeTable, kind: str, wrong: frozenset[str]) -> None:
    misplaced = dict(specs.misplaced(table, kind))
    stays = kind not in (Http.kind, Flow.kind) or table.redirects == "none"
    idle = fit.idle(table, stays=stays)
    for key, what in (*misplaced.items(), *fit.contradictions(table), *idle, *_between(table, kind)):
        # What a key of the same group would have said, had it been right, nobody knows.
        if not any(key in group and wrong & group for group in _TOGETHER):
            draft.say(place, (key,), what)
    for path, line, url in _lines(table):
        parsed = expect.parse(line)
        what = specs.unanswerable(parsed.subject, kind) or fit.never_met(
            parsed, kind, url, stays=stays, proxied=bool(table.proxy)
        )
        what = what or fit.other_protocol(parsed, kind, http2=table.http2)
        if what and path[0] not in misplaced:
            draft.say(place, path, what)


def _lines(table: ProbeTable) -> Iterator[tuple[Path, str, str]]:
    """Every expectation with its place, and the URL whose answer it is held against."""
    for key in ("expect", "degraded"):
        url = table.url or (table.steps[-1].url if table.steps else "")
        yield from (((key, index), line, url) for index, line in enumerate(getattr(table, key)))
    for number, step in enumerate(table.steps):
        yield from ((("steps", number, "expect", index), line, step.url) for index, line in enumerate(step.expect))


def _kind(draft: _Draft, place: int, table: ProbeTable) -> str:
    if table.steps and table.url:
        draft.say(place, ("url",), "expected either url or steps, not both")
        return ""
    if table.steps:
        return Flow.kind
    if table.url is None:
        draft.say(place, ("url",), f'missing; for example url = "{specs.EXAMPLES["http"]}"')
        return ""
    try:
        return specs.kind_of(table.url)
    except ValueError as error:
        draft.say(place, ("url",), str(error))
        return ""


def _between(table: ProbeTable, kind: str) -> Iterator[tuple[str, str]]:
    every, timeout = _every(table), _timeout(table)
    if kind == specs.HEARTBEAT:
        yield from _pulse(table)
    elif timeout >= every:
        told = "timeout" if table.timeout else "every"
        yield (
            told,
            (
                f"expected a timeout below every: a probe would still be at work when the next is due; "
                f"got {timeout:g}s and {every:g}s"
            ),
        )
    if kind in (Flow.kind, Dns.kind) and table.reach in _SEVERAL:
        yield "reach", f"a {kind} probe is made once; expected any, v4 or v6"
    if table.client_key and not table.client_certificate:
        yield "client_key", "is the key of a certificate; set client_certificate too"
    for index, text in enumerate(table.dns_servers):
        try:
            resolvconf.server(text)
        except ValueError as error:
            yield "dns_servers", f"[{index}] {error}"


def _pulse(table: ProbeTable) -> Iterator[tuple[str, str]]:
    if table.url and table.url != "heartbeat:":
        yield "url", 'expected "heartbeat:" alone; the address to call is told by: opsbot probe NAME --url'
    if table.every and table.cron:
        yield "cron", "expected either every or cron, not both"
    if not table.every and not table.cron:
        yield "every", 'a heartbeat needs to know when it must come: set every = "1d" or cron = "0 3 * * *"'


def _environments(draft: _Draft, place: int, table: ProbeTable) -> list[Environment]:
    """Those a table makes a probe of; one without a name where it is about none."""
    wanted = "environments" in table.model_fields_set
    holes = any("{env}" in text for text in (table.name, table.url or "", *(step.url for step in table.steps)))
    if not wanted and not holes:
        return [_NOWHERE]
    known = [environment.name for environment in draft.environments]
    chosen = [one for one in draft.environments if any(fnmatchcase(one.name, glob) for glob in table.environments)]
    if not known:
        draft.say(place, ("url",), "there is no environment to put into {env}; add a table [[environments]]")
    for index, glob in enumerate(table.environments):
        if known and not any(fnmatchcase(name, glob) for name in known):
            near = get_close_matches(glob, known, n=1)
            offer = f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(known[:20])}"
            draft.say(place, ("environments", index), f"no environment is called {glob!r}{offer}")
    heartbeat = (table.url or "").startswith("heartbeat:")
    if len(chosen) > 1 and not holes and not heartbeat:
        draft.say(
            place,
            ("url",),
            f"{len(chosen)} environments would be probed at one address; put {{env}} into it, or name one environment",
        )
        return []
    return chosen


def _called(place: int, table: ProbeTable, kind: str, environment: Environment, *, sure: bool) -> _Named:
    env = environment.name
    several = "{env}" in (table.url or "") + "".join(step.url for step in table.steps) or kind == specs.HEARTBEAT
    name = f"{table.name}-{env}" if env and several and "{env}" not in table.name else specs.put(table.name, env)
    return _Named(
        place=place, name=name, check=_bare(table.name), environment=env, after=table.after or "", sure=sure
    )  # fmt: skip


def _probe(draft: _Draft, named: _Named, table: ProbeTable, kind: str, environment: Environment) -> Probe | None:
    place, name, env = named.place, named.name, named.environment
    target = _target(draft, place, table, kind, name, env) if kind != specs.HEARTBEAT else None
    if target is None and kind != specs.HEARTBEAT:
        return None
    steps = [specs.secrets_of(step, f"steps.{number}.") for number, step in enumerate(table.steps)]
    return Probe(
        name=name, check=named.check, environment=env, tenant=environment.tenant, tier=environment.tier,
        every=0.0 if table.cron else _every(table), target=target, heartbeat=_heartbeat(draft, table, kind),
        expect=table.expect, degraded=table.degraded, **_streaks(table, kind),
        retry_after=table.retry_after.total_seconds(), after=table.after or "",
        slo=_objective(table), labels=_labels(table, environment), runbook=table.runbook or "",
        owner=table.owner or "", publish=table.publish,
        secrets=(*specs.secrets_of(table), *(pair for pairs in steps for pair in pairs)),
    )  # fmt: skip


def _streaks(table: ProbeTable, kind: str) -> dict[str, int]:
    """A heartbeat says the same until the job calls again: to wait for a second result would be to wait for nothing."""
    names = ("failures", "recoveries", "retries")
    usual = dict(zip(names, (1, 1, 0), strict=True)) if kind == specs.HEARTBEAT else {}
    return usual | {name: getattr(table, name) for name in names if not usual or name in table.model_fields_set}


def _target(draft: _Draft, place: int, table: ProbeTable, kind: str, name: str, env: str) -> Target | None:
    url = specs.put(table.url or "", env)
    spec = specs.spec_of(table, kind, url, env, lambda path, what: draft.say(place, path, what))
    if spec is None:
        return None
    servers = table.dns_servers
    if kind == Dns.kind and (server := specs.dns_server(url)):
        try:
            resolvconf.server(server)
        except ValueError as error:
            draft.say(place, ("url",), str(error))
        servers = (server,)
    return Target(
        name=name,
        spec=spec,
        timeout=_timeout(table),
        reach=Reach(table.reach),
        allow_private=table.allow_private,
        dns_servers=servers,
    )


def _names(draft: _Draft) -> None:
    first: dict[str, int] = {}
    for named in draft.named:
        other = first.setdefault(named.name, named.place) if named.sure else named.place
        if other != named.place:
            what = f'"{named.name}" is already the name of a probe of probes[{other}]'
            draft.say(named.place, ("name",), what)


def _parents(draft: _Draft) -> tuple[Probe, ...]:
    """The probes with `after` as the name of the probe that is meant: of the same environment, if it has one."""
    parents: dict[_Named, str] = {}
    for named in draft.named:
        parent = _parent(draft, named) if named.after else ""
        if parent is None:
            known = sorted({other.check for other in draft.named} - {named.check})
            near = get_close_matches(named.after, known, n=1)
            offer = f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(known[:20])}" if known else ""
            draft.say(named.place, ("after",), f'there is no probe "{named.after}"{offer}')
        parents[named] = parent or ""
    _cycles(draft, parents)
    return tuple(replace(probe, after=parents.get(named, "")) for named, probe in draft.made)


def _parent(draft: _Draft, named: _Named) -> str | None:
    wanted = specs.put(named.after, named.environment)
    alike = [other for other in draft.named if other.check == _bare(wanted)]
    same = [other for other in draft.named if other.name == wanted]
    here = [other for other in alike if other.environment == named.environment]
    alone = [other for other in alike if not other.environment or len(alike) == 1]
    perhaps = [other for other in draft.named if not other.sure and wanted.startswith(other.name.partition("{")[0])]
    return next((other.name for other in (*same, *here, *alone, *perhaps)), None)


def _cycles(draft: _Draft, parents: Mapping[_Named, str]) -> None:
    after: dict[str, str] = {}
    places: dict[str, int] = {}
    for named, parent in parents.items():
        # Of two with one name the first counts.
        after.setdefault(named.name, parent)
        places.setdefault(named.name, named.place)
    told: set[str] = set()
    for name in after:
        chain = [name]
        while (parent := after.get(chain[-1], "")) and parent not in chain:
            chain.append(parent)
        if parent == name and not told & set(chain):
            told |= set(chain)
            draft.say(places[name], ("after",), f"goes round in a circle: {' -> '.join([*chain, name])}")


def _every(table: ProbeTable) -> float:
    return table.every.total_seconds() if table.every else _EVERY


def _timeout(table: ProbeTable) -> float:
    return table.timeout.total_seconds() if table.timeout else min(_TIMEOUT, _every(table) / 2)


def _heartbeat(draft: _Draft, table: ProbeTable, kind: str) -> Heartbeat | None:
    if kind != specs.HEARTBEAT:
        return None
    return Heartbeat(grace=table.grace.total_seconds(), cron=table.cron or "", zone=draft.zone)


def _objective(table: ProbeTable) -> Objective | None:
    if table.slo is None:
        return None
    # Divided once and rounded: 99.9 / 100 is not 0.999 in binary.
    return Objective(target=round(table.slo.target / 100, 9), window=table.slo.window, latency=table.slo.latency)


def _labels(table: ProbeTable, environment: Environment) -> Pairs:
    return tuple(sorted({**dict(environment.labels), **table.labels}.items()))


def _bare(name: str) -> str:
    """A configured name without its hole: `{env}-api` is the check `api`."""
    return name.replace("{env}", "").strip("-._") or name
