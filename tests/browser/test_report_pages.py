"""A report with every kind of picture, opened as people open the file: light, dark, on a phone, read aloud."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from opsbot.render import html
from tests.browser.chromium import Browser
from tests.browser.test_web_pages import AXE, LOOKS
from tests.render.conftest import ROOT
from tests.render.drawn import report
from tests.render.sample import about


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(report(), about(()), FileSystemLoader(ROOT / "report_templates")), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("look", LOOKS)
def test_a_report_is_drawn_and_stays_in_its_window(browser: Browser, address: str, look: str) -> None:
    with browser.page(address, **LOOKS[look]) as page:  # type: ignore[arg-type]
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.run("[...document.images].filter(i => i.getClientRects().length && !i.naturalWidth).length") == 0
        assert page.complaints == []


@pytest.mark.parametrize(("look", "width"), [("light", 560), ("phone", 358)])
def test_a_phone_gets_pictures_drawn_for_it(browser: Browser, address: str, look: str, width: int) -> None:
    with browser.page(address, **LOOKS[look]) as page:  # type: ignore[arg-type]
        assert page.run("document.querySelector('.fig img').naturalWidth") == width


def test_small_multiples_stand_two_a_row_and_one_on_a_phone(browser: Browser, address: str) -> None:
    tops = "new Set([...document.querySelectorAll('.two img')].slice(0, 2).map(i => Math.round(i.getBoundingClientRect().top))).size"
    with browser.page(address, **LOOKS["light"]) as page:  # type: ignore[arg-type]
        assert page.run(tops) == 1
    with browser.page(address, **LOOKS["phone"]) as page:  # type: ignore[arg-type]
        assert page.run(tops) == 2


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing(browser: Browser, address: str, axe: str, look: str) -> None:
    with browser.page(address, **LOOKS[look]) as page:  # type: ignore[arg-type]
        page.run(axe + "; true")
        assert page.run(AXE) == []


def test_dark_pictures_are_dark(browser: Browser, address: str) -> None:
    drawn = (
        "(() => { const i = document.querySelector('.fig img'), c = document.createElement('canvas'); c.width = c.height = 2;"
        "const t = c.getContext('2d'); t.drawImage(i, 0, 0); return t.getImageData(0, 0, 1, 1).data[0] })()"
    )
    shown = {}
    for look in ("light", "dark"):
        with browser.page(address, **LOOKS[look]) as page:  # type: ignore[arg-type]
            shown[look] = page.run(drawn)
    assert shown == {"light": 255, "dark": 22}
