"""Who gets in: every route with and without a sign-in, by every way there is, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import pytest

from opsbot.web.app import REPORT_POLICY
from opsbot.web.guard import HEADERS
from opsbot.web.server import Server
from opsbot.web.settings import WebSettings
from tests.web.conftest import TOKEN
from tests.web.world import NOW, Answer, ask

GUARDED = {
    "/": 200, "/?refresh=30": 200, "/runs": 200, "/runs?job=daily_health&state=failed&page=2": 200, "/runs/HEALTH": 200,
    "/runs/NONE": 404, "/reports": 200, "/reports/HEALTH": 200, "/reports/HEALTH.txt": 200, "/reports/HEALTH.json": 200,
    "/reports/NONE": 404, "/reports/HEALTH.exe": 404, "/outbox": 200, "/outbox?all=1": 200, "/jobs": 200, "/metrics": 200,
    "/nowhere": 404, "/runs/": 307, "//": 404, "/static": 404, "/healthz/x": 404,
}  # fmt: skip
OPEN = {"/healthz": 200, "/readyz": 200, "/sign-in": 200, "/static/nothing.css": 404}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SECRETS = (TOKEN, "Traceback", "sqlalchemy")


def signed_in(server: Server, token: str = TOKEN, **headers: str) -> Answer:
    return ask(server.port, "/sign-in", method="POST", form={"token": token, "next": "/runs"}, headers=headers)


@pytest.mark.parametrize(("path", "code"), (GUARDED | OPEN | {"/sign-in": 404}).items())
def test_on_loopback_everything_is_open(open_page: Server, path: str, code: int) -> None:
    assert ask(open_page.port, path).status == code


@pytest.mark.parametrize(("path", "code"), GUARDED.items())
def test_strangers_see_nothing(token_page: Server, proxied_page: Server, path: str, code: int) -> None:
    assert code
    browser = ask(token_page.port, path, headers={"Accept": "text/html,*/*"})
    assert (browser.status, browser.headers["location"].partition("?")[0], browser.body) == (303, "/sign-in", "")
    program = ask(token_page.port, path)
    assert (program.status, program.headers["www-authenticate"]) == (401, 'Bearer realm="opsbot"')
    assert "Authorization: Bearer TOKEN" in program.body
    proxied = ask(proxied_page.port, path, headers={"Accept": "text/html"})
    assert (proxied.status, proxied.body) == (403, "sign in at the proxy in front of this page\n")


@pytest.mark.parametrize(("path", "code"), OPEN.items())
def test_what_restarts_daemons_needs_no_sign_in(token_page: Server, path: str, code: int) -> None:
    answer = ask(token_page.port, path, headers={"Host": "10.1.2.3:8080"})
    assert answer.status == code
    assert not [word for word in ("ops-1:4711", "9f2c41d07b3a55e1", '"error"', "1.4.0") if word in answer.body]


@pytest.mark.parametrize(("path", "code"), GUARDED.items())
def test_a_token_a_cookie_or_a_proxy_opens_everything(
    token_page: Server, proxied_page: Server, path: str, code: int
) -> None:
    assert ask(token_page.port, path, headers=BEARER).status == code
    assert ask(token_page.port, path, headers={"Cookie": _cookie(token_page)}).status == code
    assert ask(proxied_page.port, path, headers={"X-Forwarded-User": "ada"}).status == code


_COOKIES: dict[int, str] = {}


def _cookie(server: Server) -> str:
    if server.port not in _COOKIES:
        _COOKIES[server.port] = signed_in(server).cookie
    return _COOKIES[server.port]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": f"Bearer {TOKEN} "[:-3]}, id="a token cut short"),
        pytest.param({"Authorization": f"Basic {TOKEN}"}, id="another scheme"),
        pytest.param({"Authorization": "Bearer"}, id="no token at all"),
        pytest.param({"Cookie": "opsbot="}, id="an empty cookie"),
        pytest.param({"Cookie": f"opsbot={TOKEN}"}, id="the token as a cookie"),
        pytest.param({"Cookie": "opsbot=1." + "0" * 32 + "." + "0" * 64}, id="a cookie made up"),
        pytest.param({"X-Forwarded-User": "ada"}, id="a proxy's header without a proxy"),
    ],
)
def test_these_are_strangers_still(serve: Callable[..., Server], headers: Mapping[str, str]) -> None:
    server = serve(settings=WebSettings(token=TOKEN))
    assert ask(server.port, "/runs", headers=headers).status == 401


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        pytest.param({"X-Forwarded-User": "ada@example.org"}, "ada@example.org", id="named"),
        pytest.param({"X-Forwarded-User": ""}, None, id="an empty name is none"),
        pytest.param({"X-Forwarded-User": " \t"}, None, id="nor are blanks"),
        pytest.param({"X-Other": "ada"}, None, id="another header"),
        pytest.param({"X-Forwarded-User": "<script>alert(1)</script>"}, "&lt;script&gt;", id="a hostile name is text"),
    ],
)
def test_a_proxy_names_who_it_signed_in(proxied_page: Server, headers: Mapping[str, str], name: str | None) -> None:
    answer = ask(proxied_page.port, "/jobs", headers=headers)
    assert answer.status == (403 if name is None else 200)
    assert name is None or name in answer.body


def test_only_a_trusted_proxy_is_believed(serve: Callable[..., Server]) -> None:
    elsewhere = WebSettings(proxy_header="X-Forwarded-User", trusted_proxies=("10.0.0.0/8",), token=TOKEN)
    server = serve(settings=elsewhere)
    assert ask(server.port, "/jobs", headers={"X-Forwarded-User": "ada"}).status == 401
    assert ask(server.port, "/jobs", headers=BEARER).status == 200


class TestSigningIn:
    def test_the_form_gives_a_strict_cookie_and_goes_where_one_came_from(self, token_page: Server) -> None:
        shown = ask(token_page.port, "/sign-in?next=/runs")
        assert (shown.status, 'value="/runs"' in shown.body, 'method="post"' in shown.body) == (200, True, True)
        answer = signed_in(token_page)
        assert (answer.status, answer.headers["location"]) == (303, "/runs")
        flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert flags == {"httponly", "samesite=strict", "path=/", "max-age=43200"}
        assert TOKEN not in answer.headers["set-cookie"]

    def test_signing_out_ends_the_cookie_everywhere(self, token_page: Server) -> None:
        cookie = {"Cookie": signed_in(token_page).cookie}
        assert "Sign out" in ask(token_page.port, "/runs", headers=cookie).body
        farewell = ask(token_page.port, "/sign-out", method="POST", form={}, headers=cookie)
        assert (farewell.status, "Max-Age=0" in farewell.headers["set-cookie"]) == (303, True)
        assert ask(token_page.port, "/runs", headers=cookie).status == 401

    @pytest.mark.parametrize(
        ("back", "goes"),
        [
            ("/runs/HEALTH", "/runs/HEALTH"),
            ("", "/"),
            ("//evil.example", "/"),
            ("https://evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("/runs/../../x", "/"),
            ("/a\r\nX: y", "/"),
            ("javascript:alert(1)", "/"),
        ],
    )
    def test_it_never_leads_elsewhere(self, token_page: Server, back: str, goes: str) -> None:
        answer = ask(token_page.port, "/sign-in", method="POST", form={"token": TOKEN, "next": back})
        assert (answer.status, answer.headers["location"]) == (303, goes)

    def test_six_wrong_tokens_in_a_minute_are_one_too_many_even_for_the_right_one(
        self, serve: Callable[..., Server]
    ) -> None:
        server = serve(settings=WebSettings(token=TOKEN))
        codes = [signed_in(server, token=f"guess {n}").status for n in range(6)]
        assert codes == [403, 403, 403, 403, 403, 429]
        late = signed_in(server)
        assert (late.status, 0 < int(late.headers["retry-after"]) <= 60) == (429, True)
        assert "Try again in" in late.body
        assert ask(server.port, "/runs", headers=BEARER).status == 401

    def test_guessing_by_bearer_is_braked_too(self, serve: Callable[..., Server]) -> None:
        server = serve(settings=WebSettings(token=TOKEN))
        for n in range(5):
            assert ask(server.port, "/runs", headers={"Authorization": f"Bearer {n}"}).status == 401
        assert ask(server.port, "/runs", headers=BEARER).status == 401

    def test_behind_a_proxy_one_guesser_does_not_lock_the_others_out(self, serve: Callable[..., Server]) -> None:
        both = WebSettings(token=TOKEN, proxy_header="X-Forwarded-User", trusted_proxies=("127.0.0.0/8",))
        server = serve(settings=both)
        for n in range(6):
            signed_in(server, token=f"guess {n}", **{"X-Forwarded-For": f"{n}.{n}.{n}.{n}, 192.0.2.7, 127.0.0.1"})
        assert signed_in(server, **{"X-Forwarded-For": "192.0.2.7"}).status == 429
        other = signed_in(server, **{"X-Forwarded-For": "192.0.2.8", "X-Forwarded-Proto": "https"})
        assert (other.status, "; Secure" in other.headers["set-cookie"]) == (303, True)

    def test_a_cookie_ends_with_its_twelve_hours(self, serve: Callable[..., Server]) -> None:
        moment = [NOW]

        def now() -> datetime:
            return moment[0]

        server = serve(settings=WebSettings(token=TOKEN), now=now)
        cookie = {"Cookie": signed_in(server).cookie}
        assert ask(server.port, "/jobs", headers=cookie).status == 200
        moment[0] += timedelta(hours=12, seconds=1)
        assert ask(server.port, "/jobs", headers=cookie).status == 401

    def test_a_form_without_end_is_not_read(self, token_page: Server) -> None:
        answer = ask(token_page.port, "/sign-in", method="POST", form={"token": "x" * 5000})
        assert (answer.status, "That form is too long" in answer.body) == (413, True)

    def test_without_a_token_there_is_nothing_to_sign_in_to(self, open_page: Server) -> None:
        assert ask(open_page.port, "/sign-in").status == 404


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"Host": "127.0.0.1:1"}, 200, id="an address"),
        pytest.param({"Host": "localhost:9999"}, 200, id="a forwarded port"),
        pytest.param({"Host": "[::1]:80"}, 200, id="IPv6"),
        pytest.param({"Host": "evil.example"}, 421, id="a name that was pointed here"),
        pytest.param({"Host": "localhost.evil.example"}, 421, id="one that begins well"),
        pytest.param({"Host": "10.0.0.1:8080"}, 421, id="another address"),
        pytest.param({"Host": "2130706433"}, 421, id="loopback in disguise"),
        pytest.param({"Host": "127.0.0.1@evil.example"}, 421, id="a user's name"),
        pytest.param({"Host": ""}, 421, id="no name"),
    ],
)
def test_a_page_elsewhere_cannot_have_its_name_point_here(
    open_page: Server, headers: Mapping[str, str], code: int
) -> None:
    assert ask(open_page.port, "/jobs", headers=headers).status == code
    assert ask(open_page.port, "/healthz", headers=headers).status == code


def test_names_that_are_told_are_the_only_ones(serve: Callable[..., Server]) -> None:
    server = serve(settings=WebSettings(token=TOKEN, hosts=("ops.example.org",)))
    assert ask(server.port, "/jobs", headers=BEARER | {"Host": "ops.example.org"}).status == 200
    assert ask(server.port, "/jobs", headers=BEARER | {"Host": "other.example.org"}).status == 421


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, 303, id="a program"),
        pytest.param({"Origin": "http://127.0.0.1:{port}"}, 303, id="our own form"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 303, id="an old browser's own form"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="a form elsewhere"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, 403, id="another port is elsewhere"),
        pytest.param({"Origin": "null"}, 403, id="a sandboxed page, such as a report"),
        pytest.param({"Origin": "http://[evil"}, 403, id="no origin at all"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="cross-site without an origin"),
    ],
)
def test_a_form_must_come_from_here(token_page: Server, headers: Mapping[str, str], code: int) -> None:
    filled = {name: value.format(port=token_page.port) for name, value in headers.items()}
    assert signed_in(token_page, **filled).status == code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"])
@pytest.mark.parametrize("path", ["/", "/runs/HEALTH", "/reports/HEALTH", "/outbox", "/jobs", "/metrics", "/healthz"])
def test_pages_can_only_be_looked_at(open_page: Server, method: str, path: str) -> None:
    answer = ask(open_page.port, path, method=method)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", [*GUARDED, *OPEN])
def test_every_answer_has_strict_headers_and_no_secret(token_page: Server, path: str) -> None:
    for headers in ({}, BEARER, {"Accept": "text/html"}, {"Host": "no host"}):
        answer = ask(token_page.port, path, headers=headers)
        expected = dict(HEADERS)
        if answer.status == 200 and path.startswith("/reports/"):
            expected["content-security-policy"] = REPORT_POLICY
        assert {name: answer.headers.get(name) for name in expected} == expected
        assert "server" not in answer.headers
        assert not [secret for secret in SECRETS if secret in answer.body]


def test_no_policy_lets_a_script_run() -> None:
    page = dict(part.strip().partition(" ")[::2] for part in HEADERS["content-security-policy"].split(";"))
    assert (page["default-src"], "script-src" in page, "'unsafe-inline'" in page.values()) == ("'none'", False, False)
    assert "sandbox" in [part.strip() for part in REPORT_POLICY.split(";")]
    assert "script-src" not in REPORT_POLICY


def test_style_fonts_and_marks_are_served_for_ever_and_named_by_their_content(open_page: Server) -> None:
    page = ask(open_page.port, "/").body
    sheet = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = ask(open_page.port, sheet)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    font = answer.body.partition("url(")[2].partition(")")[0]
    assert ask(open_page.port, f"/static/{font}").headers["content-type"] == "font/ttf"
    mark = page.partition('rel="icon" type="image/svg+xml" href="')[2].partition('"')[0]
    assert ask(open_page.port, mark).headers["content-type"] == "image/svg+xml"


def test_a_page_below_a_path_keeps_all_its_links_there(serve: Callable[..., Server]) -> None:
    server = serve(prefix="/ops", settings=WebSettings(token=TOKEN))
    assert ask(server.port, "/ops/runs", headers=BEARER).status == 200
    body = ask(server.port, "/ops/", headers=BEARER).body
    links = [part.partition('"')[0] for part in body.split('href="')[1:]]
    assert [link for link in links if not link.startswith(("/ops/", "#"))] == []
    assert ask(server.port, "/ops/healthz").status == 200
    away = ask(server.port, "/ops/runs", headers={"Accept": "text/html"})
    assert away.headers["location"] == "/ops/sign-in?next=/runs"
    entered = ask(server.port, "/ops/sign-in", method="POST", form={"token": TOKEN, "next": "/runs"})
    assert (entered.headers["location"], "Path=/ops" in entered.headers["set-cookie"]) == ("/ops/runs", True)
    assert ask(server.port, "/runs", headers=BEARER).status == 404
