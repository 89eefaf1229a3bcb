"""The report as a whole MIME message: plain text, HTML for every client, charts as parts of the mail."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import css_inline
from jinja2 import BaseLoader

from opsbot.model.report import About, Charts, ChartSpec, Report, Scorecard, Strip, Strips, Table
from opsbot.model.status import Verdict
from opsbot.render import chart, strip, text
from opsbot.render.extent import figures
from opsbot.render.format import clean, clip
from opsbot.render.html import Picture, Placing, place
from opsbot.render.trend import trend
from opsbot.render.view import Page, Part, page

CHARTS, CHART_BYTES, HTML_BYTES = 6, 30 * 1024, 80 * 1024
STRIPS, TRENDS = 24, 24
# Rows of a table at first; so many fewer findings are told in full, down to five of them while there is any room.
_ROWS, _MORE_ROWS, _TOLD, _LEAST = 30, 6, 5, 2
_COLUMNS = 78
_TAG = re.compile(r"""<[a-z](?:[^<>"]|"[^"]*")*>""")
_CLASS, _STYLE = re.compile(r' class="([^"]*)"'), re.compile(r'style="([^"]*)"')
_NAMED = re.compile(r"\.([A-Za-z][\w-]*)")
# Rows whose cells begin at the top: said once for all of them.
_TOP = re.compile(r"(<tr(?: [^<>]*border-bottom:1px[^<>]*| class=\"o\"))>")
_RULE = re.compile(
    r"border-bottom-width:1px;border-bottom-style:solid;((?:[^;]*;)*?)border-bottom-color:(#[0-9a-f]+);?"
)
_SAID = re.compile(r"text-wrap-style:pretty;?|vertical-align:top;?")
# Sides of their own within the four that the rule says; and what cells say with attributes in fewer bytes.
_PADDING, _SIDE = re.compile(r"padding:(\S+) (\S+) (\S+) ([^;]+);?"), re.compile(r"padding-([a-z]+):([^;]+);?")
_SIDES = ("top", "right", "bottom", "left")
_ALIGNED, _UNBROKEN = re.compile(r"text-align:right;?"), re.compile(r"white-space:nowrap;?")
Word = tuple[tuple[float | None, ...], Verdict]


def render(
    report: Report, about: About, templates: BaseLoader, *, sender: str, to: Sequence[str], domain: str, message_id: str
) -> bytes:
    """Bytes for SMTP or SES. `message_id` with its angle brackets, is one for all retries; `domain` names the list.

    The subject is the verdict line. Raises OpsbotError where a template is wrong.
    """
    view = page(report, about)
    images = _images(view, domain)
    mail = _headers(view, about, sender, to, domain, message_id)
    mail.set_content(text.render(report, about, colour=False, width=_COLUMNS), cte="quoted-printable")
    mail.add_alternative(_html(view, about, templates, images), subtype="html", cte="quoted-printable")
    _attach(mail, dict([*images.charts.values(), *images.strips.values(), *images.words.values()]))
    _fixed_boundaries(mail, message_id)
    return mail.as_bytes(policy=SMTP)


def _headers(view: Page, about: About, sender: str, to: Sequence[str], domain: str, message_id: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = view.headline
    mail["From"] = _address(sender, "opsbot")
    mail["To"] = tuple(_address(one) for one in to)
    mail["Date"] = format_datetime(about.at)
    mail["Message-ID"] = clean(message_id)
    mail["List-Id"] = f"<{re.sub(r'[^a-z0-9]+', '-', about.job.lower()).strip('-') or 'report'}.opsbot.{clean(domain)}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Opsbot-Run"] = clip(clean(about.run_id), 80)
    return mail


def _address(written: str, name: str = "") -> Address:
    """An address as a header takes it; a name given with it is kept."""
    said, address = parseaddr(clean(written))
    return Address(display_name=said or name, addr_spec=address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The parts a mail carries, by what they show: Content-ID and PNG."""

    charts: dict[tuple[ChartSpec, bool], tuple[str, bytes]]
    strips: dict[Strip, tuple[str, bytes]]
    words: dict[Word, tuple[str, bytes]]


def _images(view: Page, domain: str) -> Images:
    parts = [part for chapter in view.chapters for part in chapter.parts]
    return Images(charts=_charts(parts, view.zone, domain), strips=_strips(parts, domain), words=_words(parts, domain))


def _cid(kind: str, place: int, png: bytes, domain: str) -> tuple[str, bytes]:
    return f"{kind}{place}.{hashlib.sha256(png).hexdigest()[:12]}@{clean(domain)}", png


def _charts(parts: Sequence[Part], zone: str, domain: str) -> dict[tuple[ChartSpec, bool], tuple[str, bytes]]:
    """The first six charts, large or small, that could be drawn and are small enough."""
    wanted = [
        (spec, isinstance(part, Charts))
        for part in parts
        for spec in (part.specs if isinstance(part, Charts) else (part,) if isinstance(part, ChartSpec) else ())
    ]
    drawn: dict[tuple[ChartSpec, bool], tuple[str, bytes]] = {}
    for spec, small in wanted:
        png = chart.safely(spec, "light", zone, "small" if small else "large").png if len(drawn) < CHARTS else b""
        if png and len(png) <= CHART_BYTES:
            drawn[spec, small] = _cid("chart", len(drawn) + 1, png, domain)
    return drawn


def _strips(parts: Sequence[Part], domain: str) -> dict[Strip, tuple[str, bytes]]:
    """The first strips; the other rows say it in figures."""
    rows = [row for part in parts if isinstance(part, Strips) for row in part.rows]
    return {row: _cid("strip", place, strip.picture(row.bars), domain) for place, row in enumerate(rows[:STRIPS], 1)}


def _words(parts: Sequence[Part], domain: str) -> dict[Word, tuple[str, bytes]]:
    """The first word-sized trends of cells and scores."""
    scores = [(score.trend, score.status) for part in parts if isinstance(part, Scorecard) for score in part.scores]
    cells = [
        (cell.trend, cell.status)
        for part in parts
        if isinstance(part, Table)
        for row in part.rows
        for cell in row.cells
    ]
    wanted = [(line, status.verdict if status else Verdict.OK) for line, status in (*scores, *cells) if line]
    drawn = ((word, trend(word[0], None, word[1])) for word in dict.fromkeys(wanted[:TRENDS]))
    return {word: _cid("trend", place, png, domain) for place, (word, png) in enumerate(drawn, 1) if png}


def _html(view: Page, about: About, templates: BaseLoader, images: Images) -> str:
    """Inlined, and below what mail programs cut off: fewer findings are told in full until it fits."""

    def draw(spec: ChartSpec, small: bool = False) -> Picture:
        known = images.charts.get((spec, small))
        return Picture(f"cid:{known[0]}") if known else Picture("", note=figures(spec, about.zone))

    def bars(row: Strip) -> str:
        return f"cid:{images.strips[row][0]}" if row in images.strips else ""

    def word(values: tuple[float | None, ...], verdict: Verdict) -> str:
        return f"cid:{images.words[values, verdict][0]}" if (values, verdict) in images.words else ""

    inliner = css_inline.CSSInliner(
        keep_style_tags=False, keep_at_rules=True, minify_css=True, load_remote_stylesheets=False
    )
    rows, inlined = _ROWS, ""
    while rows > 0:
        # Tables give way before findings: five of those are what most reports are about.
        most = max(rows - _MORE_ROWS, _TOLD if rows > _LEAST else 0)
        placing = Placing(draw=draw, trend=lambda _: "", bars=bars, word=word, most=most, mail=True, rows=rows)
        inlined = _shorter(inliner.inline(place(view, about.job, templates, placing)))
        # As it is sent: every line ends in two bytes.
        size = len(inlined.encode()) + inlined.count("\n")
        if size <= HTML_BYTES:
            break
        rows = min(rows - 1, rows * HTML_BYTES * 9 // (size * 10))
    return inlined


def _shorter(inlined: str) -> str:
    """The same look in fewer bytes: every cell of every table carries its rule's style, and there are hundreds. Classes
    that no rule for small screens names have done their work."""
    head, body, rest = inlined.partition("</head>")
    named = frozenset(_NAMED.findall(head))
    return head + body + _TOP.sub(r'\1 valign="top">', _TAG.sub(lambda found: _tag(found[0], named), rest))


def _tag(tag: str, named: frozenset[str]) -> str:
    tag = _CLASS.sub(lambda found: _classes(found[1], named), tag)
    cell = tag.startswith("<td")
    return _STYLE.sub(lambda found: _cell(_style(found[1])) if cell else f'style="{_style(found[1])}"', tag)


def _cell(style: str) -> str:
    """What every column of figures says, in the attributes that cells have for it."""
    align = 'align="right" ' if _ALIGNED.search(style) else ""
    nowrap = "nowrap " if _UNBROKEN.search(style) else ""
    kept = _UNBROKEN.sub("", _ALIGNED.sub("", style)).rstrip(";")
    return f'{align}{nowrap}style="{kept}"'


def _style(said: str) -> str:
    ruled = _RULE.sub(r"border-bottom:1px solid \2;\1", _SAID.sub("", said))
    whole = _PADDING.search(ruled)
    if whole is None:
        return ruled.rstrip(";")
    rest = ruled[: whole.start()] + ruled[whole.end() :]
    return f"padding:{_sides(whole.groups(), dict(_SIDE.findall(rest)))};{_SIDE.sub('', rest)}".rstrip(";")


def _sides(said: Sequence[str], own: dict[str, str]) -> str:
    """Four lengths, or three where left and right are one."""
    top, right, bottom, left = (own.get(side, length) for side, length in zip(_SIDES, said, strict=True))
    return f"{top} {right} {bottom}" if left == right else f"{top} {right} {bottom} {left}"


def _classes(names: str, named: frozenset[str]) -> str:
    kept = " ".join(name for name in names.split() if name in named)
    return f' class="{kept}"' if kept else ""


def _attach(mail: EmailMessage, pictures: dict[str, bytes]) -> None:
    body = mail.get_body(("html",))
    if not isinstance(body, EmailMessage):
        return
    for cid, png in pictures.items():
        body.add_related(png, maintype="image", subtype="png", cid=f"<{cid}>", disposition="inline")


def _fixed_boundaries(mail: EmailMessage, message_id: str) -> None:
    """The same input gives the same bytes; chance would make every retry another mail."""
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_opsbot_{hashlib.sha256(f'{message_id}/{number}'.encode()).hexdigest()[:32]}")
