"""Every page as people meet it: light, dark, on a phone, on paper, by keyboard, without scripts, read aloud."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opsbot.web.server import Server
from tests.browser.chromium import Browser
from tests.web.conftest import TOKEN

RULES = (Path(__file__).parent / "rules.js").read_text(encoding="utf-8")
PAGES = {
    "status": ("busy", "/"),
    "runs": ("busy", "/runs"),
    "run": ("busy", "/runs/HEALTH"),
    "run that failed": ("busy", "/runs/UPTIME1"),
    "reports": ("busy", "/reports"),
    "outbox": ("busy", "/outbox?all=1"),
    "jobs": ("busy", "/jobs"),
    "sign-in": ("token", "/sign-in"),
    "not there": ("busy", "/nowhere"),
    "first morning": ("empty", "/"),
    "five hundred": ("crowd", "/"),
}
LOOKS = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390}, "dark phone": {"width": 390, "dark": True}}
AXE = "axe.run({resultTypes: ['violations']}).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | ')))"
Servers = dict[str, Server]
# Where to keep what was drawn, for people to look at.
KEEP = os.environ.get("OPSBOT_PICTURES", "")


def at(pages: Servers, name: str) -> str:
    kind, path = PAGES[name]
    return f"http://127.0.0.1:{pages[kind].port}{path}"


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_owes_nobody_anything(browser: Browser, pages: Servers, name: str, look: str) -> None:
    with browser.page(at(pages, name), **LOOKS[look]) as page:  # type: ignore[arg-type]
        told = page.run(RULES)
        complaints = [text for text in page.complaints if "404" not in text or name != "not there"]
        if KEEP:
            Path(KEEP).mkdir(parents=True, exist_ok=True)
            (Path(KEEP) / f"{name}, {look}.png".replace(" ", "_")).write_bytes(page.picture())
    assert (told, complaints) == ([], [])


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, pages: Servers, axe: str, name: str, look: str) -> None:
    with browser.page(at(pages, name), **LOOKS[look]) as page:  # type: ignore[arg-type]
        page.run(axe + "; true")
        assert page.run(AXE) == []


def test_the_rules_bite(browser: Browser, pages: Servers) -> None:
    """Each rule, broken on purpose."""
    broken = {
        "document.documentElement.lang = ''": "no language",
        "document.querySelector('h1').remove()": "heading of the first rank",
        "document.querySelector('label').remove()": "has no label",
        "document.querySelector('nav').removeAttribute('aria-label')": "navigation has no name",
        "document.querySelector('th').removeAttribute('scope')": "heads nothing",
        "document.querySelector('tbody a').style.color = '#888'": "contrast",
        "document.querySelector('td').style.fontSize = '9px'": "smaller than 11 px",
        "document.querySelector('main').style.width = '3000px'; document.querySelector('main').style.maxWidth = 'none'": "wider than the window",
        "document.body.innerHTML += '<svg></svg>'": "has no words",
        "document.querySelector('h2, h1').outerHTML = '<h4>x</h4>'": "skips a rank",
    }
    missed = []
    for harm, told in broken.items():
        with browser.page(at(pages, "runs")) as page:
            page.run(harm)
            missed += [told] if not [line for line in page.run(RULES) if told in line] else []
    assert missed == []


def test_dark_is_dark_and_light_is_light(browser: Browser, pages: Servers) -> None:
    shown = {}
    for dark in (False, True):
        with browser.page(at(pages, "status"), dark=dark) as page:
            shown[dark] = page.run("getComputedStyle(document.body).backgroundColor")
    assert shown == {False: "rgb(244, 244, 241)", True: "rgb(14, 16, 19)"}


def test_the_keyboard_reaches_everything_and_is_seen_doing_so(browser: Browser, pages: Servers) -> None:
    with browser.page(at(pages, "status")) as page:
        page.press("Tab", 9)
        assert page.run("document.activeElement.className") == "skip"
        assert page.run("document.activeElement.getBoundingClientRect().top >= 0")
        wanted = page.run("document.querySelectorAll('a[href], button, summary').length")
        reached = {page.run("document.activeElement.outerHTML")}
        for _ in range(wanted - 1):
            page.press("Tab", 9)
            reached.add(page.run("document.activeElement.outerHTML"))
            assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert len(reached) >= page.run(
            "new Set([...document.querySelectorAll('a[href], button, summary')].map(e => e.outerHTML)).size"
        )


def test_everything_is_there_without_scripts(browser: Browser, pages: Servers) -> None:
    with browser.page(at(pages, "status"), scripts=False) as page:
        shown = page.html()
    assert "dhbw-prod needs action" in shown
    assert "<script" not in shown


def test_on_paper_only_what_is_read_is_printed(browser: Browser, pages: Servers) -> None:
    with browser.page(at(pages, "status"), media="print") as page:
        assert page.run("getComputedStyle(document.querySelector('header nav')).display") == "none"
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.run("document.querySelector('h1').getClientRects().length") == 1
        assert page.tell("Page.printToPDF")["data"].startswith("JVBERi0")


def test_signing_in_and_out_in_a_browser(browser: Browser, pages: Servers) -> None:
    home = f"http://127.0.0.1:{pages['token'].port}"
    with browser.page(f"{home}/runs") as page:
        assert page.run("location.pathname + location.search") == "/sign-in?next=/runs"
        assert page.run("document.activeElement.id") == "token"
        page.run("document.querySelector('#token').value = 'wrong'; document.forms[0].submit()")
        page.loaded()
        assert page.run("document.querySelector('[role=alert]').textContent") == "That is not the token."
        page.run(f"document.querySelector('#token').value = '{TOKEN}'; document.forms[0].submit()")
        page.loaded()
        assert page.run("location.pathname") == "/runs"
        assert page.run("document.cookie") == ""
        page.run("[...document.forms].find(f => f.action.endsWith('/sign-out')).submit()")
        page.loaded()
        assert page.run("location.pathname") == "/sign-in"
        page.open(f"{home}/runs")
        assert page.run("location.pathname") == "/sign-in"


def test_a_form_elsewhere_cannot_sign_anybody_in(browser: Browser, pages: Servers) -> None:
    """The page of another origin: the same machine, another port."""
    with browser.page(at(pages, "jobs")) as page:
        page.tell("Page.setBypassCSP", enabled=True)
        page.open(at(pages, "jobs"))
        target = f"http://127.0.0.1:{pages['token'].port}/sign-in"
        page.run(
            f'document.body.innerHTML = \'<form method=post action="{target}"><input name=token value="{TOKEN}"></form>\';'
            "document.forms[0].submit()"
        )
        page.loaded()
        assert "this form was sent from another page" in page.html()


def test_a_report_runs_no_script_and_no_page_frames_another(browser: Browser, pages: Servers, tmp_path: Path) -> None:
    from opsbot.web.app import build
    from opsbot.web.server import start
    from tests.outbox.world import fresh
    from tests.web import world

    store = fresh(tmp_path / "opsbot.db")
    harm = "<title>report</title><p>text</p><script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    world.keep(store, world.ended("R", "daily_health", world.NOW), html=harm)
    server = start(build(world.inside(store)), "127.0.0.1", 0)
    try:
        with browser.page(f"http://127.0.0.1:{server.port}/reports/R") as page:
            assert "text</p>" in page.html()
            assert "<title>report</title>" in page.html()
        with browser.page(f"http://127.0.0.1:{server.port}/") as page:
            page.tell("Page.setBypassCSP", enabled=False)
            assert (
                page.run(
                    "(() => { const s = document.createElement('script'); s.textContent = \"document.title = 'ran'\"; document.body.append(s); return document.title })()"
                )
                != "ran"
            )
            assert (
                page.run(
                    "(() => { const p = document.createElement('p'); p.setAttribute('style', 'color:red'); document.body.append(p); return getComputedStyle(p).color })()"
                )
                != "rgb(255, 0, 0)"
            )
    finally:
        server.stop()
        store.close()
