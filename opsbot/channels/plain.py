"""Block Kit as plain text: what is sent when Slack will not take the blocks, cut into messages it will take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST = 3_900
MOST_PARTS = 10


def parts(text: str, blocks: object) -> list[str]:
    """The same words without blocks, in as few texts of at most `LONGEST` characters as it takes; never none.

    What stands beyond `MOST_PARTS` of them is left out, and the last one says so.
    """
    lines = [line for block in (blocks if isinstance(blocks, list) else ()) for line in _lines(block)]
    told = "\n".join(lines) or text or "opsbot: this message has no text"
    found = list(_cut(told))
    if len(found) <= MOST_PARTS:
        return found
    rest = sum(map(len, found[MOST_PARTS:]))
    return [
        *found[: MOST_PARTS - 1],
        f"{found[MOST_PARTS - 1][: LONGEST - 80]}\n… {rest:,} characters more: opsbot reports show last",
    ]


def _lines(block: Any) -> Iterator[str]:
    if not isinstance(block, dict):
        return
    match block.get("type"):
        case "header" | "section":
            yield from filter(None, [_text(block.get("text")), *map(_text, _list(block.get("fields")))])
        case "context":
            yield " | ".join(filter(None, map(_text, _list(block.get("elements")))))
        case "table":
            yield from (" | ".join(map(_text, _list(row))) for row in _list(block.get("rows")))
        case _:
            return


def _text(value: Any) -> str:
    return str(value.get("text") or "") if isinstance(value, dict) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _cut(text: str) -> Iterator[str]:
    """At the ends of lines where there are any, else between words, else anywhere."""
    while len(text) > LONGEST:
        ends = (text.rfind(sign, LONGEST // 2, LONGEST) for sign in "\n ")
        end = next((end for end in ends if end > 0), LONGEST)
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    if text:
        yield text
