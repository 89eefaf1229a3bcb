"""`[[probes]]`: what may stand in each of its keys. How keys fit together, `opsbot.probes.plan` knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from opsbot.config.serving import Days, Globs, Hours
from opsbot.config.types import Length, Name, Schedule, Table, Text
from opsbot.evaluate import expect
from opsbot.secrets import IN_CLEAR, Secret, looks_like_secret

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]|\{env\}){0,63}|\{env\}(?:[A-Za-z0-9._-]){0,60}")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_METHOD = re.compile(r"[A-Z]{1,20}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_LATENCY = re.compile(r"(?P<number>\d{1,6})\s*(?P<unit>ms|s)")
_LONGEST_URL, _LONGEST_BODY = 8192, 65536


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"expected {expected}, got {text[:80]!r}")
        return text

    return check


def _at_most(limit: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"expected at most {limit:,} characters, got {len(text):,}")
        return text

    return check


def _expectation(text: str) -> str:
    try:
        expect.parse(text)
    except expect.Misread as error:
        raise ValueError(f"{error} (at character {error.column} of {text[:80]!r})") from None
    return text


def _header(text: str) -> str:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text) or len(text) > _LONGEST_URL:
        raise ValueError("expected one line of text without control characters, or a reference")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("expected Latin-1 characters only: headers hold no others") from None
    return text


def _file(text: str) -> str:
    if not PurePosixPath(text).is_absolute() or "\0" in text:
        raise ValueError(f'expected an absolute path such as "/etc/ssl/shop.pem", got {text[:80]!r}')
    return text


def _proxy(text: str) -> str:
    if looks_like_secret(text):
        raise ValueError(IN_CLEAR)
    return text


def _extracted(text: str) -> str:
    kind, dot, name = text.partition(".")
    if kind in ("header", "cookie") and dot and _TOKEN.fullmatch(name):
        return text
    if not text.startswith("json"):
        raise ValueError(f"expected json.PATH, header.NAME or cookie.NAME such as json.token, got {text[:80]!r}")
    expect.parse_path(text)
    return text


def _latency(value: object) -> float:
    found = _LATENCY.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = int(found["number"]) * (0.001 if found["unit"] == "ms" else 1.0) if found else 0.0
    if not 0 < seconds <= 600:
        raise ValueError(f'expected a latency such as "500ms" or "2s", got {value!r}')
    return seconds


ProbeName = Annotated[
    str,
    AfterValidator(_matching(_NAME, 'a name of letters, digits, "-", "_", "." and {env} such as "api" or "{env}-api"')),
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9{][A-Za-z0-9._{}-]{0,63}$"}),
]
Address = Annotated[str, AfterValidator(_at_most(_LONGEST_URL))]
Body = Annotated[str, AfterValidator(_at_most(_LONGEST_BODY))]
Lines = Annotated[tuple[Annotated[str, AfterValidator(_expectation)], ...], Field(strict=False, max_length=50)]
HeaderName = Annotated[str, AfterValidator(_matching(_TOKEN, "a header's name such as Accept"))]
Headers = dict[HeaderName, Annotated[str, AfterValidator(_header)]]
Method = Annotated[str, AfterValidator(_matching(_METHOD, "a method in capitals such as GET"))]
File = Annotated[Text, AfterValidator(_file)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Variable = Annotated[str, AfterValidator(_matching(_VARIABLE, "a name of letters, digits and _ such as token"))]
Latency = Annotated[
    float, BeforeValidator(_latency), WithJsonSchema({"type": "string", "pattern": r"^\s*\d{1,6}\s*(ms|s)\s*$"})
]
Streak = Annotated[int, Field(ge=1, le=100)]
Tries = Annotated[int, Field(ge=0, le=5)]
Share = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class SloTable(Table):
    """What a probe owes its users: `slo = { target = 99.9 }`."""

    target: Share = Field(description="Percent of the probes that must be good.", examples=[99.9])
    window: Days = Field(default=timedelta(days=30), description="Over how long.", examples=["30d"])
    latency: Latency | None = Field(
        default=None, description="Slower than this is not good either.", examples=["500ms"]
    )


class StepTable(Table):
    """One request of a flow. `{name}` stands for what an earlier step extracted under that name."""

    name: Name = Field(description="What reports call the step.", examples=["login"])
    url: Address = Field(
        description="Host and port are fixed; path and query may have `{name}`.",
        examples=["https://{env}.example.org/login"],
    )
    method: Method = Field(default="GET", description="The request's method.", examples=["POST"])
    headers: Headers = Field(
        {}, description="Sent with the request; a value may be a reference.", examples=[{"Accept": "application/json"}]
    )
    body: Body = Field(default="", description="Sent with the request.", examples=['{"user": "probe"}'])
    body_secret: Secret | None = Field(
        default=None, description="Reference to the whole body, instead of `body`.", examples=["env:LOGIN_FORM"]
    )
    user: Text | None = Field(default=None, description="For basic authentication.", examples=["probe"])
    password: Secret | None = Field(
        default=None, description="Reference to that user's password.", examples=["env:PROBE_PASSWORD"]
    )
    bearer: Secret | Annotated[str, Field(pattern=r"^\{[A-Za-z_][A-Za-z0-9_]*\}$")] | None = Field(
        default=None, description="A bearer token: `{name}` of an earlier step, or a reference.", examples=["{token}"]
    )
    expect: Lines = Field(
        default=(), description="What this step's answer must be.", examples=[["status == 200"]]
    )  # fmt: skip
    extract: dict[Variable, Annotated[str, AfterValidator(_extracted)]] = Field(
        {},
        description="What later steps need of the answer: `json.PATH`, `header.NAME` or `cookie.NAME`.",
        examples=[{"token": "json.token"}],
    )


class ProbeTable(Table):
    """A target that is asked every so often on a fresh connection, or a job that must report by itself."""

    name: ProbeName = Field(
        description="What reports call it; with `{env}` in `url` and not in here, `-ENVIRONMENT` is put behind it.",
        examples=["api"],
    )
    url: Address | None = Field(
        default=None,
        description="What is asked, and how: `https:` `http:` `wss:` `ws:` `tcp:` `tls:` `dns:`, or `heartbeat:` for a "
        "job that reports by itself. `{env}` makes one probe of each environment.",
        examples=["https://{env}.example.org/health"],
    )
    environments: Globs = Field(
        default=("*",), description="Of which environments: names or globs.", examples=[["shop-*"]]
    )
    every: Length | None = Field(
        default=None, description="How often. Without it 60s; a heartbeat must come as often.", examples=["30s"]
    )
    timeout: Hours | None = Field(
        default=None,
        description="How long the whole probe may take; below `every`. Without it 10s, or half of a shorter `every`.",
        examples=["5s"],
    )
    expect: Lines = Field(
        default=(),
        description="What the answer must be, or the target is down. Without a line on the status, below 400.",
        examples=[["status == 200", "json.status == 'ok'", "latency < 500ms", "certificate > 14d"]],
    )
    degraded: Lines = Field(
        default=(), description="What it should be, or the target is degraded.", examples=[["latency < 300ms"]]
    )
    failures: Streak = Field(
        default=2, description="So many bad results in a row before anybody is told.", examples=[2]
    )
    recoveries: Streak = Field(default=2, description="So many good ones in a row before all is well.", examples=[2])
    retries: Tries = Field(
        default=1, description="How often a bad result is asked again before it counts.", examples=[1]
    )
    retry_after: Hours = Field(
        default=timedelta(seconds=1), description="The wait before asking again.", examples=["1s"]
    )
    after: ProbeName | None = Field(
        default=None, description="A probe without which this one cannot work: only that one is told.", examples=["vpn"]
    )
    slo: SloTable | None = Field(
        default=None, description="What it owes its users.", examples=[{"target": 99.9, "window": "30d"}]
    )
    publish: bool = Field(
        default=False, description="Whether its results become CloudWatch metrics, which cost.", examples=[True]
    )
    runbook: Text | None = Field(
        default=None, description="What to do when it is down: a file in `runbooks/`.", examples=["api-down"]
    )
    owner: Text | None = Field(default=None, description="Who looks after it.", examples=["team-web"])
    labels: dict[Name, Text] = Field({}, description="Carried by its findings.", examples=[{"team": "web"}])
    method: Method = Field(default="GET", description="Of the HTTP request.", examples=["HEAD"])
    headers: Headers = Field(
        {}, description="Sent with the request; a value may be a reference.", examples=[{"Accept": "application/json"}]
    )
    body: Body = Field(default="", description="Sent with the request.", examples=['{"ping": true}'])
    body_secret: Secret | None = Field(
        default=None, description="Reference to the whole body, instead of `body`.", examples=["env:PROBE_BODY"]
    )
    user: Text | None = Field(default=None, description="For basic authentication.", examples=["probe"])
    password: Secret | None = Field(
        default=None, description="Reference to that user's password.", examples=["env:PROBE_PASSWORD"]
    )
    bearer: Secret | None = Field(default=None, description="Reference to a token.", examples=["env:PROBE_TOKEN"])
    redirects: Literal["follow", "none", "same-host"] = Field(
        default="follow", description="What a redirect means: follow it, or take it as the answer.", examples=["none"]
    )
    proxy: Annotated[Text, AfterValidator(_proxy)] | None = Field(
        default=None, description="`http://host:port`, or a reference to one with a password.",
        examples=["http://proxy.example.org:3128"],
    )  # fmt: skip
    http2: bool = Field(
        default=False, description="Of `https:`: offer HTTP/2 as well; the server chooses.", examples=[True]
    )
    reach: Literal["any", "v4", "v6", "both", "every"] = Field(
        default="any",
        description="Which addresses of the name: the first, one family's, one of each, or every one.",
        examples=["every"],
    )
    allow_private: bool = Field(
        default=False,
        description="Whether private and loopback networks may be probed; metadata services never are.",
        examples=[True],
    )
    dns_servers: Texts = Field(
        default=(), description="Asked instead of the machine's own.", examples=[["10.0.0.2", "[fd00::2]:53"]]
    )
    verify: bool = Field(default=True, description="Whether the certificate must be valid.", examples=[True])
    ca_file: File | None = Field(
        default=None, description="PEM; replaces the system's roots.", examples=["/etc/ssl/shop-ca.pem"]
    )
    server_name: Text | None = Field(
        default=None, description="The name in the certificate, if it is not the host's.", examples=["shop.example.org"]
    )
    client_certificate: File | None = Field(
        default=None, description="PEM; shown to the server.", examples=["/etc/ssl/probe.pem"]
    )
    client_key: File | None = Field(
        default=None, description="PEM; the key of that certificate.", examples=["/etc/ssl/probe.key"]
    )
    tls_minimum: Literal["1.2", "1.3"] = Field(
        default="1.2", description="The oldest version of TLS that will do.", examples=["1.3"]
    )
    send: Body = Field(
        default="", description="Of `tcp:` and `ws:`: what is sent once connected.", examples=["PING\r\n"]
    )
    reply: Text | None = Field(
        default=None, description="Of `tcp:` and `ws:`: text that must come back.", examples=["+PONG"]
    )
    pattern: Text | None = Field(
        default=None, description="Of `tcp:`: a regular expression (RE2) for what must come back.", examples=["^220 "]
    )
    subprotocol: Text | None = Field(default=None, description="Of `ws:`: which one is asked for.", examples=["mqtt"])
    steps: Annotated[tuple[StepTable, ...], Field(strict=False, max_length=20)] = Field(
        default=(), description="A flow of HTTP requests, instead of `url`: `[[probes.steps]]`."
    )
    grace: Hours = Field(
        default=timedelta(minutes=1), description="Of `heartbeat:`: how late it may be.", examples=["10m"]
    )
    cron: Schedule | None = Field(
        default=None, description="Of `heartbeat:`: when it must come, instead of `every`.", examples=["0 3 * * *"]
    )
