"""`lambda.set_alias`: point an alias at the version before, or at one that is named."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from opsbot.actions.action import Act, Action, Bench, Change, Given, Intent
from opsbot.actions.lambda_function import FUNCTION
from opsbot.actions.telling import said
from opsbot.model.runbook import Answer
from opsbot.ports.remote import Receipt

PREVIOUS = "previous"
_PAGES = 20


class AliasGiven(Given):
    """`to` is `previous` or a version's number."""

    function: str = Field(pattern=FUNCTION)
    alias: str = Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")
    to: str = Field(default=PREVIOUS, pattern=rf"^({PREVIOUS}|[1-9][0-9]{{0,9}})$")


def look(bench: Bench, given: AliasGiven) -> Answer:
    """Raises CloudError."""
    told = bench.ask("lambda", "get_alias", FunctionName=given.function, Name=given.alias)
    version = str(told["FunctionVersion"])
    numbers = sorted(int(one) for one in _versions(bench, given.function) if one.isdigit())
    older = [one for one in numbers if version.isdigit() and one < int(version)]
    previous = str(older[-1]) if older else ""
    return Answer(
        headline=f"alias {given.alias} is version {said(version, 20)}; before that {previous or 'none'}",
        values={"function": given.function, "alias": given.alias, "version": said(version, 20), "previous": previous,
                "revision": said(told.get("RevisionId", ""), 64)},
    )  # fmt: skip


def _versions(bench: Bench, function: str) -> list[str]:
    asked: dict[str, Any] = {"FunctionName": function}
    found: list[str] = []
    for _ in range(_PAGES):
        page = bench.ask("lambda", "list_versions_by_function", **asked)
        found += [str(one.get("Version", "")) for one in page.get("Versions") or ()]
        if not page.get("NextMarker"):
            break
        asked["Marker"] = page["NextMarker"]
    return found


def intend(given: AliasGiven, seen: Answer) -> Intent:
    now, wanted = str(seen.values["version"]), _wanted(given, seen)
    return Intent(
        calls=f"lambda:UpdateAlias {given.function}:{given.alias} FunctionVersion={wanted or '?'}",
        before=(("version", now), ("revision", str(seen.values["revision"]))),
        after=(("version", wanted or "none"),),
        key=f"lambda/{given.function}",
        undo="lambda.set_alias",
        undo_given={"function": given.function, "alias": given.alias, "to": now},
        undo_says=f"back to version {now}",
        refused="there is no earlier version"
        if not wanted
        else f"it is version {now} already"
        if wanted == now
        else "",
    )


def _wanted(given: AliasGiven, seen: Answer) -> str:
    return str(seen.values["previous"]) if given.to == PREVIOUS else given.to


def apply(given: AliasGiven, before: Answer, act: Act, token: str) -> Receipt:
    """With the revision that was planned: AWS refuses if somebody was faster."""
    return act(
        "lambda", "update_alias", FunctionName=given.function, Name=given.alias,
        FunctionVersion=_wanted(given, before), RevisionId=before.values["revision"],
    )  # fmt: skip


def reached(given: AliasGiven, before: Answer, now: Answer) -> bool | None:
    return bool(now.values["version"] == _wanted(given, before))


ACTION = Action(
    name="lambda.set_alias",
    about="point a function's alias at the version before",
    given=AliasGiven,
    look=look,
    reads=("lambda:GetAlias", "lambda:ListVersionsByFunction"),
    change=Change(intend=intend, apply=apply, reached=reached, writes=("lambda:UpdateAlias",)),
)
