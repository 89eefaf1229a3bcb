"""A probe as a badge for a README or a wiki: its name, how it stands, how available it was. An SVG without any script."""

from __future__ import annotations

from html import escape

from opsbot.render.format import clean, clip
from opsbot.render.tokens import LIGHT
from opsbot.web.bars import figure
from opsbot.web.uptime import Line

KIND = "image/svg+xml"
_HIGH, _PAD = 20, 7
_NAME = 40
# Average advance of 11 px Verdana, which every reader stretches to `textLength` where it has another font.
_WIDE, _NARROW = 7.2, 3.9
_THIN = frozenset("iljtfI.,:;|!'() ")


def badge(line: Line) -> bytes:
    """`api | ✓ Up 99.98 %`, in the colour of its verdict; the word says it to those who do not see the colour."""
    name = clip(clean(line.name), _NAME)
    said = f"{line.word.glyph} {line.word.word}" + (f" {figure(line.share)}" if line.share is not None else "")
    left, right = _width(name), _width(said)
    label = escape(f"{name}: {line.word.word}, {figure(line.share)} in 90 days")
    total = left + right + 4 * _PAD
    colour = LIGHT.of(line.status.verdict)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{_HIGH}" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<clipPath id="r"><rect width="{total}" height="{_HIGH}" rx="4"/></clipPath><g clip-path="url(#r)">'
        f'<rect width="{left + 2 * _PAD}" height="{_HIGH}" fill="{LIGHT.ink2}"/>'
        f'<rect x="{left + 2 * _PAD}" width="{right + 2 * _PAD}" height="{_HIGH}" fill="{colour}"/></g>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
        f"{_text(name, _PAD, left)}{_text(said, left + 3 * _PAD, right)}</g></svg>"
    ).encode()


def _text(text: str, left: int, width: int) -> str:
    return f'<text x="{left}" y="14" textLength="{width}">{escape(text)}</text>'


def _width(text: str) -> int:
    return round(sum(_NARROW if letter in _THIN else 9.0 if letter.isupper() else _WIDE for letter in text)) + 1
