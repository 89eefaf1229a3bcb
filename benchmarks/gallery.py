"""Makes the pictures of docs/gallery.md again: `.venv/bin/python -m benchmarks.gallery` from the root. Needs Chromium.

The demo runs at a fixed moment, so the same code gives the same pictures but for what a browser draws differently.
"""

from __future__ import annotations

import argparse
import email
import io
import os
import re
import subprocess
import sys
import tempfile
from base64 import b64encode
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from pathlib import Path

from PIL import Image

from benchmarks import gallery_shown
from opsbot.web.app import build
from opsbot.web.server import start
from tests.browser.chromium import Browser, found
from tests.outbox.world import fresh
from tests.uptime.kept import NOW, scene
from tests.uptime.shelf import pour
from tests.web import world

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "gallery"
AT = "2026-11-20T07:00:00Z"
LARGEST = 150 * 1024
COLOURS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """`file` of the demo's folder, or an address; the picture shows the first `height` pixels of it."""

    name: str
    file: str
    width: int = 660
    height: int = 1000
    dark: bool = False


SHOTS = (
    Shot(name="daily_health", file="daily_health.html"),
    Shot(name="daily_health_dark", file="daily_health.html", dark=True, height=760),
    Shot(name="daily_health_phone", file="daily_health.html", width=390, height=800),
    Shot(name="daily_health_mail", file="daily_health.mail.html", height=760),
    Shot(name="daily_health_terminal", file="daily_health.terminal.html", width=900, height=640),
    Shot(name="daily_health_slack", file="daily_health.slack.html", width=720, height=760),
    Shot(name="weekly_report", file="weekly_report.html", height=1400),
    Shot(name="capacity_trends", file="capacity_trends.html", height=1400),
    Shot(name="cost_anomalies", file="cost_anomalies.html", height=1100),
)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--demo", type=Path, help="a folder that `opsbot demo` has filled; default: it is run")
    given = asked.parse_args().demo
    program = found()
    if program is None:
        print("no Chromium: install it, or name it in OPSBOT_CHROMIUM", file=sys.stderr)
        return 2
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = given or demonstrated(Path(folder) / "demo")
        retold(demo, Path(folder))
        with Browser(program, Path(folder) / "profile") as browser:
            for shot in SHOTS:
                places = [place for place in (Path(folder) / shot.file, demo / shot.file) if place.is_file()]
                if places:
                    taken(browser, shot, places[0].as_uri())
            of_the_daemon(browser)
    return 1 if any(path.stat().st_size > LARGEST for path in OUT.glob("*.png")) else 0


def demonstrated(folder: Path) -> Path:
    command = [sys.executable, "-m", "opsbot", "demo", "--at", AT, "--out", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder


def retold(demo: Path, folder: Path) -> None:
    """What is no page: the mail with its pictures put in, the terminal's and Slack's words as pages."""
    (folder / "daily_health.mail.html").write_text(mail((demo / "daily_health.eml").read_bytes()), encoding="utf-8")
    text = (demo / "daily_health.txt").read_text(encoding="utf-8")
    (folder / "daily_health.terminal.html").write_text(gallery_shown.terminal(text), encoding="utf-8")
    sent = (demo / "daily_health.slack.json").read_text(encoding="utf-8")
    (folder / "daily_health.slack.html").write_text(gallery_shown.slack(sent), encoding="utf-8")


def mail(sent: bytes) -> str:
    """The HTML part as a mail program shows it: its parts where their Content-IDs stand."""
    whole = email.message_from_bytes(sent, policy=policy.default)
    body = whole.get_body(("html",))
    if not isinstance(body, EmailMessage):
        raise SystemExit("the demo's mail has no HTML part")
    parts = {
        str(part["Content-ID"]).strip("<> "): b64encode(part.get_payload(decode=True)).decode()
        for part in whole.walk()
        if part["Content-ID"]
    }
    return re.sub(
        r"cid:([^\"'\s>]+)", lambda cid: f"data:image/png;base64,{parts.get(cid[1], '')}", str(body.get_content())
    )


def of_the_daemon(browser: Browser) -> None:
    """The web page's own views, over the store that the tests of it use."""
    (kept, probes), store = scene(), fresh()
    pour(kept, store)
    with tempfile.TemporaryDirectory() as logs:
        world.busy(store, Path(logs))
        server = start(build(world.inside(store, now=lambda: NOW, probes=lambda: probes)), "127.0.0.1", 0)
        try:
            address = f"http://127.0.0.1:{server.port}"
            taken(browser, Shot(name="web_overview", file="", width=1000, height=900), f"{address}/")
            taken(browser, Shot(name="web_uptime", file="", width=1000, height=760), f"{address}/uptime")
        finally:
            server.stop()
            store.close()


def taken(browser: Browser, shot: Shot, address: str) -> None:
    with browser.page(address, width=shot.width, height=shot.height, dark=shot.dark) as page:
        whole = Image.open(io.BytesIO(page.picture())).convert("RGB")
    cut = whole.crop((0, 0, whole.width, min(shot.height, whole.height)))
    path = OUT / f"{shot.name}.png"
    fewer_colours(cut).save(path, optimize=True)
    print(f"{os.path.relpath(path, ROOT)}  {path.stat().st_size / 1024:.0f} KiB")


def fewer_colours(picture: Image.Image) -> Image.Image:
    """A palette of the commonest: a large surface keeps its very colour, which a quantizer would shift."""
    counted = sorted(picture.getcolors(picture.width * picture.height) or (), reverse=True)[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in counted for part in colour])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    sys.exit(main())
