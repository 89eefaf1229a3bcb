"""A terminal's and Slack's words as pages, for pictures of them. Slack itself draws them a little differently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from opsbot.render.tokens import LIGHT, MARKS

_TERMINAL = (
    "body{margin:0;background:#14181d;color:#d6dbe1;font:14px/20px 'DejaVu Sans Mono',monospace;padding:18px 22px}"
)
_SLACK = """body{margin:0;background:#fff;color:#1d1c1d;font:15px/22px 'Lato',Arial,sans-serif;padding:18px 24px}
h1{font-size:18px;line-height:26px;margin:0 0 6px}.c{color:#616061;font-size:13px;line-height:18px;margin:0 0 8px}
p{margin:0 0 10px}code{background:#f4f4f4;border:1px solid #e4e4e4;border-radius:3px;color:#c01343;font-size:12px;padding:1px 3px}
.n{font-weight:900;margin-right:6px}.t{color:#616061;font-size:12px}a{color:#1264a3;text-decoration:none}
table{border-collapse:collapse;font-size:13px}td{border:1px solid #ddd;padding:4px 8px}"""
_EMOJI = {mark.slack: f'<span style="color:{LIGHT.of(verdict)}">●</span>' for verdict, mark in MARKS.items()}
_GLYPHS = {
    mark.glyph: {"●": "#ff6b6b", "◆": "#e8b339", "?": "#9aa4af", "✓": "#58b989"}.get(mark.glyph, "#d6dbe1")
    for mark in MARKS.values()
}


def terminal(text: str) -> str:
    """Coloured as a terminal shows it: glyphs, headings, and where it comes from."""
    lines = "\n".join(map(_coloured, text.splitlines()[:60]))
    return (
        f"<!DOCTYPE html><meta charset=utf-8><style>{_TERMINAL}</style><pre style='margin:0;font:inherit'>{lines}</pre>"
    )


def _coloured(line: str) -> str:
    said = escape(line)
    if re.fullmatch(r"[A-Z][A-Z ]+(  .*)?", line):
        head, gap, rest = said.partition("  ")
        return f"<b>{head}</b>{gap}<span style='color:#8b949e'>{rest}</span>"
    colour = _GLYPHS.get(line[:1])
    return f"<span style='color:{colour}'>{said[:1]}</span>{said[1:]}" if colour and line[1:2] == " " else said


def slack(sent: str) -> str:
    """The first message of what the demo's Slack got."""
    message = json.loads(sent)[0]
    blocks = "".join(part for block in message["blocks"] for part in _block(block))
    head = "<p style='margin:0'><span class=n>opsbot</span><span class=t>APP&nbsp; 08:00</span></p>"
    return f"<!DOCTYPE html><meta charset=utf-8><style>{_SLACK}</style>{head}{blocks}"


def _block(block: dict[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"<h1>{_text(block['text']['text'])}</h1>"
        case "context":
            yield f"<p class=c>{' &nbsp; '.join(_text(part['text']) for part in block['elements'])}</p>"
        case "section":
            yield f"<p>{_text(block['text']['text'])}</p>"
        case "table":
            rows = ("".join(f"<td>{escape(str(cell.get('text', '')))}</td>" for cell in row) for row in block["rows"])
            yield f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _text(mrkdwn: str) -> str:
    """Bold, code, links and marks; the rest is escaped by whoever wrote it."""
    said = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r"<a>\2</a>", mrkdwn).replace("\n", "<br>")
    said = re.sub(r"`([^`]+)`", r"<code>\1</code>", said)
    said = re.sub(r"(?<!\w)\*([^*]+)\*", r"<b>\1</b>", said)
    for name, drawn in _EMOJI.items():
        said = said.replace(name, drawn)
    return said
