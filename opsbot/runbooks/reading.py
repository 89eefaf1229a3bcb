"""A runbook's Markdown becomes steps: front matter and every fenced `step`, with all that is wrong and where."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Any

import yaml  # type: ignore[import-untyped]
from markdown_it import MarkdownIt

from opsbot.errors import Problem, RunbookError
from opsbot.model.period import parse_duration
from opsbot.model.runbook import Approve, Limits, OnFailure, Param, Runbook, Step, Value, Verify

LARGEST = 256 * 1024
_DEEPEST = 12
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FRONT = ("id", "title", "owner", "reviewed", "params", "limits")
_STEP = ("id", "uses", "with", "when", "save", "timeout", "on_failure", "approve", "verify", "note")
_PARAM = ("from", "kind", "pattern", "default", "about")
_LIMITS = ("timeout", "max_runs")
_APPROVE = ("by", "not_requester", "expires")
_VERIFY = ("until", "every", "timeout")
_NO_ORDER = "steps have no order to jump in: what a step waits for is what its when: and with: name"
BUILT_IN = ("environment", "region", "account", "tenant", "resource", "kind", "check")
"""What every runbook knows without asking, as far as its environment and its finding tell it."""


@dataclass(slots=True)
class Draft:
    """A runbook as far as it can be read, and what is wrong with it. `reviewed` is when somebody last read it through."""

    where: str
    problems: list[Problem] = field(default_factory=list)
    name: str = ""
    title: str = ""
    owner: str = ""
    reviewed: date | None = None
    params: list[Param] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    digest: str = ""

    def wrong(self, line: int, what: str) -> None:
        self.problems.append(Problem(f"{self.where}:{line}" if line else self.where, what))

    @property
    def runbook(self) -> Runbook:
        """Raises RunbookError with every problem at once."""
        if self.problems:
            raise RunbookError("\n".join(map(str, self.problems)), hint="correct them, then: opsbot runbook lint")
        return Runbook(
            name=self.name, title=self.title, digest=self.digest, params=tuple(self.params), steps=tuple(self.steps),
            limits=self.limits,
        )  # fmt: skip


def read(name: str, text: str, where: str) -> Draft:
    """Never raises: a file can hold anything."""
    draft = Draft(where, name=name, digest=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest())
    if len(text) > LARGEST:
        draft.wrong(0, f"expected at most {LARGEST // 1024} KiB, got {len(text) // 1024} KiB")
        return draft
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    head, closed, body = text[4:].partition("\n---\n") if text.startswith("---\n") else ("", "", text)
    if not closed:
        head, body = "", text
    _front(draft, head)
    offset = head.count("\n") + 3 if closed else 0
    for token in MarkdownIt("commonmark").parse(body):
        if token.type == "heading_open" or token.map is None:
            continue
        if token.type == "fence" and token.info.strip().split(" ")[0] == "step":
            _step(draft, token.content, token.map[0] + offset + 1)
    draft.title = draft.title or _heading(body)
    return draft


def _heading(body: str) -> str:
    found = re.search(r"^# +(.+)$", body, re.MULTILINE)
    return found[1].strip() if found else ""


def _yaml(draft: Draft, text: str, line: int) -> Mapping[str, Any]:
    """A table, {} if it is none. References are refused: a few lines of them unfold to gigabytes."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            draft.wrong(line, "expected plain values, found a YAML reference (*name)")
            return {}
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or type(error).__name__
        draft.wrong(line + (mark.line if mark else 0), f"cannot be read as YAML: {what}")
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        draft.wrong(line, "expected a table such as {id: svc, uses: ecs.service}")
        return {}
    return found


def _front(draft: Draft, head: str) -> None:
    told = _yaml(draft, head, 2) if head.strip() else {}
    _unknown(draft, told, _FRONT, 2, "")
    draft.title, draft.owner = _str(told.get("title")), _str(told.get("owner"))
    if told.get("id") not in (None, draft.name):
        draft.wrong(2, f"id: expected {draft.name!r}, the file's name, got {told['id']!r}")
    reviewed = told.get("reviewed")
    if isinstance(reviewed, date):
        draft.reviewed = reviewed
    elif reviewed is not None:
        draft.wrong(2, f"reviewed: expected a day such as 2026-11-21, got {reviewed!r}")
    draft.params = list(_params(draft, _table(draft, told, "params", 2)))
    draft.limits = _limits(draft, _table(draft, told, "limits", 2))


def _params(draft: Draft, told: Mapping[str, Any]) -> Iterator[Param]:
    for name, given in told.items():
        at = f"params.{name}"
        if not _NAME.fullmatch(name) or name in BUILT_IN:
            draft.wrong(
                2, f"{at}: expected a name of small letters, digits and _ that is none of {', '.join(BUILT_IN)}"
            )
        if not isinstance(given, dict):
            draft.wrong(2, f"{at}: expected a table such as {{from: finding.resource}}, got {given!r}")
            continue
        _unknown(draft, given, _PARAM, 2, f"{at}.")
        default = given.get("default")
        pattern = _str(given.get("pattern"))
        if pattern and (why := _pattern_problem(pattern)):
            draft.wrong(2, f"{at}.pattern: {why}")
            pattern = ""
        source = _str(given.get("from"))
        if source and not re.fullmatch(r"finding\.(resource|check|region|label\.[\w:.-]+|evidence\.[\w.-]+)", source):
            draft.wrong(2, f"{at}.from: expected finding.resource, finding.label.NAME or the like, got {source!r}")
        yield Param(
            name=name, source=source, kinds=_strings(draft, given.get("kind"), f"{at}.kind"), pattern=pattern,
            default=None if default is None else str(default), about=_str(given.get("about")),
        )  # fmt: skip


def _pattern_problem(pattern: str) -> str:
    """re2 cannot be made to think for ever, whatever the pattern and the text are."""
    import re2

    try:
        re2.compile(pattern)
    except re2.error as error:
        return f"cannot be read: {error}"
    return ""


def _limits(draft: Draft, told: Mapping[str, Any]) -> Limits:
    _unknown(draft, told, _LIMITS, 2, "limits.")
    usual = Limits()
    runs, per = usual.runs, usual.per
    if "max_runs" in told:
        count, slash, length = _str(told["max_runs"]).partition("/")
        if count.isdigit() and slash:
            runs, per = int(count), _duration(draft, length, "limits.max_runs", 2, usual.per)
        else:
            draft.wrong(2, f"limits.max_runs: expected so many in a time such as 2/1h, got {told['max_runs']!r}")
    return Limits(timeout=_duration(draft, told.get("timeout"), "limits.timeout", 2, usual.timeout), runs=runs, per=per)


def _step(draft: Draft, text: str, line: int) -> None:
    told = _yaml(draft, text, line + 1)
    if not told:
        return
    _unknown(draft, told, _STEP, line, "")
    id = _str(told.get("id"))
    if not _NAME.fullmatch(id):
        draft.wrong(line, f"id: expected a name of small letters, digits and _, got {told.get('id')!r}")
    elif id in BUILT_IN or id in {one.id for one in draft.steps} | {one.name for one in draft.params}:
        draft.wrong(line, f"id: {id} is taken already")
    at = f"step {id}"
    given = told.get("with") or {}
    if not isinstance(given, dict):
        draft.wrong(line, f"{at}: with: expected a table, got {given!r}")
        given = {}
    failing = told.get("on_failure", "continue")
    if failing not in tuple(OnFailure):
        draft.wrong(line, f"{at}: on_failure: expected {' or '.join(OnFailure)}, got {failing!r}; {_NO_ORDER}")
        failing = "continue"
    draft.steps.append(
        Step(
            id=id, uses=_str(told.get("uses")), given=_frozen(draft, given, line), when=_str(told.get("when")),
            save=tuple((str(k), str(v)) for k, v in _table(draft, told, "save", line).items()),
            timeout=_duration(draft, told["timeout"], f"{at}: timeout", line, timedelta(seconds=20)) if "timeout" in told else None,
            on_failure=OnFailure(failing), approve=_approve(draft, _table(draft, told, "approve", line), line),
            verify=_verify(draft, _table(draft, told, "verify", line), line) if "verify" in told else None,
            note=_str(told.get("note")), line=line,
        )
    )  # fmt: skip


def _approve(draft: Draft, told: Mapping[str, Any], line: int) -> Approve:
    _unknown(draft, told, _APPROVE, line, "approve.")
    if told.get("not_requester", True) is not True:
        draft.wrong(line, "approve.not_requester: nobody approves what they asked for; take it out or write true")
    usual = Approve()
    by = _strings(draft, told.get("by"), "approve.by") or usual.by
    return Approve(by=by, expires=_duration(draft, told.get("expires"), "approve.expires", line, usual.expires))


def _verify(draft: Draft, told: Mapping[str, Any], line: int) -> Verify:
    _unknown(draft, told, _VERIFY, line, "verify.")
    usual = Verify()
    return Verify(
        until=_str(told.get("until")),
        every=_duration(draft, told.get("every"), "verify.every", line, usual.every),
        timeout=_duration(draft, told.get("timeout"), "verify.timeout", line, usual.timeout),
    )


def _frozen(draft: Draft, value: Any, line: int, deep: int = 0) -> Any:
    """YAML's values as ours; dates become texts, since nothing here takes them."""
    if deep > _DEEPEST:
        draft.wrong(line, f"expected at most {_DEEPEST} levels of values")
        return None
    if isinstance(value, dict):
        return {str(key): _frozen(draft, inner, line, deep + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_frozen(draft, inner, line, deep + 1) for inner in value)
    plain: Value = value if isinstance(value, str | int | float | bool | None) else str(value)
    return plain


def _unknown(draft: Draft, told: Mapping[str, Any], known: tuple[str, ...], line: int, at: str) -> None:
    for key in told:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            offer = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known)}"
            draft.wrong(line, f"{at}{key}: unknown key; {offer}")


def _table(draft: Draft, told: Mapping[str, Any], key: str, line: int) -> Mapping[str, Any]:
    found = told.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        draft.wrong(line, f"{key}: expected a table, got {found!r}")
        return {}
    return found


def _duration(draft: Draft, value: object, at: str, line: int, usual: timedelta) -> timedelta:
    if value is None:
        return usual
    try:
        length = parse_duration(str(value))
    except (ValueError, OverflowError):
        length = timedelta(0)
    if not timedelta(0) < length <= timedelta(days=7):
        draft.wrong(line, f"{at}: expected a duration such as 45s or 10m, got {value!r}")
        return usual
    return length


def _strings(draft: Draft, value: object, at: str) -> tuple[str, ...]:
    if value is None:
        return ()
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        draft.wrong(0, f"{at}: expected a text or a list of texts, got {value!r}")
        return ()
    return tuple(found)


def _str(value: object) -> str:
    return "" if value is None else str(value)
