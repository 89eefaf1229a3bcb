"""The uptime pages as people meet them: light, dark, on a phone, read aloud; with one probe in trouble and with 500."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Standing
from opsbot.web.app import build
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings
from tests.browser.chromium import Browser
from tests.browser.test_web_pages import AXE, LOOKS, RULES
from tests.outbox.world import fresh
from tests.uptime.kept import HOUR, NOW, probe, scene
from tests.uptime.shelf import pour
from tests.web import world
from tests.web.conftest import TOKEN

PAGES = {
    "all": ("busy", "/uptime"),
    "one": ("busy", "/uptime/api"),
    "public": ("public", "/uptime"),
    "none": ("none", "/uptime"),
    "five hundred": ("crowd", "/uptime"),
}


@pytest.fixture(scope="module")
def uptime_pages() -> Iterator[dict[str, Server]]:
    (kept, probes), store = scene(), fresh()
    many = tuple(probe(f"a-very-long-customer-name-without-any-end-{n:03}-production-eu") for n in range(500))
    down = Standing(probe="", state=ProbeState.DOWN, since=NOW - HOUR, seen=NOW, reason="http.status")
    kept.stands |= {one.name: replace(down, probe=one.name) for one in many[::3]}
    pour(kept, store)
    public = WebSettings(token=TOKEN, public_status=True)
    insides = {
        "busy": world.inside(store, now=lambda: NOW, probes=lambda: probes),
        "public": world.inside(store, now=lambda: NOW, probes=lambda: probes, settings=public),
        "none": world.inside(store, now=lambda: NOW),
        "crowd": world.inside(store, now=lambda: NOW, probes=lambda: many),
    }
    servers = {kind: start(build(inside), "127.0.0.1", 0) for kind, inside in insides.items()}
    yield servers
    for server in servers.values():
        server.stop()
    store.close()


def at(pages: dict[str, Server], name: str) -> str:
    kind, path = PAGES[name]
    return f"http://127.0.0.1:{pages[kind].port}{path}"


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_owes_nobody_anything(browser: Browser, uptime_pages: dict[str, Server], name: str, look: str) -> None:
    with browser.page(at(uptime_pages, name), **LOOKS[look]) as page:  # type: ignore[arg-type]
        assert (page.run(RULES), page.complaints) == ([], [])


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, uptime_pages: dict[str, Server], axe: str, name: str, look: str) -> None:
    with browser.page(at(uptime_pages, name), **LOOKS[look]) as page:  # type: ignore[arg-type]
        page.run(axe + "; true")
        assert page.run(AXE) == []


POINTED = """(() => {
  const strip = document.querySelector('.up b');
  strip.focus({ focusVisible: true });
  const shown = getComputedStyle(strip, '::after');
  return [strip === document.activeElement, shown.content, shown.position];
})()"""


@pytest.mark.parametrize("look", ["light", "phone"])
def test_what_a_strip_means_is_shown_to_the_keyboard(
    browser: Browser, uptime_pages: dict[str, Server], look: str
) -> None:
    with browser.page(at(uptime_pages, "public"), **LOOKS[look]) as page:  # type: ignore[arg-type]
        reached, content, position = page.run(POINTED)
        assert (reached, position) == (True, "absolute")
        assert "5 days not well: 20 Nov 86.2 %, 11 Nov" in content
        assert page.run(RULES) == []
