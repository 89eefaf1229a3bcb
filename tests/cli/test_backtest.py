"""`opsbot backtest`: a file in, what would have been said out; whatever is wrong with the file is told with its line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from opsbot.__main__ import main
from tests.config.json_schema import faults
from tests.render.reading import Tags

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "backtest.schema.json").read_text())


class Said(NamedTuple):
    code: int
    out: str
    err: str


Opsbot = Callable[..., Said]


@pytest.fixture
def opsbot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Opsbot:
    monkeypatch.chdir(tmp_path)

    def say(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["opsbot", "backtest", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(int(ended.value.code or 0), out, err)

    return say


def cpu(head: str = "timestamp,average", stamp: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Eight days of a wave, one peak in the seventh."""
    times = np.arange(0, 8 * 86400, 300)
    values = 50 + 10 * np.sin(times / 86400 * 2 * np.pi) + np.random.default_rng(3).normal(0, 1, times.size)
    values[2000:2012] += 90
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    rows = (
        f"{begin + timedelta(seconds=int(at)):{stamp}},{value:.3f}" for at, value in zip(times, values, strict=True)
    )
    return "\n".join([head, *rows]) + "\n"


def disk(delimiter: str = ",") -> str:
    values = 20 + 0.4 * np.arange(200) + np.random.default_rng(1).normal(0, 0.5, 200)
    rows = (f"{date(2026, 1, 10) + timedelta(days=day)}{delimiter}{value:.2f}" for day, value in enumerate(values))
    return "\n".join([f"day{delimiter}used", *rows])


def bill(*, wide: bool = False) -> str:
    amounts = 100 + np.random.default_rng(5).normal(0, 2, 112)
    amounts[100:106] += 150
    days = [date(2026, 1, 10) + timedelta(days=day) for day in range(112)]
    if wide:
        rows = [f"{day},{amount:.2f},50.00,{amount + 50:.2f}" for day, amount in zip(days, amounts, strict=True)]
        return "\n".join(["Service,RDS($),S3($),Total costs($)", "Service total,13000,6500,19500", *rows])
    rows = [f"{day},RDS,prod,{amount:.2f}\n{day},S3,prod,50" for day, amount in zip(days, amounts, strict=True)]
    return "\n".join(["date,service,account,unblended cost", *rows])


FILES = {
    "metric": (cpu(), (), "1 anomaly would have been told in 8 days"),
    "capacity": (disk(), ("--limit", "90", "--unit", "percent"), "forecasts came as said"),
    "cost": (bill(), (), "1 cost anomaly would have been told in 53 mornings"),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_in_every_format(kind: str, opsbot: Opsbot, tmp_path: Path) -> None:
    text, words, headline = FILES[kind]
    (tmp_path / "file.csv").write_text(text)
    told = opsbot(kind, "file.csv", *words, "--output", "out/told.txt")
    assert (told.code, told.out, told.err) == (0, "", "")
    text = (tmp_path / "out" / "told.txt").read_text()
    assert headline in text.splitlines()[0]
    assert "└───" in text
    assert f"Reproduce  opsbot backtest {' '.join((kind, 'file.csv', *words))}\n" in text

    page = opsbot(kind, "file.csv", *words, "--format", "html")
    read = Tags(page.out)
    assert headline in read.text
    assert "checks evaluated" not in read.text
    assert any(value.startswith("data:image/svg+xml;base64,") for name, value in read.values if name == "src")

    machine = json.loads(opsbot(kind, "file.csv", *words, "--format", "json").out)
    assert list(faults(machine, SCHEMA, SCHEMA)) == []
    assert machine["kind"] == kind


def test_the_same_file_gives_the_same_bytes(opsbot: Opsbot, tmp_path: Path) -> None:
    (tmp_path / "disk.csv").write_text(disk())
    once, again = (opsbot("capacity", "disk.csv", "--limit", "90", "--format", "html").out for _ in range(2))
    assert once == again


def test_the_anomaly_of_the_record_is_told_in_all_words(opsbot: Opsbot, tmp_path: Path) -> None:
    (tmp_path / "cpu.csv").write_text(cpu())
    (one,) = json.loads(opsbot("metric", "cpu.csv", "--format", "json").out)["anomalies"]
    assert one["time"] == "2026-11-07T22:40:00Z"
    assert one["value"] > 2 * one["usual"]
    assert json.loads(opsbot("metric", "cpu.csv", "--format", "json", "--direction", "down").out)["anomalies"] == []


def test_the_anomaly_of_the_bill_is_told_the_morning_after(opsbot: Opsbot, tmp_path: Path) -> None:
    (tmp_path / "bill.csv").write_text(bill())
    (one,) = json.loads(opsbot("cost", "bill.csv", "--format", "json").out)["anomalies"]
    assert (one["service"], one["account"], one["told"][0], one["start_day"]) == (
        "RDS",
        "prod",
        "2026-04-21",
        "2026-04-20",
    )
    assert one["closed"] is not None


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        pytest.param("metric", cpu(head="x,y"), (), id="two columns of any name"),
        pytest.param("metric", cpu().partition("\n")[2], (), id="no header"),
        pytest.param("metric", cpu(stamp="%s"), (), id="epoch seconds"),
        pytest.param("metric", cpu(stamp="%Y-%m-%d %H:%M:%S+01:00"), (), id="a zone"),
        pytest.param("metric", "\ufeff" + cpu(), (), id="as spreadsheets write it"),
        pytest.param("metric", cpu().replace("\n", "\r\n") + "\r\n\r\n", (), id="blank lines"),
        pytest.param("metric", cpu() + "2026-11-10T00:00:00Z,\n2026-11-10T01:00:00Z,NaN\n", (), id="gaps"),
        pytest.param("metric", "host,when,load\na," + cpu().replace("\n", "\na,").rstrip("a,").partition("\na,")[2],
                     ("--time", "when", "--value", "load"), id="columns named"),
        pytest.param("capacity", disk(";"), ("--limit", "90"), id="semicolons"),
        pytest.param("capacity", disk("\t"), ("--limit", "90"), id="tabs"),
        pytest.param("cost", bill(wide=True), (), id="a column a service"),
    ],
)  # fmt: skip
def test_files_as_people_have_them(
    kind: str, text: str, words: tuple[str, ...], opsbot: Opsbot, tmp_path: Path
) -> None:
    (tmp_path / "file.csv").write_text(text, encoding="utf-8", newline="")
    told = opsbot(kind, "file.csv", *words, "--format", "json")
    assert (told.code, told.err) == (0, "")
    assert len(json.loads(told.out).get("anomalies", json.loads(told.out).get("forecasts"))) >= 1


@pytest.mark.parametrize(
    ("kind", "text", "words", "said"),
    [
        pytest.param("metric", "time,value\n2026-01-01,1\nyesterday,2\n2026-01-03,x\n", (),
                     ["file.csv, line 3: expected a time such as 2026-11-20T07:00:00Z or epoch seconds, got 'yesterday'",
                      "file.csv, line 4: expected a number, got 'x'"], id="two at once"),
        pytest.param("metric", "time,value\n" + "x,1\n" * 25, (),
                     ["file.csv, line 11: expected a time", "and 15 more of the kind"], id="too many to tell"),
        pytest.param("metric", "time,value\n2026-01-01,inf\n", (), ["expected a number, got 'inf'"], id="infinite"),
        pytest.param("metric", "time,value\n2026-01-01,\n", (), ["expected rows with a time and a value, got none with a value"], id="gaps alone"),
        pytest.param("metric", "", (), ["file.csv: expected rows such as 2026-11-20T07:00:00Z,41.5, got none"], id="empty"),
        pytest.param("metric", "time,value\n", (), ["expected rows such as"], id="a header alone"),
        pytest.param("metric", "when,cpu,memory\n1,2,3\n", (),
                     ["line 1: expected a column such as time, timestamp, datetime, date (or name it with --time), got when, cpu, memory"],
                     id="no time column"),
        pytest.param("metric", "time,cpu,memory\n2026-01-01,2,3\n", (), ["(or name it with --value), got time, cpu, memory"], id="which of two"),
        pytest.param("metric", "time,cpu,memory\n2026-01-01,2,3\n", ("--value", "disk"), ['expected a column "disk"'], id="not there"),
        pytest.param("metric", "time\n2026-01-01\n", (), ["expected a column such as value, average, avg, mean (or name it with --value), got time"], id="one column"),
        pytest.param("metric", "2026-01-01\n2026-01-02\n", (), ["expected two columns, a time and a value, got one"], id="one column, no header"),
        pytest.param("metric", "time,value\n\x1b[31m,\x00\n", (), ["got ''"], id="bytes that command"),
        pytest.param("metric", "a" * 200_000 + ",b\n2026-01-01,1\n2026-01-02," + "9" * 200_000, (), ["not a CSV: field larger"], id="a field without end"),
        pytest.param("capacity", disk(), (), ["Missing option '--limit'"], id="no limit"),
        pytest.param("capacity", disk(), ("--limit", "much"), ["expected a number, got 'much'"], id="no number"),
        pytest.param("capacity", disk(), ("--limit", "5 parsec", "--unit", "bytes"), ["'parsec' does not fit a check in bytes"], id="no such unit"),
        pytest.param("capacity", "time,value\n1926-01-01,1\n2026-01-01,1\n", ("--limit", "5"), ["expected 20 years at most"], id="a century"),
        pytest.param("cost", "date,service,cost\n2026-13-01,RDS,1\n", (), ["line 2: expected a day such as 2026-11-20, got '2026-13-01'"], id="no such month"),
        pytest.param("cost", "date,RDS,S3\n2026-11-01,1,x\n", (), ["line 2: column S3: expected a number, got 'x'"], id="a column a service"),
        pytest.param("cost", "date,service,cost\n1001-01-01,RDS,1\n2026-01-01,RDS,1\n", (), ["expected 10 years at most"], id="a millennium"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    kind: str, text: str, words: tuple[str, ...], said: list[str], opsbot: Opsbot, tmp_path: Path
) -> None:
    (tmp_path / "file.csv").write_text(text, encoding="utf-8", newline="")
    told = opsbot(kind, "file.csv", *words)
    assert told.code == 2
    assert told.out == ""
    assert "\x1b" not in told.err
    for part in said:
        assert part in " ".join(told.err.split())


def test_a_file_that_is_not_there(opsbot: Opsbot) -> None:
    told = opsbot("metric", "nowhere.csv")
    assert (told.code, "nowhere.csv" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("kind", "text", "words", "headline"),
    [
        ("metric", "time,value\n2026-01-01,1\n", (), "Nothing could be told: 0.0 days of data, learning takes 2"),
        ("capacity", "time,value\n2026-01-01,1\n2026-01-02,2\n", ("--limit", "5"), "Nothing could be said: fewer than 14 days"),
        ("cost", "day,amount\n2026-01-01,1\n", (), "Nothing could be told: 1 days of data, learning takes 60"),
    ],
)  # fmt: skip
def test_too_little_is_said_to_be_too_little(
    kind: str, text: str, words: tuple[str, ...], headline: str, opsbot: Opsbot, tmp_path: Path
) -> None:
    (tmp_path / "file.csv").write_text(text)
    told = opsbot(kind, "file.csv", *words)
    assert told.code == 0
    assert told.out.startswith(f"? NO DATA  {headline}")
    assert opsbot(kind, "file.csv", *words, "--format", "html").code == 0
