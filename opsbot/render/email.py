"""The report as a whole MIME message: plain text, HTML for every client, charts as parts of the mail."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import css_inline
from jinja2 import BaseLoader

from opsbot.model.report import About, ChartSpec, Report, Strip, Strips
from opsbot.render import chart, strip, text
from opsbot.render.format import clean, clip
from opsbot.render.html import Picture, place
from opsbot.render.view import Page, page

CHARTS, CHART_BYTES, HTML_BYTES = 6, 30 * 1024, 80 * 1024
_ROWS, STRIPS = 24, 24
_COLUMNS = 78


def render(
    report: Report, about: About, templates: BaseLoader, *, sender: str, to: Sequence[str], domain: str, message_id: str
) -> bytes:
    """Bytes for SMTP or SES. `message_id` with its angle brackets, is one for all retries; `domain` names the list.

    The subject is the verdict line. Raises OpsbotError where a template is wrong.
    """
    view = page(report, about)
    charts = _charts(view, domain)
    strips = _strips(view, domain)
    mail = _headers(view, about, sender, to, domain, message_id)
    mail.set_content(text.render(report, about, colour=False, width=_COLUMNS), cte="quoted-printable")
    mail.add_alternative(_html(view, about, templates, charts, strips), subtype="html", cte="quoted-printable")
    _attach(mail, {**dict(charts.values()), **dict(strips.values())})
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


def _charts(view: Page, domain: str) -> dict[ChartSpec, tuple[str, bytes]]:
    """The first six charts that could be drawn and are small enough: Content-ID and PNG."""
    specs = [part for chapter in view.chapters for part in chapter.parts if isinstance(part, ChartSpec)]
    drawn: dict[ChartSpec, tuple[str, bytes]] = {}
    for spec in specs:
        png = chart.safely(spec, "light", view.zone).png
        if png and len(png) <= CHART_BYTES and len(drawn) < CHARTS:
            drawn[spec] = (f"chart{len(drawn) + 1}.{hashlib.sha256(png).hexdigest()[:12]}@{clean(domain)}", png)
    return drawn


def _strips(view: Page, domain: str) -> dict[Strip, tuple[str, bytes]]:
    """The first strips: Content-ID and PNG; the other rows say it in figures."""
    rows = [row for chapter in view.chapters for part in chapter.parts if isinstance(part, Strips) for row in part.rows]
    drawn = ((row, strip.picture(row.bars)) for row in rows[:STRIPS])
    return {
        row: (f"strip{place}.{hashlib.sha256(png).hexdigest()[:12]}@{clean(domain)}", png)
        for place, (row, png) in enumerate(drawn, 1)
    }


def _html(
    view: Page,
    about: About,
    templates: BaseLoader,
    charts: dict[ChartSpec, tuple[str, bytes]],
    strips: dict[Strip, tuple[str, bytes]],
) -> str:
    """Inlined, and below what mail programs cut off: fewer findings are told in full until it fits."""

    def draw(spec: ChartSpec) -> Picture:
        known = charts.get(spec)
        return Picture(f"cid:{known[0]}") if known else Picture("", note=chart.safely(spec, "light", about.zone).note)

    def bars(row: Strip) -> str:
        return f"cid:{strips[row][0]}" if row in strips else ""

    inliner = css_inline.CSSInliner(
        keep_style_tags=False, keep_at_rules=True, minify_css=True, load_remote_stylesheets=False
    )
    most, inlined = _ROWS, ""
    while most >= 0:
        inlined = inliner.inline(
            place(view, about.job, templates, draw=draw, trend=lambda _: "", bars=bars, most=most, mail=True)
        )
        size = len(inlined.encode())
        if size <= HTML_BYTES:
            break
        most = min(most - 1, most * HTML_BYTES * 9 // (size * 10))
    return inlined


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
