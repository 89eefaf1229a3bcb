"""What a runbook starts with: the place, what its finding knows, and what a person says; the person is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import re2

from opsbot.errors import RunbookError
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.runbook import Param, Runbook
from opsbot.runbooks.reading import BUILT_IN

LONGEST = 512


def region_of(environment: Environment, finding: Finding | None, said: Mapping[str, str]) -> str:
    """Where to look: as said, as the finding tells, or at home. Raises RunbookError for a region that is not configured."""
    region = said.get("region") or (finding.label("region") if finding else "") or environment.home_region
    if region not in environment.regions and region != "us-east-1":
        known = ", ".join(environment.regions)
        raise RunbookError(f"{environment.name} has no region {region!r}", hint=f"its regions: {known}")
    return region


def known(
    book: Runbook, environment: Environment, region: str, finding: Finding | None, said: Mapping[str, str]
) -> dict[str, str]:
    """Names and values; what nobody knows is absent. Raises RunbookError for a name or a value that is refused."""
    params = {param.name: param for param in book.params}
    for name in said:
        if name not in params and name not in BUILT_IN:
            raise _unheard(name, {*params, *BUILT_IN})
    told = {
        "environment": environment.name,
        "region": region,
        "account": environment.account_id,
        "tenant": environment.tenant,
    }
    if finding is not None:
        told |= {"resource": bare(finding), "kind": finding.label("kind"), "check": finding.check}
    told |= {name: value for name, value in said.items() if name in BUILT_IN and name not in ("environment", "region")}
    for param in book.params:
        value = said.get(param.name) or _from_finding(param, finding, told) or param.default
        if value:
            told[param.name] = _matching(param, value)
    return {name: _printable(name, value) for name, value in told.items() if value}


def bare(finding: Finding) -> str:
    """The resource's own name: away from home its region is part of what reports call it."""
    region = finding.label("region")
    return finding.resource.removesuffix(f"@{region}") if region else finding.resource


def _from_finding(param: Param, finding: Finding | None, told: Mapping[str, str]) -> str:
    if param.kinds and told.get("kind") not in param.kinds:
        return ""
    what, _, name = param.source.removeprefix("finding.").partition(".")
    if what in ("resource", "check", "region"):
        return told.get(what, "")
    if finding is None:
        return ""
    if what == "label":
        return finding.label(name)
    return next((str(value) for key, value in finding.evidence if key == name and value is not None), "")


def _matching(param: Param, value: str) -> str:
    if param.pattern and not re2.fullmatch(param.pattern, value):
        raise RunbookError(
            f"{param.name}: expected what matches {param.pattern}, got {value[:80]!r}",
            hint=f"give it with --set {param.name}=VALUE",
        )
    return value


def _printable(name: str, value: str) -> str:
    if len(value) > LONGEST or not value.isprintable():
        raise RunbookError(f"{name}: expected at most {LONGEST} printable characters, got {value[:80]!r}")
    return value


def _unheard(name: str, names: Iterable[str]) -> RunbookError:
    choices = sorted(names)
    near = get_close_matches(name, choices, n=1)
    offer = f'did you mean "{near[0]}"?' if near else f"it takes: {', '.join(choices)}"
    return RunbookError(f'it takes no "{name}"; {offer}', hint="see: opsbot runbook show NAME")
