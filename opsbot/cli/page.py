"""A runbook's Markdown: what its front matter says, its gaps filled in, and the page as a terminal shows it."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import click

# Two braces are a step's own: what opsbot fills in when it runs.
GAP = re.compile(r"(?<!\{)\{(region|environment|account|resource|profile_or_role)\}(?!\})")
# Left out whole where the credentials at hand are the right ones.
_WITH_PROFILE = re.compile(r" +--profile \{profile_or_role\}")
_FENCE = re.compile(r" *(?:```|~~~)")
_STEP = re.compile(r"^```step\n.*?^```\n\n?", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"#{1,6} +(.*)")
_CODE = re.compile(r"`[^`]+`")
_KEPT = "\N{NO-BREAK SPACE}"
_ITEM = re.compile(r" *(?:[-*]|\d+\.) +")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`meta` is the front matter, `body` the Markdown after it."""

    meta: Mapping[str, str]
    body: str

    @property
    def title(self) -> str:
        """As the front matter says, else the first heading."""
        heading = _HEADING.search(self.body) if self.body.startswith("#") or "\n#" in self.body else None
        return self.meta.get("title") or (heading[1].strip() if heading else "")


@dataclass(frozen=True, slots=True)
class Line:
    """`code`: it stands between fences; the fences themselves are code too."""

    text: str
    code: bool
    fence: bool = False


def read(text: str) -> Page:
    """The front matter is `key: value` lines between two `---`, what is indented under a key aside; a page without one is
    a page too."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    head, closed, body = text[4:].partition("\n---\n") if text.startswith("---\n") else ("", "", "")
    if not closed:
        return Page(meta={}, body=text)
    pairs = (line.partition(":") for line in head.split("\n") if not line.startswith((" ", "#")))
    return Page(meta={key.strip(): value.strip() for key, colon, value in pairs if colon}, body=body.lstrip("\n"))


def lines(body: str) -> Iterator[Line]:
    """Each line, and whether it is code."""
    inside = False
    for text in body.rstrip("\n").split("\n"):
        fence = _FENCE.match(text) is not None
        yield Line(text, code=inside or fence, fence=fence)
        inside = inside != fence


def without_steps(body: str) -> str:
    """The page without what only opsbot reads: the sentences around it say the same."""
    return _STEP.sub("", body)


def fill(body: str, values: Mapping[str, str]) -> str:
    """The gaps that `values` knows, filled in; quoted for the shell in code, whatever the value says.

    An empty `profile_or_role` takes the option with it.
    """
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    told = []
    for line in lines(body):
        text = _WITH_PROFILE.sub("", line.text) if values.get("profile_or_role") == "" else line.text
        told.append(_filled(text, values if not line.code else quoted))
    return "\n".join(told) + "\n"


def _filled(text: str, values: Mapping[str, str]) -> str:
    return GAP.sub(lambda gap: values.get(gap[1], gap[0]), text)


def gaps(body: str) -> list[str]:
    """What is still to be filled in, each once."""
    return sorted({gap[0] for gap in GAP.finditer(body)})


def under_title(body: str, text: str) -> str:
    """The page with something said right below its title."""
    first, _, rest = body.partition("\n")
    return f"{first}\n\n{text}\n{rest}" if _HEADING.match(first) else f"{text}\n\n{body}"


def for_terminal(body: str, *, width: int, styled: bool) -> str:
    """The page for reading: headings without marks, code indented, tables as lists, the rest wrapped at `width`."""
    told: list[str] = []
    for kind, group in groupby(lines(body), key=_kind):
        block = [line.text for line in group if not line.fence]
        match kind:
            case "code":
                told += textwrap.indent(textwrap.dedent("\n".join(block)), "    ").split("\n")
            case "heading":
                told += [click.style(_bare(text), bold=True) if styled else _bare(text) for text in block]
            case "table":
                told += _table(block, width)
            case "blank":
                told.append("")
            case _:
                told += _wrapped(block, width)
    return "\n".join(told) + "\n"


def _kind(line: Line) -> str:
    if line.code:
        return "code"
    if _HEADING.match(line.text):
        return "heading"
    if line.text.startswith("|"):
        return "table"
    return "prose" if line.text.strip(" >") else "blank"


def _bare(text: str) -> str:
    heading = _HEADING.match(text)
    return (heading[1] if heading else text).replace("**", "")


def _table(rows: list[str], width: int) -> list[str]:
    """Each row as an item: the first cell, then the others under it with their column's name."""
    cells = [[cell.strip().replace("**", "") for cell in row.strip().strip("|").split("|")] for row in rows]
    heads = cells[0]
    told = []
    for first, *rest in cells[2:]:
        told += _wrap(f"- {first}", width, after="  ")
        for head, cell in zip(heads[1:], rest, strict=False):
            told += _wrap(f"    {head.lower()}: {cell}", width, after=" " * 6)
    return told


def _wrapped(block: list[str], width: int) -> list[str]:
    """Paragraphs and list items; an item's further lines stand under its first word."""
    items: list[str] = []
    for line in block:
        text = line.removeprefix("> ").replace("**", "")
        if items and not _ITEM.match(text):
            items[-1] += " " + text.strip()
        else:
            items.append(text)
    return [line for item in items for line in _wrap(item, width, after=_under(item))]


def _under(item: str) -> str:
    marker = _ITEM.match(item)
    return " " * (len(marker[0]) if marker else len(item) - len(item.lstrip()))


def _wrap(text: str, width: int, *, after: str) -> list[str]:
    # A command in running text stays on one line, so that it can be copied.
    whole = _CODE.sub(lambda code: code[0].replace(" ", _KEPT), text)
    told = textwrap.wrap(whole, width, subsequent_indent=after, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_KEPT, " ") for line in told]
