"""Chromium over its debugging pipe: JSON with zero bytes between, no port, no driver, no library."""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE = 30.0


def found() -> str | None:
    """The browser's program, or None."""
    names = (os.environ.get("OPSBOT_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


class Browser:
    """One process; tabs of it are opened with `page`. Commands go out on descriptor 3 and answers come on 4."""

    def __init__(self, program: str, profile: Path) -> None:
        down_read, self._down = os.pipe()
        self._up, up_write = os.pipe()

        def settle() -> None:
            # Copied out of the way first: either of them may be 3 or 4 already.
            low, high = os.dup(down_read), os.dup(up_write)
            os.dup2(low, 3)
            os.dup2(high, 4)

        self._process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=settle, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(down_read)
        os.close(up_write)
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._up, selectors.EVENT_READ)
        self._rest = b""
        self._id = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._down)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._up)

    def tell(self, method: str, session: str = "", **parameters: object) -> dict[str, Any]:
        """One command, and its answer."""
        self._id += 1
        sent: dict[str, object] = {"id": self._id, "method": method, "params": parameters}
        os.write(self._down, json.dumps(sent | ({"sessionId": session} if session else {})).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") != self._id:
                self.events.append(told)
                continue
            if "error" in told:
                raise RuntimeError(f"{method}: {told['error']['message']}")
            return dict(told["result"])

    def wait(self, method: str, session: str) -> dict[str, Any]:
        """The next event of that name in that tab."""
        while True:
            for place, told in enumerate(self.events):
                if told.get("method") == method and told.get("sessionId") == session:
                    return dict(self.events.pop(place)["params"])
            self.events.append(self._next())

    @contextmanager
    def page(
        self,
        url: str,
        *,
        width: int = 1000,
        height: int = 1200,
        dark: bool = False,
        scripts: bool = True,
        media: str = "",
    ) -> Iterator[Page]:
        """A tab of its own, with nothing kept from another."""
        context = self.tell("Target.createBrowserContext")["browserContextId"]
        target = self.tell("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            page.tell(f"{domain}.enable")
        page.tell(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.tell("Emulation.setEmulatedMedia", media=media, features=[scheme])
        page.tell("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.open(url)
        yield page
        self.tell("Target.disposeBrowserContext", browserContextId=context)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._rest:
            if not self._ready.select(end - time.monotonic()):
                raise TimeoutError(f"Chromium said nothing for {_PATIENCE:.0f} s")
            piece = os.read(self._up, 1 << 20)
            if not piece:
                raise EOFError("Chromium has ended")
            self._rest += piece
        first, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(first))


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def tell(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._browser.tell(method, self._session, **parameters)

    def open(self, url: str) -> None:
        """Go there and wait until all of it is loaded."""
        self.tell("Page.navigate", url=url)
        self._browser.wait("Page.loadEventFired", self._session)

    def loaded(self) -> None:
        """Wait for the page that a form or a link leads to."""
        self._browser.wait("Page.loadEventFired", self._session)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = self.tell("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "script failed"))
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def html(self) -> str:
        """What stands in the page, also where scripts are off."""
        root = self.tell("DOM.getDocument", depth=0)["root"]["nodeId"]
        return str(self.tell("DOM.getOuterHTML", nodeId=root)["outerHTML"])

    def picture(self) -> bytes:
        """The whole page as a PNG."""
        shot = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    @property
    def complaints(self) -> list[str]:
        """What the browser wrote to its console: refused styles, missing files, errors."""
        mine = [told for told in self._browser.events if told.get("sessionId") == self._session]
        logged = [told["params"]["entry"]["text"] for told in mine if told["method"] == "Log.entryAdded"]
        return logged + [_said(told["params"]) for told in mine if told["method"] == "Runtime.exceptionThrown"]


def _said(parameters: Mapping[str, Any]) -> str:
    return str(parameters["exceptionDetails"].get("text", ""))
