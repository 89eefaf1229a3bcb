"""libcurl as the second opinion: the same verdicts on the same endpoints, and the same phases on a slow one."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from pathlib import Path

import pycurl
import pytest

from opsbot.model.probe import Http, ProbeResult, Redirects, Trust
from tests.probes import pki
from tests.probes.pki import DAY, NOW, make
from tests.probes.servers import Net, Slowly, head_of, page, reset, says

Probing = Callable[..., ProbeResult]


def curl(url: str, ca: str, *, timeout: float = 5.0) -> tuple[int, dict[str, float]]:
    """libcurl's error code (0 is fine) and its phases in seconds, over a fresh connection."""
    handle = pycurl.Curl()
    options = {
        pycurl.URL: url,
        pycurl.CAINFO: ca,
        pycurl.PROXY: "",
        pycurl.NOSIGNAL: 1,
        pycurl.FRESH_CONNECT: 1,
        pycurl.FORBID_REUSE: 1,
        pycurl.FOLLOWLOCATION: 1,
        pycurl.MAXREDIRS: 10,
        pycurl.FAILONERROR: 1,
        pycurl.TIMEOUT_MS: int(timeout * 1000),
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.WRITEDATA: io.BytesIO(),
    }
    for option, value in options.items():
        handle.setopt(option, value)
    code = 0
    try:
        handle.perform()
    except pycurl.error as error:
        code = error.args[0]
    names = (
        pycurl.CONNECT_TIME,
        pycurl.APPCONNECT_TIME,
        pycurl.PRETRANSFER_TIME,
        pycurl.STARTTRANSFER_TIME,
        pycurl.TOTAL_TIME,
    )
    connect, tls, ready, first, total = (handle.getinfo(name) for name in names)
    handle.close()
    return code, {"connect": connect, "tls": tls - connect, "first_byte": first - ready, "transfer": total - first}


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(page()[:-4])


async def dropped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    reset(writer)


async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head_of(reader)
    writer.write(page()[:-4])
    await asyncio.sleep(30)


PLAIN = {
    "fine": says(page()),
    "chunked": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "until close": says(page(length=False)),
    "interim": says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + page()),
    "no content": says(page(b"", status="204 No Content", length=False)),
    "bad chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"),
    "404": says(page(status="404 Not Found")),
    "500": says(page(status="500 Oops")),
    "cut": cut,
    "reset": dropped,
    "nothing": says(b""),
    "not HTTP": says(b"+OK POP3 ready\r\n"),
    "stuck": stuck,
    "redirect to nowhere": says(page(b"", status="302 Found", headers=("Location: http://127.0.0.1:1/",))),
    "redirect without a place": says(page(status="302 Found")),
    "circle": says(page(b"", status="302 Found", headers=("Location: /",))),
    "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_verdicts_over_http(net: Net, probing: Probing, tmp_path: Path, case: str) -> None:
    url = f"http://127.0.0.1:{net.tcp(PLAIN[case])}/"
    patience = 0.3 if case == "stuck" else 5.0
    code, _ = curl(url, pki.root().file(tmp_path), timeout=patience)
    result = probing(Http(url=url, redirects=Redirects.FOLLOW), timeout=patience)
    assert (result.reason is None) == (code == 0), f"curl says {code}, we say {result.reason}: {result.why}"


SEALED = {
    "fine": pki.leaf,
    "expired": lambda: make("localhost", pki.intermediate(), ends=NOW - DAY),
    "not yet": lambda: make("localhost", pki.intermediate(), begins=NOW + DAY),
    "other name": lambda: make("x", pki.intermediate(), names=("shop.example",)),
    "self-signed": lambda: make("localhost"),
    "other root": lambda: make("localhost", make("other root", authority=True)),
    "wildcard": lambda: make("x", pki.intermediate(), names=("*.test", "localhost")),
    "old intermediate": lambda: make("localhost", make("old", pki.root(), authority=True, ends=NOW - DAY)),
}


@pytest.mark.parametrize("case", SEALED)
def test_verdicts_over_https(net: Net, probing: Probing, tmp_path: Path, case: str) -> None:
    ca = pki.root().file(tmp_path)
    port = net.tcp(says(page()), context=pki.serving(SEALED[case]().chain_file(tmp_path)))
    code, _ = curl(f"https://localhost:{port}/", ca)
    result = probing(Http(url=f"https://localhost:{port}/", trust=Trust(ca_file=ca)))
    assert (result.reason is None) == (code == 0), f"curl says {code}, we say {result.reason}: {result.why}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_phases(net: Net, probing: Probing, tmp_path: Path, scheme: str) -> None:
    ca = pki.root().file(tmp_path)
    context = pki.serving(pki.leaf().chain_file(tmp_path)) if scheme == "https" else None
    server, began = Slowly(0.1, 0.1), time.monotonic()
    url = f"{scheme}://localhost:{net.tcp(server, context=context)}/"
    code, theirs = curl(url, ca)
    seen_by = time.monotonic()
    assert code == 0
    assert server.was_first_byte(theirs["first_byte"], began, seen_by)
    assert server.was_transfer(theirs["transfer"], seen_by)
    began = time.monotonic()
    ours = probing(Http(url=url, trust=Trust(ca_file=ca))).phases
    assert server.was_first_byte(ours.first_byte, began)
    assert server.was_transfer(ours.transfer)
    assert (ours.tls is not None) is (scheme == "https")
