"""`opsbot runs`: what an operator finds out the morning after, and what a script does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import time_machine

from opsbot.__main__ import main
from opsbot.model.finding import Finding
from opsbot.model.message import Delivery
from opsbot.model.run import Attempt, Cause, Run, RunState, Usage
from opsbot.model.status import Status
from opsbot.model.units import Unit
from tests.config.json_schema import faults
from tests.executors.home import Home, home
from tests.outbox.world import message

SEVEN = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
NOW = SEVEN + timedelta(hours=3)
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Opsbot = Callable[..., Said]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Home]:
    made = home(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def opsbot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], house: Home) -> Opsbot:
    monkeypatch.delenv("OPSBOT_STATE", raising=False)

    def say(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["opsbot", "--home", str(house.path), *words])
        with time_machine.travel(NOW, tick=False), pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(int(ended.value.code or 0), out, err)

    return say


def finding(check: str, status: Status) -> Finding:
    return Finding(check=check, environment="shop-prod", resource="api", status=status, at=SEVEN,
                   unit=Unit.PERCENT, title=check, area="ecs")  # fmt: skip


@pytest.fixture
def night(house: Home) -> dict[str, Run]:
    """Three runs: one that answered at its second attempt, one at work, one that waits."""
    ledger, store = house.store.ledger(), house.store
    begun = house.claimed(SEVEN, SEVEN + timedelta(minutes=12))
    first_end = SEVEN + timedelta(minutes=13)
    crashed = Attempt(n=1, owner=begun.owner, started_at=begun.started_at or SEVEN, ended_at=first_end, exit_code=-9,
                      cpu_seconds=2.5, peak_rss=300 * 1024 * 1024, error="killed from outside, perhaps because memory ran out")  # fmt: skip
    assert ledger.end(replace(begun, state=RunState.FAILED, reason="killed"), crashed, first_end)
    second = house.claim(first_end)
    assert second is not None
    answered = replace(second, state=RunState.SUCCEEDED, finished_at=first_end + timedelta(seconds=42), reason="",
                       verdict="action", headline="The one environment needs action",
                       usage=Usage(calls=(("cloudwatch:GetMetricData", 3),), metrics=1240, usd=0.0124, throttled=2))  # fmt: skip
    bad = [finding("cpu", Status.CRITICAL), finding("disk", Status.WARNING), finding("queue", Status.WARNING)]
    fine = [finding(f"fine-{n}", Status.OK) for n in range(140)]
    store.commit(answered, [*bad, *fine], [message("m1", "ops", run_id=begun.id, to="#ops")], ())
    sent = store.claim(NOW, 60)
    assert sent is not None
    store.settle(sent, Delivery.SENT, now=NOW)
    usage = Attempt(n=2, owner=second.owner, started_at=first_end, ended_at=answered.finished_at, exit_code=0,
                    cpu_seconds=1.25, peak_rss=131 * 1024 * 1024)  # fmt: skip
    ledger.end(replace(answered, log=f"tested/{begun.id}.2.log"), usage)
    (house.path / "logs" / "tested").mkdir(parents=True)
    log = house.path / "logs" / "tested" / f"{begun.id}.2.log"
    log.write_text("looking\n    \x1b[31mred\x1b[0m and indented\n" + "".join(f"line {n}\n" for n in range(30)))
    at_work = house.claimed(SEVEN + timedelta(hours=1), SEVEN + timedelta(hours=1))
    waiting = house.due(SEVEN + timedelta(hours=2), cause=Cause.CATCH_UP)
    return {"answered": begun, "at work": at_work, "waiting": waiting}


def wrong(told: Any, name: str) -> list[str]:
    """Where an answer is not what its schema says, a key that it does not know included."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return [*faults(told, schema, schema), *(key for key in told if key not in schema["properties"])]


def test_the_schemas_know_every_state_and_cause_and_refuse_others(opsbot: Opsbot, night: dict[str, Run]) -> None:
    for name, words in (("runs", ["list"]), ("run-history", ["show", night["answered"].id])):
        told = opsbot("runs", *words, "--format", "json").json
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        run, shown = (told["runs"][0], schema["$defs"]["run"]) if name == "runs" else (told, schema)
        assert set(shown["properties"]["state"]["enum"]) == set(RunState)
        assert set(shown["properties"]["cause"]["enum"]) == set(Cause)
        assert run.keys() == shown["properties"].keys()
        for key, value in (("state", "asleep"), ("attempt", "1"), ("started_at", 7)):
            run[key], before = value, run[key]
            assert len(wrong(told, name)) == 1
            run[key] = before


def test_the_list_says_how_each_ended_the_newest_first(opsbot: Opsbot, night: dict[str, Run]) -> None:
    said = opsbot("runs", "list")
    rows = said.out.splitlines()
    assert [row.split()[0] for row in rows] == [night[name].id for name in ("waiting", "at work", "answered")]
    assert [row.split()[8] for row in rows] == ["queued", "running", "succeeded"]
    assert rows[2].endswith("42 s  The one environment needs action")
    assert rows[1].endswith("2 h")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        pytest.param(["--state", "running"], ["at work"], id="state"),
        pytest.param(["--state", "running", "--state", "queued"], ["waiting", "at work"], id="states"),
        pytest.param(["--since", "-90m"], ["waiting"], id="since"),
        pytest.param(["--limit", "1"], ["waiting"], id="limit"),
        pytest.param(["--job", "tested"], ["waiting", "at work", "answered"], id="job"),
        pytest.param(["--job", "another"], [], id="another job"),
    ],
)
def test_the_list_can_be_narrowed(opsbot: Opsbot, night: dict[str, Run], words: list[str], found: list[str]) -> None:
    said = opsbot("runs", "list", *words, "--format", "json")
    assert said.json["schema"] == "opsbot.runs/1"
    assert [run["run_id"] for run in said.json["runs"]] == [night[name].id for name in found]
    assert wrong(said.json, "runs") == []


def test_an_empty_list_says_where_runs_come_from(opsbot: Opsbot) -> None:
    said = opsbot("runs", "list")
    assert (said.code, said.out) == (0, "")
    assert said.err == "no such run; opsbot serve makes them, or: opsbot run daily_health\n"


def test_a_run_is_shown_with_all_that_belongs_to_it(opsbot: Opsbot, night: dict[str, Run]) -> None:
    run = night["answered"]
    said = opsbot("runs", "show", run.id.lower(), "--lines", "2")
    assert said.out == (
        f"tested, run {run.id}\n"
        "  state      succeeded, verdict action\n"
        "  said       The one environment needs action\n"
        "  due        Fri 20 Nov 2026 07:00 CET, on its schedule\n"
        "  ran        Fri 20 Nov 2026 07:13 CET for 42 s, 13 min late, here:1\n"
        "  findings   1 critical, 2 warning, 140 ok\n"
        "  aws        3 calls, 1,240 metrics, $0.01, 2 throttled\n"
        "  attempts\n"
        "    1  Fri 20 Nov 2026 07:12 CET, retried, 1 min, signal 9, CPU 2.5 s, 300 MiB, "
        "killed from outside, perhaps because memory ran out\n"
        "    2  Fri 20 Nov 2026 07:13 CET, succeeded, 42 s, exit 0, CPU 1.2 s, 131 MiB\n"
        "  told\n"
        "    ops (#ops): sent\n"
        f"  log        the last 2 lines; all of it: opsbot runs log {run.id}\n"
        "    line 28\n"
        "    line 29\n"
    )


def test_a_script_gets_the_same_as_json(opsbot: Opsbot, night: dict[str, Run]) -> None:
    run = night["answered"]
    shown = opsbot("runs", "show", run.id, "--format", "json", "--lines", "1").json
    assert shown["schema"] == "opsbot.run-history/1"
    assert (shown["state"], shown["attempt"], shown["verdict"]) == ("succeeded", 2, "action")
    assert (shown["scheduled_for"], shown["started_at"]) == ("2026-11-20T06:00:00Z", "2026-11-20T06:13:00Z")
    assert shown["aws"] == {
        "calls": {"cloudwatch:GetMetricData": 3},
        "metrics_requested": 1240,
        "usd": 0.0124,
        "throttled": 2,
    }
    assert shown["findings"] == {"critical": 1, "warning": 2, "ok": 140}
    assert shown["deliveries"] == [{"channel": "ops", "to": "#ops", "state": "sent", "why": None}]
    assert [(attempt["n"], attempt["outcome"], attempt["exit_code"]) for attempt in shown["attempts"]] == [
        (1, "retried", -9),
        (2, "succeeded", 0),
    ]
    assert shown["log_tail"] == ["line 29"]
    assert wrong(shown, "run-history") == []


def test_what_waits_and_what_is_at_work_can_be_shown(opsbot: Opsbot, night: dict[str, Run]) -> None:
    waiting = opsbot("runs", "show", night["waiting"].id[:18]).out
    assert "state      queued" in waiting
    assert "due        Fri 20 Nov 2026 09:00 CET, made up for after its moment had passed" in waiting
    assert "ran" not in waiting.split()
    at_work = opsbot("runs", "show", night["at work"].id).out
    assert "1  Fri 20 Nov 2026 08:00 CET, at work, or its worker died" in at_work


def test_a_log_is_printed_without_what_a_terminal_would_obey(opsbot: Opsbot, night: dict[str, Run]) -> None:
    said = opsbot("runs", "log", night["answered"].id)
    assert said.out.splitlines()[:3] == ["looking", "    red and indented", "line 0"]
    assert opsbot("runs", "log", night["answered"].id, "--tail", "1").out == "line 29\n"
    none = opsbot("runs", "log", night["waiting"].id)
    assert (none.out, none.err) == ("", f"no log of the run {night['waiting'].id} here: it has not begun\n")
    first = opsbot("runs", "log", night["answered"].id, "--attempt", "1")
    assert "logs are kept for 30 days" in first.err


def test_a_waiting_run_is_cancelled_at_once_and_one_at_work_is_told(
    opsbot: Opsbot, house: Home, night: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "kim")
    waiting, at_work = night["waiting"], night["at work"]
    assert opsbot("runs", "cancel", waiting.id, "--reason", "wrong account").out == f"{waiting.id} is cancelled\n"
    assert opsbot("runs", "cancel", at_work.id).out == f"{at_work.id} is told to end\n"
    found = house.now_in_ledger(waiting)
    assert (found.state, found.reason) == (RunState.CANCELLED, "cancelled by kim: wrong account")
    again = opsbot("runs", "cancel", waiting.id)
    assert again.code == 2
    assert f"the run {waiting.id} has ended already: cancelled" in again.err


@pytest.mark.parametrize("command", ["show", "log", "cancel"])
def test_a_run_that_is_not_there_is_told_with_where_to_look(opsbot: Opsbot, command: str) -> None:
    for name in ("NOSUCHRUN", "last"):
        said = opsbot("runs", command, name)
        assert said.code == 2
        assert f'there is no run "{name}"; see: opsbot runs list' in said.err


def test_the_last_run_is_the_last_that_began(opsbot: Opsbot, night: dict[str, Run]) -> None:
    assert opsbot("runs", "show", "last", "--format", "json").json["run_id"] == night["at work"].id
