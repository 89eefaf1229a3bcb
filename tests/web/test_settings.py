"""What may listen where: nobody is let in by a setting that was forgotten."""

from __future__ import annotations

import socket

import pytest

from opsbot.errors import ConfigError, OpsbotError
from opsbot.web.server import start
from opsbot.web.settings import WebSettings, checked

TOKEN = "0123456789abcdef"
NETWORKS = ("10.0.0.0/8",)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(WebSettings(), id="loopback is open"),
        pytest.param(WebSettings(listen="127.0.0.9:1"), id="all of 127 is loopback"),
        pytest.param(WebSettings(listen="[::1]:8080"), id="so is ::1"),
        pytest.param(WebSettings(listen="localhost:8080"), id="so is its name"),
        pytest.param(WebSettings(listen="127.0.0.1:8080", token="x"), id="a short token does no harm on loopback"),
        pytest.param(WebSettings(listen="0.0.0.0:80", token=TOKEN), id="elsewhere with a token"),
        pytest.param(
            WebSettings(listen="[::]:80", proxy_header="X-User", trusted_proxies=NETWORKS),
            id="elsewhere behind a proxy",
        ),
    ],
)
def test_these_may_serve(settings: WebSettings) -> None:
    assert checked(settings) is settings


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param(WebSettings(listen="0.0.0.0:80"), "web.listen: 0.0.0.0 can be reached by others: expected web.token", id="all addresses"),
        pytest.param(WebSettings(listen="[::]:80"), "web.listen: :: can be reached by others", id="all of IPv6"),
        pytest.param(WebSettings(listen="10.1.2.3:80"), "web.listen: 10.1.2.3 can be reached by others", id="a private one"),
        pytest.param(WebSettings(listen="ops.example.org:80"), "ops.example.org can be reached by others", id="a name"),
        pytest.param(WebSettings(listen="localhost.example.org:80"), "can be reached by others", id="a name that begins well"),
        pytest.param(WebSettings(listen="127.0.0.1"), "web.listen: expected address:port such as 127.0.0.1:8080", id="no port"),
        pytest.param(WebSettings(listen="127.0.0.1:99999"), "web.listen: expected address:port", id="no such port"),
        pytest.param(WebSettings(listen="127.0.0.1:80\nX: y"), "web.listen: expected address:port", id="two lines"),
        pytest.param(WebSettings(listen="0.0.0.0:80", token="short"), "web.token: expected at least 16 characters, got 5", id="a token to guess"),
        pytest.param(WebSettings(proxy_header="X-User"), "web.trusted_proxies: expected the proxy's networks", id="a proxy from anywhere"),
        pytest.param(
            WebSettings(proxy_header="X User", trusted_proxies=NETWORKS), "web.proxy_header: expected a header's name", id="no header"
        ),
        pytest.param(
            WebSettings(proxy_header="X-User", trusted_proxies=("10.0.0.0/99",)), "web.trusted_proxies[0]: expected a network", id="no network"
        ),
    ],
)  # fmt: skip
def test_these_are_refused_and_say_what_to_do(settings: WebSettings, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(settings)
    assert told in str(refused.value)
    assert settings.token not in str(refused.value) or not settings.token


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        checked(WebSettings(listen="0.0.0.0:80", token="", proxy_header="no header", trusted_proxies=()))
    assert [problem.where for problem in refused.value.problems] == ["web.proxy_header", "web.trusted_proxies"]


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(WebSettings(token=TOKEN))


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OpsbotError) as refused:
            start(_nobody, "127.0.0.1", port)
    assert refused.value.message.startswith(f"web.listen: 127.0.0.1:{port} cannot be listened on: ")
    assert "perhaps another opsbot" in refused.value.hint


async def _nobody(scope: object, receive: object, send: object) -> None:
    raise AssertionError("never asked")
