"""`opsbot probe` as people type it: what they read, what scripts read, and how fast it is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from time import monotonic

import pytest

from opsbot.__main__ import main
from opsbot.evaluate.advice import next_step
from opsbot.model.probe import Reason
from tests.config.json_schema import faults
from tests.probes import pki
from tests.probes.servers import Net, a_net, for_ever, page, says

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "probe.schema.json").read_text())
HEAVY = ("pydantic", "pandas", "numpy", "boto3", "sqlalchemy", "matplotlib", "jinja2", "starlette", "asyncio")


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    with a_net() as net:
        yield net


@pytest.fixture(scope="module")
def web(net: Net) -> int:
    return net.tcp(
        says(page(b'{"status": "degraded", "token": "abcdefgh12345"}', headers=("Content-Type: application/json",)))
    )


@dataclass
class Ran:
    returncode: int
    stdout: str
    stderr: str


def opsbot(*words: str, width: int = 80, **environ: str) -> Ran:
    """The command as `python -m opsbot` runs it, in this process: one that reads a home needs seconds to start."""
    told, moaned = StringIO(), StringIO()
    before = sys.argv, dict(os.environ)
    sys.argv = ["opsbot", *words]
    os.environ.update({"COLUMNS": str(width), **environ})
    try:
        with redirect_stdout(told), redirect_stderr(moaned), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before[0]
        os.environ.clear()
        os.environ.update(before[1])
    code = ended.value.code
    return Ran(code if isinstance(code, int) else 0, told.getvalue(), moaned.getvalue())


@pytest.fixture(scope="module")
def home(net: Net, web: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "config.toml").write_text(
        f"""[[environments]]
name = "shop-prod"
regions = ["eu-central-1"]
[[environments]]
name = "shop-test"
regions = ["eu-central-1"]
[[probes]]
name = "api"
url = "http://127.0.0.1:{web}/{{env}}"
allow_private = true
headers = {{ X-Token = "env:PROBE_SECRET" }}
expect = ["status == 200"]
degraded = ["json.status == 'ok'"]
[[probes]]
name = "gone"
url = "tcp://127.0.0.1:{net.closed_port()}"
allow_private = true
[[probes]]
name = "behind"
url = "tcp://127.0.0.1:{net.closed_port()}"
allow_private = true
after = "gone"
[[probes]]
name = "nightly"
url = "heartbeat:"
cron = "0 3 * * *"
[[probes]]
name = "buy"
allow_private = true
[[probes.steps]]
name = "login"
url = "http://127.0.0.1:{web}/"
method = "POST"
body_secret = "env:PROBE_LOGIN"
extract = {{ token = "json.token" }}
[[probes.steps]]
name = "cart"
url = "http://127.0.0.1:{web}/{{token}}"
headers = {{ X-Token = "env:PROBE_SECRET" }}
expect = ["status == 204"]
"""
    )
    return folder


def test_a_probe_that_is_up_is_a_page_of_eighty_columns(web: int) -> None:
    ran = opsbot("probe", f"http://127.0.0.1:{web}/", "--allow-private", "--expect", "status == 200", "--explain")
    assert ran.returncode == 0, ran.stderr
    rows = ran.stdout.splitlines()
    assert rows[0].startswith(f"✓ up       http://127.0.0.1:{web}/  200  HTTP/1.1  ")
    assert max(map(len, rows)) <= 80
    assert any(re.match(r"  first byte +[ █▏▎▍▌▋▊▉]+ +[\d.,]+ ms$", row) for row in rows)
    assert "  ✓ status == 200 (200)" in rows
    assert "abcdefgh12345" not in ran.stdout
    assert "\x1b" not in ran.stdout


def test_a_probe_that_is_down_says_why_where_the_time_went_and_what_to_do(net: Net, tmp_path: Path) -> None:
    expired = pki.make("localhost", pki.intermediate(), ends=pki.NOW - pki.DAY)
    port = net.tcp(says(b""), context=pki.serving(expired.chain_file(tmp_path)))
    ran = opsbot(
        "--color", "always", "probe", f"https://127.0.0.1:{port}/", "--allow-private",
        "--ca-file", pki.root().file(tmp_path), "--expect", "status == 200",
    )  # fmt: skip
    bare = re.sub(r"\x1b\[[\d;]*m", "", ran.stdout)
    assert ran.returncode == 1
    assert "\x1b[1;31m✗ down" in ran.stdout
    assert "tls.expired: the certificate expired on" in bare
    assert f"next: {next_step(Reason.TLS_EXPIRED)}"[:60] in bare
    assert re.search(r"tls +█+.* ms ✗", bare)
    assert "first byte, transfer: not reached" in bare
    assert "expired 1 day ago" in bare
    assert "· status == 200  (nothing came to hold it against)" in bare


def test_json_is_one_object_with_what_a_script_needs(web: int) -> None:
    ran = opsbot(
        "probe", f"http://127.0.0.1:{web}/", "--allow-private", "--format", "json", "--expect", "json.status == 'ok'"
    )
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["schema"], told["exit_code"]) == (1, "opsbot.probe/1", 1)
    one = told["probes"][0]
    assert (one["state"], one["reason"], one["status"]) == ("down", "assert.json", 200)
    assert one["expected"] == [{"line": "json.status == 'ok' ('degraded')", "met": False, "degrading": False}]
    assert set(one["phases"]) == {"connect", "first_byte", "transfer"}
    assert one["next"]


def test_json_is_what_its_schema_says(web: int, net: Net, home: Path, tmp_path: Path) -> None:
    port = net.tcp(says(page(b"{}")), context=pki.serving(pki.leaf().chain_file(tmp_path)))
    moved = net.tcp(says(page(b"", status="302 Found", headers=(f"Location: https://127.0.0.1:{port}/",))))
    certified = ("--allow-private", "--ca-file", pki.root().file(tmp_path), "--format", "json")
    for words in (
        ("probe", f"http://127.0.0.1:{moved}/", *certified, "--expect", "certificate > 14d"),
        ("probe", f"https://127.0.0.1:{web}/", *certified, "--expect", "status == 200", "--timeout", "0.5"),
        ("probe", "dns://127.0.0.1:1/a.test", "--allow-private", "--format", "json", "--timeout", "0.3"),
        ("--home", str(home), "probe", "nightly", "--format", "json"),
    ):
        told = json.loads(opsbot(*words).stdout)
        assert list(faults(told, SCHEMA, SCHEMA)) == []
    assert list(faults({**told, "probes": [{"name": 1}]}, SCHEMA, SCHEMA)) != []


def test_what_a_redirect_carries_is_hidden(net: Net, web: int) -> None:
    moved = net.tcp(
        says(page(b"", status="302 Found", headers=(f"Location: http://127.0.0.1:{web}/?token=hunter2hunter2",)))
    )
    for format_ in ("text", "json"):
        ran = opsbot("probe", f"http://127.0.0.1:{moved}/", "--allow-private", "--format", format_)
        assert (ran.returncode, "hunter2" in ran.stdout) == (0, False)


def test_a_configured_name_is_probed_in_each_environment_with_its_secrets(home: Path) -> None:
    ran = opsbot("--home", str(home), "probe", "api", PROBE_SECRET="s3cr3t-value-9")
    assert ran.returncode == 0, ran.stderr
    assert [row[:2] for row in ran.stdout.splitlines() if "http://" in row and row[0] in "✓!✗?"] == ["! ", "! "]
    assert "! degraded api-shop-prod  http://127.0.0.1" in ran.stdout
    assert "s3cr3t-value-9" not in ran.stdout
    degraded = opsbot("--home", str(home), "probe", "api-shop-test", "--fail-on", "degraded", PROBE_SECRET="x")
    assert degraded.returncode == 1
    assert "shop-prod" not in degraded.stdout


def test_a_secret_that_is_not_there_is_named(home: Path) -> None:
    ran = opsbot("--home", str(home), "probe", "api")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "env:PROBE_SECRET: the environment variable PROBE_SECRET is not set" in ran.stderr


def test_all_secrets_that_are_not_there_are_named_with_their_keys(home: Path) -> None:
    ran = opsbot("--home", str(home), "probe", "*", PROBE_SECRET="")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert 'probe "api-shop-prod", headers.X-Token: env:PROBE_SECRET: is empty' in ran.stderr
    assert 'probe "buy", steps[0].body_secret: env:PROBE_LOGIN: the environment variable' in ran.stderr


def test_several_probes_end_in_a_summary_and_point_at_the_cause(home: Path) -> None:
    ran = opsbot("--home", str(home), "probe", "*", PROBE_SECRET="s3cr3t-value-9", PROBE_LOGIN="{}")
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.splitlines()[-3:] == [
        "6 probes: 2 degraded, 3 down, 1 awaited",
        "  ! degraded api-shop-prod, api-shop-test",
        "  ✗ down     gone, behind, buy",
    ]
    assert "after       gone, which is down too: begin there" in ran.stdout
    alone = opsbot("--home", str(home), "probe", "behind").stdout
    assert "after       gone, without which it cannot work; see: opsbot probe gone" in alone
    assert "probes:" not in alone


def test_each_step_of_a_flow_has_its_own_phases(home: Path) -> None:
    told = opsbot("--home", str(home), "probe", "buy", PROBE_SECRET="s3cr3t-value-9", PROBE_LOGIN="{}").stdout
    assert 'step 2 of 2, "cart": status == 204 (200)' in told
    assert "the sum over 2 requests" in told
    steps = told.partition("step by step")[2].splitlines()[1:5]
    assert re.match(r" +200 +[<\d.,]+ ms  login: http://127", steps[0])
    assert re.match(r" {18}connect [<\d.]+ ms, first byte [<\d.,]+ ms", steps[1])
    assert "cart: " in steps[2]
    assert "abcdefgh12345" not in told


@pytest.mark.parametrize("width", [60, 80])
def test_of_a_loop_the_first_hops_and_the_last_are_shown(net: Net, width: int) -> None:
    port = net.tcp(says(page(b"", status="302 Found", headers=("Location: /again-and-again",))))
    ran = opsbot("probe", f"http://127.0.0.1:{port}/", "--allow-private", width=width)
    assert ran.returncode == 1
    rows = ran.stdout.splitlines()
    assert max(map(len, rows)) <= width
    hops = rows[rows.index("  redirects") + 1 :]
    assert sum(row.startswith("   302 ") for row in hops) == 6
    assert f"{'':18}… 5 more" in hops
    assert not any(row.strip() == "ms" for row in hops)


def test_what_is_not_http_is_shown(net: Net) -> None:
    port = net.tcp(says(b"SSH-2.0-OpenSSH_9.9\r\n"))
    told = opsbot("probe", f"http://127.0.0.1:{port}/", "--allow-private").stdout
    assert "what came is not HTTP: it begins 'SSH-2.0-OpenSSH_9.9" in told


def test_a_heartbeat_is_shown_and_its_address_told(home: Path) -> None:
    shown = opsbot("--home", str(home), "probe", "nightly")
    assert (shown.returncode, shown.stdout.splitlines()[0]) == (0, "… awaited  nightly  heartbeat")
    assert "last came" in shown.stdout
    assert "phase" not in shown.stdout
    first = opsbot("--home", str(home), "probe", "nightly", "--url").stdout
    assert re.fullmatch(r"http://127\.0\.0\.1:8080/ping/nightly\.[0-9a-f]{32}\n", first)
    assert opsbot("--home", str(home), "probe", "nightly", "--url").stdout == first


WRONG = [
    (("nightli",), 'there is no probe "nightli"; did you mean "nightly"?'),
    (("zzz",), "known: api, api-shop-prod"),
    (("gone", "--url"), "--url is for heartbeats; gone is asked by opsbot itself"),
    (("ftp://a.test/",), "ftp: is not probed"),
    (("heartbeat:",), "a heartbeat is pushed"),
    (("https://127.0.0.1/",), "give --allow-private to probe it"),
    (("https://a.test/", "--expect", "status = 200"), "status = 200\n        ^"),
    (("tcp://a.test:1", "--expect", "status == 200"), "a tcp probe has no status"),
    (("tcp://192.0.2.1:5", "--allow-private", "--expect", "latency.dns < 1s"), "this probe has no phase dns"),
    (("https://a.test/", "--timeout", "0"), "0.1<=x<=600"),
]


@pytest.mark.parametrize(
    ("words", "told"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_mistake_is_told_in_words(words: tuple[str, ...], told: str, home: Path) -> None:
    ran = opsbot("--home", str(home), "probe", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_exit_codes(home: Path, net: Net, web: int) -> None:
    assert opsbot("--home", str(home), "probe", "gone").returncode == 1
    assert opsbot("--home", str(home), "probe", "gone", "--fail-on", "never").returncode == 0
    certificate = Path(__file__)
    ran = opsbot("probe", f"https://127.0.0.1:{web}/", "--allow-private", "--ca-file", str(certificate))
    assert ran.returncode == 3
    assert ran.stdout.startswith("? unsure")


def test_a_slow_target_is_given_up_on_in_time(net: Net) -> None:
    began = monotonic()
    ran = opsbot("probe", f"http://127.0.0.1:{net.tcp(for_ever)}/", "--allow-private", "--timeout", "0.5")
    assert ran.returncode == 1
    assert monotonic() - began < 5
    assert re.search(r"first byte +█+ +50\d ms ✗", ran.stdout)


def test_a_url_is_probed_without_anything_heavy(web: int) -> None:
    code = (
        "import sys; sys.argv = ['opsbot', 'probe', sys.argv[1], '--allow-private', '--expect', 'body contains \"x\"']\n"
        "from opsbot.cli import cli\n"
        "cli.main(standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, f"http://127.0.0.1:{web}/"], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int, web: int) -> None:
    ran = opsbot(
        "probe", f"http://127.0.0.1:{web}/{'long-' * 60}?q={'x' * 90}", "--allow-private", "--expect",
        f"body contains '{'y' * 120}'", width=width,
    )  # fmt: skip
    assert max(map(len, ran.stdout.splitlines())) <= min(width, 100)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_next_step(reason: Reason) -> None:
    told = next_step(reason)
    assert 20 < len(told) < 140
    assert told[0].islower() or told[:3] == "5xx"
    assert not told.endswith(".")
