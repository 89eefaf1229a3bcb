"""Turns the scenario file into a draft of the world, noting every problem."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import cast

from opsbot.replica.draft import Draft, Entry, watchable
from opsbot.replica.kinds import METRICS, OPTIONS
from opsbot.replica.population import Options, Plan
from opsbot.replica.reading import SECONDS, Section
from opsbot.replica.reading_costs import read_spending
from opsbot.replica.reading_growth import read_growth
from opsbot.replica.reading_remedies import Known, read_remedies
from opsbot.replica.reading_security import read_security
from opsbot.replica.signals import GRID, STEADY, Change, Shape
from opsbot.replica.windows import Always, Recurring, Since
from opsbot.replica.world import AlarmSpec, EnvironmentSpec, Incident, Window

NEVER = 2**62
# The largest values of options; any other number may be a million.
MOST = {"hour": 23, "jobs_per_day": 1440, "runs_per_day": 1440, "timeout": 900}
LARGEST = 1_000_000
KINDS = tuple(kind for kind in METRICS if kind not in ("lambda-account", "cwagent-disk", "alb-target-group"))
COMPARISONS = (
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)


@dataclass(slots=True)
class Script:
    """What the parts of the file know of one another while they are read."""

    draft: Draft
    anchor: int | None
    shapes: dict[str, Shape] = field(default_factory=lambda: {"steady": STEADY})
    stacks: dict[str, list[Section]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def environment(self, section: Section) -> EnvironmentSpec | None:
        """The environment that a table names; a problem when there is none."""
        name = section.text("environment")
        by_name = {env.name: env for env in self.draft.environments}
        if name and name not in by_name:
            section.problem("environment", f"no environment is called {name!r}{_offer(name, by_name)}")
        return by_name.get(name)


def read_world(file: Section, anchor: int | None) -> Draft:
    """The whole file."""
    draft = Draft(seed=file.whole("seed"), caller_account=_account(file, "caller_account"))
    script = Script(draft, None if anchor is None else anchor // GRID * GRID)
    _read_settle(file.table("settle"), draft)
    for name, section in file.table("shapes").named():
        script.shapes[name] = Shape(section.numbers("hours", 24), section.numbers("days", 7))
        section.done()
    script.stacks = {name: file.table("stacks").tables(name) for name in file.table("stacks").values}
    for section in file.tables("environments"):
        _read_environment(section, script)
    for stack in script.stacks.keys() - script.used:
        file.table("stacks").problem(stack, "no environment uses this stack")
    _read_regions_off(file, draft)
    draft.incidents += [i for s in file.tables("incidents") if (i := _read_incident(s, script, decoy=False))]
    draft.decoys += [i for s in file.tables("decoys") if (i := _read_incident(s, script, decoy=True))]
    for section in file.tables("alarms"):
        _read_alarm(section, script)
    read_growth(file, draft, script.anchor, lambda section, kind: _growing(section, script, kind))
    read_spending(file, draft, script.anchor)
    read_security(file, draft)
    file.done()
    return draft


def _read_settle(section: Section, draft: Draft) -> None:
    draft.settle_delays |= {space: section.whole(space) for space in section.values}


def _read_regions_off(file: Section, draft: Draft) -> None:
    for section in file.tables("regions_off"):
        draft.regions_off.add((_account(section, "account"), section.text("region")))
        section.done()


def _account(section: Section, key: str) -> str:
    account = section.text(key)
    if account and not re.fullmatch(r"\d{12}", account):
        section.problem(key, f"expected an account of 12 digits as a text, found {account!r}")
    return account


def _read_environment(section: Section, script: Script) -> None:
    environment = EnvironmentSpec(
        name=section.text("name"),
        tenant=section.text("tenant"),
        tier=section.choice("tier", ("production", "staging", "development"), "production"),
        account=_account(section, "account"),
        regions=section.texts("regions") or ("us-east-1",),
        external_id=section.text("external_id", "") or None,
        labels=_tags(section.table("labels")),
    )
    for key, taken in (("name", environment.name), ("account", environment.account)):
        if taken and taken in (getattr(other, key) for other in script.draft.environments):
            section.problem(key, f"{taken!r} is used by another environment")
    script.draft.environments.append(environment)
    load = section.number("load", 1.0, low=0)
    owner = section.text("owner", "platform")
    for resources in _resource_tables(section, script):
        _read_resources(resources, script, environment, load, owner)
    section.done()


def _resource_tables(section: Section, script: Script) -> Iterator[Section]:
    for stack in section.texts("stacks", ()):
        if stack not in script.stacks:
            section.problem("stacks", f"no stack is called {stack!r}{_offer(stack, script.stacks)}")
        script.used.add(stack)
        yield from script.stacks.get(stack, ())
    yield from section.tables("resources")


def _read_resources(section: Section, script: Script, environment: EnvironmentSpec, load: float, owner: str) -> None:
    kind = section.choice("kind", KINDS)
    common = (
        ("customer", environment.tenant),
        ("env", environment.tier),
        ("owner", section.text("owner", owner)),
        ("team", section.text("team", "platform")),
    )
    levels, spreads = section.table("levels"), section.table("spreads")
    plan = Plan(
        kind=kind,
        names=tuple(name.replace("{tenant}", environment.tenant) for name in section.texts("names")),
        options=_options(section, kind),
        tags=tuple(sorted((dict(common) | dict(_tags(section.table("tags")))).items())),
        shape=_shape(section, script),
        load=load * section.number("load", 1.0, low=0),
        noise=section.number("noise", 1.0, low=0),
        growth=section.number("growth", 0.0, low=-1, high=1),
        levels={name: levels.number(name) for name in _metrics_in(levels, kind)},
        spreads={name: spreads.number(name, low=0) for name in _metrics_in(spreads, kind)},
    )
    region = section.text("region", environment.regions[0])
    section.done()
    for taken in script.draft.settle(plan, (environment.account, region)):
        section.problem("names", f"{environment.name} already has a {kind} called {taken!r}")


def _metrics_in(section: Section, kind: str) -> Iterator[str]:
    known = {metric.name for metric in METRICS.get(kind, ())}
    for name in section.values:
        if name not in known:
            section.problem(name, f"a {kind} has no such metric{_offer(name, known)}")
        yield name


def _shape(section: Section, script: Script) -> Shape:
    name = section.text("shape", "steady")
    if name not in script.shapes:
        section.problem("shape", f"no shape is called {name!r}{_offer(name, script.shapes)}")
    return script.shapes.get(name, STEADY)


def _options(section: Section, kind: str) -> Options:
    found: dict[str, str | int | tuple[str, ...]] = {}
    for key, fallback in OPTIONS.get(kind, {}).items():
        match fallback:
            case int():
                found[key] = section.whole(key, fallback, high=MOST.get(key, LARGEST))
            case str():
                found[key] = section.text(key, fallback)
            case tuple():
                found[key] = section.texts(key, fallback)
    return found


def _tags(section: Section) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, section.text(key)) for key in section.values))


def _read_incident(section: Section, script: Script, decoy: bool) -> Incident | None:
    kind, metric = section.choice("kind", tuple(METRICS)), section.text("metric")
    environment = script.environment(section)
    incident = Incident(
        environment=section.text("environment"),
        kind=kind,
        resource=section.text("resource"),
        metric=metric,
        story=section.text("story"),
        expect="" if decoy else section.text("expect"),
        window=_window(section, script),
        value=section.number("value", 0.0),
        heals=read_remedies(section, kind, metric, _known(script, environment)),
    )
    change = cast(Change, section.choice("change", ("set", "scale", "silence"), "set"))
    section.done()
    if environment is None:
        return None
    entries = _entries(section, script, environment, incident.kind, incident.metric, incident.resource)
    for entry in entries:
        script.draft.plant(entry, incident, change)
    return incident if entries else None


def _known(script: Script, environment: EnvironmentSpec | None) -> Known:
    """Finds the resources of an environment by kind and name; where there is no such environment that is told already."""

    def known(section: Section, key: str, kind: str, name: str) -> list[Entry]:
        if environment is None or not kind or not name:
            return []
        entries = script.draft.matching(environment.account, kind, name)
        if not entries:
            there = [other for (a, k, other) in script.draft.entries if (a, k) == (environment.account, kind)]
            section.problem(key, f"{environment.name} has no {kind} called {name!r}{_offer(name, there)}")
        return entries

    return known


def _entries(
    section: Section, script: Script, environment: EnvironmentSpec, kind: str, metric: str, resource: str
) -> list[Entry]:
    entries = _known(script, environment)(section, "resource", kind, resource)
    if entries and metric not in watchable(entries[0]):
        section.problem("metric", f"a {kind} has no {metric!r}{_offer(metric, watchable(entries[0]))}")
        return []
    return entries


def _growing(section: Section, script: Script, kind: str) -> list[Entry]:
    """The resources that a table of [[trends]] is about; problems where there are none."""
    name, environment = section.text("resource"), script.environment(section)
    return _known(script, environment)(section, "resource", kind, name)


def _window(section: Section, script: Script) -> Window:
    """`from`: "always", "-3h" before the anchor, or "05:10" (UTC) with `for` and `every` (a day unless told)."""
    text = section.text("from")
    length, every = section.duration("for"), section.duration("every") or SECONDS["d"]
    compared = section.flag("baseline", False)
    if text == "always":
        return Always()
    if ago := re.fullmatch(r"-(\d+)([mhd])", text):
        if script.anchor is None:
            return Since(NEVER) if compared else Always()
        return Since(script.anchor - int(ago[1]) * SECONDS[ago[2]])
    clock = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if clock and length:
        return Recurring(every=every, offset=int(clock[1]) * 3600 + int(clock[2]) * 60, length=length)
    if text:
        wanted = '"always", "-3h", or "05:10" with for = "90m"'
        section.problem("from", f"expected {wanted}, found {text!r}")
    return Always()


def _read_alarm(section: Section, script: Script) -> None:
    environment = script.environment(section)
    spec = AlarmSpec(
        name=section.text("name"),
        statistic=section.text("statistic", "Average"),
        period=section.whole("period", 300, low=60),
        evaluation_periods=section.whole("periods", 1, low=1),
        datapoints_to_alarm=section.whole("datapoints", section.whole("periods", 1, low=1), low=1),
        threshold=section.number("threshold", 0.0),
        comparison=section.choice("comparison", COMPARISONS, COMPARISONS[0]),
        treat_missing=section.choice("missing", ("missing", "ignore", "breaching", "notBreaching"), "missing"),
        rule=section.text("rule", ""),
        kind="log" if section.has("query") else "metric",
        query=section.text("query", ""),
        actions_enabled=section.flag("actions", True),
        description=section.text("description", ""),
    )
    composite = section.has("rule")
    kind = "" if composite else section.choice("kind", tuple(METRICS))
    resource, metric = ("", "") if composite else (section.text("resource"), section.text("metric"))
    section.done()
    if environment is None:
        return
    if composite:
        script.draft.alarms[environment.account, environment.regions[0]].append(replace(spec, kind="composite"))
        return
    for entry in _entries(section, script, environment, kind, metric, resource)[:1]:
        place = (entry.resource.account, entry.resource.region)
        script.draft.alarms[place].append(replace(spec, series=entry.series[metric][0]))


def _offer(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
