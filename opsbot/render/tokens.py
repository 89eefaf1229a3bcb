"""Colours, type and verdict marks: the only place where a look is decided.

Text colours keep 4.5:1 against their paper in both themes; the four verdict colours stay apart under simulated
deuteranopia and protanopia, and no mark relies on colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from opsbot.model.status import Verdict

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """`ink` to `ink3` are text from loud to quiet; `line` and `hair` rules; `series` what is measured."""

    canvas: str
    paper: str
    ink: str
    ink2: str
    ink3: str
    line: str
    hair: str
    series: str
    link: str
    ok: str
    attention: str
    action: str
    unknown: str

    def of(self, verdict: Verdict) -> str:
        """The colour that goes with a verdict's glyph and word."""
        match verdict:
            case Verdict.OK:
                return self.ok
            case Verdict.ATTENTION:
                return self.attention
            case Verdict.ACTION:
                return self.action
            case Verdict.NO_DATA:
                return self.unknown


LIGHT = Theme(
    canvas="#f4f4f1", paper="#ffffff", ink="#16181d", ink2="#4a5160", ink3="#687081", line="#dfe2e6", hair="#eceef0",
    series="#2f5d8a", link="#1f5a92", ok="#176b57", attention="#946200", action="#a8182f", unknown="#5b6270",
)  # fmt: skip
DARK = Theme(
    canvas="#0e1013", paper="#16191e", ink="#eceef1", ink2="#b4bbc6", ink3="#8d95a3", line="#2c313a", hair="#22262d",
    series="#7fb0de", link="#8fbfee", ok="#5fc9ab", attention="#eab14f", action="#ff8b75", unknown="#a0a8b5",
)  # fmt: skip
THEMES: dict[ThemeName, Theme] = {"light": LIGHT, "dark": DARK}

SANS = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Inter, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a verdict is written: `css` is a class name, `ansi` a terminal colour."""

    word: str
    glyph: str
    slack: str
    css: str
    ansi: str


MARKS: dict[Verdict, Mark] = {
    Verdict.OK: Mark(word="OK", glyph="✓", slack=":white_check_mark:", css="ok", ansi="32"),
    Verdict.ATTENTION: Mark(word="Attention", glyph="◆", slack=":large_yellow_circle:", css="attention", ansi="33"),
    Verdict.ACTION: Mark(word="Action", glyph="●", slack=":red_circle:", css="action", ansi="31"),
    Verdict.NO_DATA: Mark(word="No data", glyph="?", slack=":white_circle:", css="unknown", ansi="2"),
}
