"""Orders: drawn up from a home, said as one line, read back the same; what a reload changed in a sentence each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from opsbot.daemon.draw_up import draw_up
from opsbot.daemon.orders import Orders, Page, differences, read, write
from opsbot.errors import ConfigError, Problem
from opsbot.home import Home
from opsbot.model.timetable import Blackout, CatchUp, Overlap, Timetable
from tests.daemon.parts import START, timetable

JOB = """
from opsbot.api import Job, NoSettings, Outcome
job = Job(run=lambda ctx, settings: Outcome(), schedule="0 6 * * *", settings=NoSettings)
"""


def home(folder: Path, config: str = "", **jobs: str) -> Home:
    folder.mkdir(exist_ok=True)
    (folder / "jobs").mkdir(exist_ok=True)
    (folder / "config.toml").write_text(config)
    for name, text in jobs.items():
        (folder / "jobs" / f"{name}.py").write_text(text)
    return Home(path=folder, state=folder)


def drawn(folder: Path, config: str = "", **jobs: str) -> Orders:
    def secret(reference: str) -> str:
        if reference == "env:NONE":
            raise ConfigError([Problem(reference, "the environment variable NONE is not set")])
        return f"value of {reference}"

    return draw_up(home(folder, config, **jobs), START, secret)


def test_every_timing_key_reaches_the_timetable(tmp_path: Path) -> None:
    told = drawn(
        tmp_path,
        """
timezone = "Europe/Berlin"
[jobs.mine]
schedule = "30 7 * * MON-FRI"
enabled = false
timeout = "3m"
catch_up = "all"
catch_up_max = 7
catch_up_window = "2d"
overlap = "cancel"
retries = 4
retry_after = "30s"
jitter = "2m"
business_days = true
holidays = "DE-BW"
[[blackouts]]
start = 2026-12-24T00:00:00+01:00
end = 2026-12-27T00:00:00+01:00
reason = "year-end"
jobs = ["mi*"]
""",
        mine=JOB,
    )
    found = told.timetable("mine")
    assert found is not None
    assert date(2026, 1, 6) in found.holidays
    assert date(2034, 1, 6) in found.holidays
    assert replace(found, holidays=(), blackouts=()) == Timetable(
        job="mine", cron="30 7 * * MON-FRI", zone="Europe/Berlin", timeout=timedelta(minutes=3), enabled=False,
        catch_up=CatchUp.ALL, catch_up_max=7, catch_up_window=timedelta(days=2), overlap=Overlap.CANCEL, retries=4,
        retry_after=timedelta(seconds=30), jitter=timedelta(minutes=2), business_days=True,
    )  # fmt: skip
    frozen = datetime(2026, 12, 23, 23, tzinfo=UTC), datetime(2026, 12, 26, 23, tzinfo=UTC)
    assert [(b.start, b.end, b.reason, b.jobs) for b in found.blackouts] == [(*frozen, "year-end", ("mi*",))]


def test_planned_work_the_limit_and_the_names_of_the_page_reach_the_daemon(tmp_path: Path) -> None:
    told = drawn(
        tmp_path,
        """
timezone = "Europe/Berlin"
[[maintenance]]
name = "move"
reason = "to Aurora"
start = 2026-12-05T22:00:00+01:00
end = 2026-12-06T04:00:00+01:00
[[maintenance]]
name = "patches"
reason = "patches"
owner = "team"
schedule = "0 2 * * SUN"
length = "90m"
[daemon]
memory = "4GB"
[web]
hosts = ["Ops.Example.org"]
""",
    )
    assert told.problems == ()
    once, weekly = told.maintenance
    assert (once.start, once.cron) == (datetime(2026, 12, 5, 21, tzinfo=UTC), "")
    assert (weekly.cron, weekly.zone, weekly.length, weekly.owner, weekly.start) == (
        "0 2 * * SUN", "Europe/Berlin", timedelta(minutes=90), "team", None,
    )  # fmt: skip
    assert (told.memory, told.page.hosts) == (4_000_000_000, ("ops.example.org",))
    assert read(write(told)) == told
    assert differences(told, replace(told, maintenance=(once,), memory=0)) == (
        "maintenance changed", "memory: 4000000000 -> 0",
    )  # fmt: skip


def test_without_a_table_a_job_runs_as_its_file_says(tmp_path: Path) -> None:
    assert drawn(tmp_path, mine=JOB).timetable("mine") == Timetable(
        job="mine", cron="0 6 * * *", zone="UTC", timeout=timedelta(minutes=10)
    )


def test_the_page_and_the_switch_get_their_secrets(tmp_path: Path) -> None:
    told = drawn(
        tmp_path,
        """
[daemon]
parallel = 5
drain = "10s"
heartbeat_url = "env:PING"
heartbeat_metric = "Opsbot/Alive"
[web]
listen = "0.0.0.0:80"
token = "env:TOKEN"
""",
    )
    assert told.problems == ()
    assert told.page == Page(listen="0.0.0.0:80", token="value of env:TOKEN")
    assert (told.heartbeat_url, told.heartbeat_metric) == ("value of env:PING", "Opsbot/Alive")
    assert (told.parallel, told.drain, told.executor) == (5, timedelta(seconds=10), "local")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param("[web\n", "config.toml:1:5: ", id="no TOML, with its place"),
        pytest.param("[jobs.mine]\nretrys = 1\n", "config.toml.jobs.mine.retrys: ", id="unknown key"),
        pytest.param(
            '[web]\nlisten = "0.0.0.0:80"\n', "config.toml.web.listen: 0.0.0.0 can be reached by others", id="open page"
        ),
        pytest.param(
            '[daemon]\nheartbeat_url = "env:NONE"\n',
            "config.toml.daemon.heartbeat_url: env:NONE: the environment variable NONE is not set",
            id="secret that is not there",
        ),
    ],
)
def test_a_configuration_with_problems_has_no_orders(tmp_path: Path, config: str, problem: str) -> None:
    told = drawn(tmp_path, config, mine=JOB)
    assert len(told.problems) == 1
    assert told.problems[0].startswith(problem)
    assert told.timetables == ()


def test_a_job_file_that_does_not_load_is_out_and_the_others_run(tmp_path: Path) -> None:
    told = drawn(tmp_path, '[jobs.broken]\nretries = 3\n[jobs.mine]\nschedule = "0 7 * * *"\n', mine=JOB, broken="1 +")
    assert told.problems == ()
    assert (told.timetable("mine") is None, told.timetable("broken") is None) == (False, True)
    assert told.troubles == ("jobs/broken.py:1: SyntaxError: invalid syntax",)


def test_what_is_written_is_read_back_the_same() -> None:
    blackout = Blackout(start=START, end=START + timedelta(days=1), reason="freeze", jobs=("a*",))
    orders = Orders(
        hash="abc", zone="Europe/Berlin", store_url="sqlite:///x", drain=timedelta(seconds=1.5), channels=("a", "b"),
        timetables=(timetable(holidays=(date(2026, 1, 1),), blackouts=(blackout,), overlap=Overlap.QUEUE),),
        page=Page(listen="127.0.0.1:1", token="geheim", trusted_proxies=("10.0.0.0/8",)), problems=("é\nü",),
    )  # fmt: skip
    text = write(orders)
    assert "\n" not in text
    assert read(text) == orders


@pytest.mark.parametrize("text", ["", "null", "[]", "1", '{"unknown": 1}', '{"timetables": [{}]}', '{"page": 3}'])
def test_anything_else_is_no_orders(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param({}, {}, (), id="nothing"),
        pytest.param({}, {"zone": "Europe/Berlin"}, ("zone: UTC -> Europe/Berlin",), id="zone"),
        pytest.param(
            {"timetables": (timetable(),)},
            {"timetables": (timetable(cron="5 7 * * *", retries=2),)},
            ("job health: cron: 0 7 * * * -> 5 7 * * *", "job health: retries: 1 -> 2"),
            id="a job's schedule and retries",
        ),
        pytest.param(
            {"timetables": (timetable("a"),)},
            {"timetables": (timetable("b"),)},
            ("job b is new: 0 7 * * *", "job a is gone"),
            id="jobs come and go",
        ),
        pytest.param(
            {"timetables": (timetable(),)},
            {"timetables": (timetable(holidays=(date(2026, 1, 1),), channels=("ops",)),)},
            ("job health: channels: none -> ops", "job health: holidays changed"),
            id="long values are not listed",
        ),
        pytest.param(
            {"page": Page(token="alt"), "heartbeat_url": "https://a"},
            {"page": Page(token="neu"), "heartbeat_url": "https://b"},
            ("heartbeat_url changed", "page changed"),
            id="no secret is said",
        ),
    ],
)
def test_a_reload_says_what_it_changed(old: dict[str, object], new: dict[str, object], told: tuple[str, ...]) -> None:
    assert differences(Orders(**old), Orders(**new)) == told  # type: ignore[arg-type]
