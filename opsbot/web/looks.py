"""Templates, style sheet, marks and fonts: everything a page looks like, made once when the daemon starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from opsbot.model.units import Unit
from opsbot.render.format import brief, clean, moment, quantity
from opsbot.render.tokens import DARK, LIGHT, MARKS, MONO, SANS, Theme
from opsbot.web import detail, words
from opsbot.web.parts import Broken

_HERE = Path(__file__).parent
_FONTS = _HERE.parent / "render" / "fonts"


@dataclass(frozen=True, slots=True)
class File:
    """One file that never changes while the daemon runs; its name carries a digest."""

    name: str
    kind: str
    body: bytes


def environment(root: str, files: Mapping[str, File]) -> Environment:
    """Where pages are rendered. Whatever a template shows is cleaned on its way out, whoever made it."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_shown,
    )
    made.globals.update(root=root, marks={mark.css: mark for mark in MARKS.values()}, file=_addresses(root, files))
    made.globals.update(
        state_of=lambda run: words.of_state(run.state), outcome=detail.outcome, lasted=detail.lasted,
        elapsed=words.relative, seconds=lambda value: quantity(value, Unit.SECONDS) if value else "",
        size=lambda value: quantity(value, Unit.BYTES) if value else "",
    )  # fmt: skip
    made.tests["broken"] = lambda value: isinstance(value, Broken)
    return made


def speech(now: datetime, zone: str) -> dict[str, Callable[[datetime], str]]:
    """How templates say moments."""
    return {
        "brief": lambda at: brief(at, zone, now),
        "moment": lambda at: moment(at, zone),
        "ago": lambda at: words.age(at, now),
    }


def files() -> Mapping[str, File]:
    """By the name templates call them: `style`, `regular`, `semibold` and one mark for each verdict."""
    regular = _file("inter.ttf", "font/ttf", (_FONTS / "Inter-Regular.ttf").read_bytes())
    semibold = _file("inter-semibold.ttf", "font/ttf", (_FONTS / "Inter-SemiBold.ttf").read_bytes())
    made = {
        "regular": regular,
        "semibold": semibold,
        "style": _file("style.css", "text/css", _style(regular, semibold)),
    }
    for mark in MARKS.values():
        made[mark.css] = _file(f"{mark.css}.svg", "image/svg+xml", _icon(getattr(LIGHT, mark.css)))
    return made


def _addresses(root: str, files: Mapping[str, File]) -> Callable[[str], str]:
    return lambda name: f"{root}/static/{files[name].name}"


def _file(name: str, kind: str, body: bytes) -> File:
    return File(f"{hashlib.sha256(body).hexdigest()[:12]}-{name}", kind, body)


def _style(regular: File, semibold: File) -> bytes:
    plain = Environment(loader=FileSystemLoader(_HERE / "templates"), undefined=StrictUndefined, autoescape=False)  # noqa: S701  a style sheet of our own tokens, nothing from outside
    values: dict[str, Any] = {"light": _colours(LIGHT), "dark": _colours(DARK), "sans": SANS, "mono": MONO}
    return plain.get_template("style.css.j2").render(**values, regular=regular.name, semibold=semibold.name).encode()


def _colours(theme: Theme) -> dict[str, str]:
    return {field.name: getattr(theme, field.name) for field in fields(theme)}


def _icon(colour: str) -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'<rect width="16" height="16" rx="4" fill="{colour}"/><circle cx="8" cy="8" r="3" fill="#fff"/></svg>'
    ).encode()


def _shown(value: object) -> object:
    # Markup is a str too, and is what macros give back: only plain text is cleaned.
    return clean(value) if type(value) is str else value
