"""Reports and notices for systems of somebody else's: facts as JSON, and words without a layout.

What a webhook carries is described in docs/schemas/webhook.schema.json; its parts are only ever added to.
"""

from __future__ import annotations

from typing import Any

from opsbot.model.alert import Notice
from opsbot.model.report import About, Report
from opsbot.render import notice as notices
from opsbot.render import short, text
from opsbot.render.format import clean, utc
from opsbot.render.headline import verdict

# A letter of SNS is read on a phone; who wants all of it opens the report.
LONGEST = 12_000


def report_facts(report: Report, about: About) -> dict[str, Any]:
    """A report as `opsbot.report/1`: its verdict and its sections' with what a terminal would show."""
    return {
        "schema": "opsbot.report/1",
        "job": about.job,
        "run_id": about.run_id,
        "at": utc(about.at),
        "verdict": str(verdict(report)),
        "status": report.status.value,
        "title": clean(report.title),
        "headline": clean(report.headline),
        "lede": clean(report.lede),
        "url": about.url or None,
        "sections": [
            {"id": section.id, "title": clean(section.title), "status": section.status.value}
            for section in report.sections
        ],
        "text": text.render(report, about, colour=False),
    }


def report_texts(report: Report, about: About) -> dict[str, str]:
    """A report as SNS's own JSON: for most subscribers what a terminal would show, for phones its headline."""
    whole = text.render(report, about, colour=False)
    cut = whole if len(whole) <= LONGEST else f"{whole[:LONGEST]}\n… all of it: opsbot reports show {about.run_id}\n"
    return {"default": cut, "sms": short.sms(f"{report.title}: {report.headline}")}


def notice_texts(notice: Notice, zone: str) -> dict[str, str]:
    """The same of a group of alerts."""
    return {"default": notices.text(notice, zone), "sms": short.notice_sms(notice)}
