"""What is shown of an answer holds no secret, obeys no terminal, and takes no time to speak of."""

from __future__ import annotations

import time

import pytest

from opsbot.model.probe import Answer, Http, WebSocket
from opsbot.probes import evidence
from tests.probes.conftest import target


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("all is well", "all is well"),
        ("password=hunter2&x=1", "password=[hidden]&x=1"),
        ('{"db_password": "hunter2", "x": 1}', '{"db_password": "[hidden]", "x": 1}'),
        ("api_key: abc, y", "api_key: [hidden], y"),
        ("X-Access-Token : abc", "X-Access-Token : [hidden]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("got Bearer abc.def", "got Bearer [hidden]"),
        ("postgres://app:s3cret@db/x", "postgres://app:[hidden]@db/x"),
        ("id AKIAIOSFODNN7EXAMPLE.", "id [hidden]."),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln!", "[hidden]!"),
        ("xoxb-1234567890-abc", "[hidden]"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMIIE", "a [hidden]"),
        ("\x1b[2Jx\x07\u202ey\r\nz\tw", "?[2Jx??y  z w"),
        ("tokens are fine, secrets too", "tokens are fine, secrets too"),
    ],
)
def test_secrets_in_a_body(text: str, shown: str) -> None:
    assert evidence.excerpt(text.encode()) == shown


def test_our_own_secrets_are_hidden_wherever_they_come_back() -> None:
    spec = Http(
        url="http://ann:url-pass@shop.example/",
        password="own-pass",
        bearer="own-bearer",
        proxy="http://p:proxy-pass@10.0.0.1:3128",
        headers=(("X-Api-Key", "own-key"), ("X-Plain", "visible")),
    )
    body = b"url-pass own-pass own-bearer proxy-pass own-key visible"
    _, text = evidence.shown(target(spec), Answer(b"", body))
    assert text == "[hidden] [hidden] [hidden] [hidden] [hidden] visible"
    assert evidence.own_secrets(target(WebSocket(url="ws://x/", headers=(("Cookie", "sid=12345678"),)))) == (
        "sid=12345678",
    )


def test_a_spec_does_not_show_its_secrets() -> None:
    spec = Http(
        url="http://shop.example/",
        password="own-pass",
        bearer="own-bearer",
        headers=(("A", "own-key"),),
        body=b"own-body",
    )
    assert "own-" not in repr(target(spec))


def test_headers_are_capped_and_hidden() -> None:
    lines = [b"HTTP/1.1 500 X", b"Set-Cookie: sid=1", b"X-Long: " + b"a" * 5000, b"X-Evil: \x1b[2J", b"no colon"]
    head = b"\r\n".join([*lines, *(b"X-%d: 1" % n for n in range(100))])
    headers, _ = evidence.shown(target(Http(url="http://x/")), Answer(head))
    assert headers[:3] == (("set-cookie", "[hidden]"), ("x-long", "a" * 200), ("x-evil", "?[2J"))
    assert len(headers) == 40


@pytest.mark.parametrize(
    ("body", "text"), [(b"", ""), (b"\x00\x01" * 50, "[100 bytes of binary]"), (b"a" * 601, "a" * 600 + "...")]
)
def test_lengths(body: bytes, text: str) -> None:
    assert evidence.excerpt(body) == text


def test_a_secret_at_the_cut_is_still_seen_whole() -> None:
    text = evidence.excerpt(b"." * 590 + b" password=hunter2hunter2")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "a.",
        "token",
        "token-",
        "eyJ-",
        "eyJ.",
        "://a",
        "://",
        "bearer ",
        "-----BEGIN ",
        "password= ",
        "sk-",
        "AKIA",
        '"',
    ],
)
def test_no_body_costs_much_time(unit: str) -> None:
    body = (unit * 10_000).encode()
    began = time.process_time()
    for _ in range(3):
        evidence.excerpt(body)
    assert time.process_time() - began < 0.3
