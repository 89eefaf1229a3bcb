"""One `[channels.<name>]` table: every mistake at once, with the nearest right word, and never a secret repeated."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.channels import SETTINGS, decode

SLACK = {"kind": "slack", "token": "env:SLACK_BOT_TOKEN", "channel": "C0123456"}
EMAIL = {"kind": "email", "from": "opsbot@example.org", "to": ["ops@example.org"], "host": "mail.example.org"}
FILE = {"kind": "file", "folder": "out"}
PAGER = {"kind": "pagerduty", "routing_key": "env:PAGERDUTY_KEY"}
TOPIC = {"kind": "sns", "topic": "arn:aws:sns:eu-central-1:123456789012:ops"}
PHONE = {"kind": "sns", "phone": "+4971112345678", "region": "eu-central-1"}
HOOK = {"kind": "webhook", "url": "https://hooks.example.org/opsbot", "secret": "env:HOOK_SECRET"}

KEYS_OF_EMAIL = (
    "kind, via, from, to, host, port, user, password, tls, allow_plain, ca_file, region, timeout, max_per_minute"
)
NO_REFERENCE = "ops.token: expected a reference: env:NAME, file:PATH, ssm:NAME or secretsmanager:NAME; never the secret"
NO_CHANNEL = (
    "ops.channel: expected a channel id such as C0123456 (in Slack it stands at the bottom of the channel's details)"
)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(SLACK, id="slack"),
        pytest.param(SLACK | {"base_url": "http://127.0.0.1:8080/api/", "name": "#ops"}, id="slack on loopback"),
        pytest.param(EMAIL, id="smtp"),
        pytest.param(
            EMAIL | {"port": 587, "user": "opsbot", "password": "file:/run/secrets/smtp"}, id="smtp signed in"
        ),
        pytest.param(EMAIL | {"host": "127.0.0.1", "tls": "none"}, id="in clear to loopback"),
        pytest.param(EMAIL | {"tls": "none", "allow_plain": True}, id="in clear when meant"),
        pytest.param({**EMAIL, "via": "ses", "region": "eu-central-1"}, id="ses"),
        pytest.param(FILE, id="file"),
        pytest.param(PAGER, id="pagerduty"),
        pytest.param(PAGER | {"url": "https://events.eu.pagerduty.com/v2/enqueue"}, id="pagerduty in the EU"),
        pytest.param(TOPIC, id="topic"),
        pytest.param({**TOPIC, "topic": "arn:aws-cn:sns:cn-north-1:123456789012:ops.fifo"}, id="fifo topic elsewhere"),
        pytest.param(PHONE | {"sender_id": "opsbot"}, id="phone"),
        pytest.param(HOOK | {"allow_private": True, "name": "CMDB"}, id="webhook"),
        pytest.param({**HOOK, "url": "http://127.0.0.1:9000/"}, id="webhook on loopback"),
    ],
)
def test_a_good_table_is_taken(table: dict[str, object]) -> None:
    decoded, problems = decode("ops", table)
    assert problems == []
    assert type(decoded) is SETTINGS[str(table["kind"])]


def _without(table: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        pytest.param({}, ["ops.kind: missing; one of slack, email, pagerduty, sns, webhook, file"], id="no kind"),
        pytest.param(
            {"kind": "slcak"},
            [
                'ops.kind: unknown kind; did you mean "slack"? expected one of slack, email, pagerduty, sns, webhook, file'
            ],
            id="misspelt kind",
        ),
        pytest.param(
            {"kind": 7},
            ["ops.kind: unknown kind; expected one of slack, email, pagerduty, sns, webhook, file"],
            id="kind is a number",
        ),
        pytest.param(_without(SLACK, "token"), ["ops.token: missing"], id="missing key"),
        pytest.param(SLACK | {"chanel": "C1"}, ['ops.chanel: unknown key; did you mean "channel"?'], id="misspelt key"),
        pytest.param(
            EMAIL | {"xyzzy": 1},
            [
                f"ops.xyzzy: unknown key; known: {KEYS_OF_EMAIL}",
            ],
            id="unlike any key",
        ),
        pytest.param(
            SLACK | {"channel": "#ops"},
            [
                f"{NO_CHANNEL}, got '#ops'",
            ],
            id="a channel's name",
        ),
        pytest.param(
            SLACK | {"token": "xoxb-123-secret"},
            [NO_REFERENCE],
            id="token in clear",
        ),
        pytest.param(SLACK | {"token": 12345678}, ["ops.token: expected a valid string"], id="token is a number"),
        pytest.param(
            EMAIL | {"user": "opsbot", "password": 12345678},
            ["ops.password: expected a valid string"],
            id="password is a number",
        ),
        pytest.param(
            SLACK | {"channel": "xoxb-123-secret"},
            [
                f"{NO_CHANNEL}, got something that looks like a secret",
            ],
            id="token in the wrong place",
        ),
        pytest.param(
            EMAIL | {"port": "587"}, ["ops.port: expected a valid integer, got str '587'"], id="port in quotes"
        ),
        pytest.param(
            EMAIL | {"to": "ops@example.org"},
            ["ops.to: expected a valid list, got str 'ops@example.org'"],
            id="one address",
        ),
        pytest.param(
            EMAIL | {"to": ["ops@example.org", "ops"]},
            ["ops.to[1]: expected an address such as ops@example.org, got 'ops'"],
            id="no address",
        ),
        pytest.param(
            EMAIL | {"from": "a@b.org\r\nBcc: x@y.org"},
            ["ops.from: expected an address such as ops@example.org, got 'a@b.org\\r\\nBcc: x@y.org'"],
            id="header injection",
        ),
        pytest.param(
            _without(EMAIL, "host"), ['ops: host: missing; via = "smtp" needs the mail server\'s name'], id="no host"
        ),
        pytest.param(
            EMAIL | {"via": "ses"}, ['ops: region: missing; via = "ses" needs one such as eu-central-1'], id="no region"
        ),
        pytest.param(EMAIL | {"user": "opsbot"}, ["ops: user and password: one without the other"], id="no password"),
        pytest.param(
            EMAIL | {"tls": "none"},
            ['ops: tls: "none" to mail.example.org would send in clear; use starttls, or set allow_plain = true'],
            id="in clear",
        ),
        pytest.param(
            {**PAGER, "routing_key": "0123456789abcdef0123456789abcdef"},
            [NO_REFERENCE.replace("token", "routing_key")],
            id="routing key in clear",
        ),
        pytest.param(
            {**PAGER, "url": "http://events.pagerduty.com/v2/enqueue"},
            ["ops.url: expected https://: what is sent to events.pagerduty.com would go in clear"],
            id="pagerduty in clear",
        ),
        pytest.param(
            TOPIC | {"phone": "+4971112345678"}, ["ops: topic and phone: expected one of them"], id="topic and phone"
        ),
        pytest.param({"kind": "sns"}, ["ops: topic and phone: expected one of them"], id="neither topic nor phone"),
        pytest.param(
            _without(PHONE, "region"),
            ["ops: region: missing; a phone needs one such as eu-central-1"],
            id="phone without a region",
        ),
        pytest.param(
            {**PHONE, "phone": "0711 12345678"},
            ["ops.phone: expected a number with its country, such as +4971112345678, got '0711 12345678'"],
            id="phone without its country",
        ),
        pytest.param(
            {**TOPIC, "topic": "ops"},
            ["ops.topic: expected a topic's ARN such as arn:aws:sns:eu-central-1:123456789012:ops, got 'ops'"],
            id="a topic's name",
        ),
        pytest.param(
            TOPIC | {"region": "us-east-1"},
            ["ops: region: the topic is in eu-central-1; leave region out"],
            id="two regions",
        ),
        pytest.param(_without(HOOK, "secret"), ["ops.secret: missing"], id="unsigned webhook"),
        pytest.param(
            {**HOOK, "url": "https://me:hunter2@hooks.example.org/"},
            ["ops.url: expected a URL without a name and password in it; a signature says who we are"],
            id="password in the address",
        ),
        pytest.param(
            {"kind": "slack", "token": "hunter2", "channel": "ops", "tiemout": 3},
            [
                NO_REFERENCE,
                f"{NO_CHANNEL}, got 'ops'",
                'ops.tiemout: unknown key; did you mean "timeout"?',
            ],
            id="all at once",
        ),
    ],
)
def test_mistakes_are_told_with_their_path(table: dict[str, object], told: list[str]) -> None:
    decoded, problems = decode("ops", table)
    assert decoded is None
    assert list(map(str, problems)) == [f"config.toml.channels.{line}" for line in told]


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([
    "kind", "token", "channel", "from", "to", "host", "tls", "via", "port", "folder", "url", "topic", "phone", "region",
    "routing_key", "secret", "sender_id",
]) | st.text(max_size=8)  # fmt: skip


@given(st.sampled_from([SLACK, EMAIL, FILE, PAGER, TOPIC, PHONE, HOOK]), st.dictionaries(KEYS, JSONISH, max_size=4))
@settings(max_examples=300, deadline=None)
def test_any_table_gives_settings_or_problems_with_paths(good: dict[str, object], changes: dict[str, object]) -> None:
    decoded, problems = decode("ops", good | changes)
    assert (decoded is None) == bool(problems)
    assert all(problem.where.startswith("config.toml.channels.ops") and problem.what for problem in problems)


def test_slack_sdk_is_loaded_by_the_first_message_and_not_before() -> None:
    code = (
        "import sys\nfrom opsbot.channels import build, decode\n"
        f"build('ops', decode('ops', {SLACK!r})[0], lambda reference: 'xoxb-1')\nprint('slack_sdk' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout == "False\n", told.stderr
