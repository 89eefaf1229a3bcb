"""F20: however a configuration is bent, a reload takes it over whole and usable, or keeps the last good one and says why."""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsbot.daemon.draw_up import draw_up
from opsbot.daemon.orders import Orders, read, write
from opsbot.errors import ConfigError, Problem
from opsbot.home import Home
from opsbot.model.timetable import Clockwork
from opsbot.timetable import due, next_fire
from tests.config.test_config_mutations import bend, written
from tests.daemon.parts import START

EXAMPLES = int(os.environ.get("OPSBOT_EXAMPLES", "150"))
OK = Path(__file__).parents[1] / "config" / "ok"
TEXT = (OK / "serving.toml").read_text() + '[channels.ops]\nkind = "file"\nfolder = "/tmp/told"\n'

pytestmark = pytest.mark.timeout(3600)


@st.composite
def configurations(draw: Any) -> bytes:
    """A good one with a few values bent, or with bytes of it overwritten or lost."""
    if draw(st.booleans()):
        tree = tomllib.loads(TEXT)
        for _ in range(draw(st.integers(1, 4))):
            bend(tree, draw)
        return written(tree).encode("utf-8", "replace")
    content = bytearray(TEXT.encode())
    for _ in range(draw(st.integers(1, 6))):
        place, length = draw(st.integers(0, len(content))), draw(st.integers(0, 12))
        content[place : place + length] = draw(st.one_of(st.binary(max_size=4), st.sampled_from([b"9", b"[", b"\n"])))
    return bytes(content)


def secret(reference: str) -> str:
    if len(reference) % 2:
        raise ConfigError([Problem(reference, "is not set")])
    return "geheim"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    return Home(path=folder, state=folder)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=configurations())
def test_f20_bent_configurations_are_refused_with_a_place_or_can_be_lived_by(home: Home, text: bytes) -> None:
    home.config.write_bytes(text)
    told = draw_up(home, START, secret)
    if told.problems:
        assert told.timetables == ()
        assert all(re.match(r"config\.toml", problem) and "\n" not in problem for problem in told.problems)
    else:
        _can_be_lived_by(told)


def _can_be_lived_by(told: Orders) -> None:
    """The daemon reads them back the same, and nothing in them stops its clock."""
    assert read(write(told)) == told
    for timetable in told.timetables:
        next_fire(timetable, START)
        found = due(
            timetable, Clockwork(job=timetable.job, cursor=START, cron=timetable.cron), START + timedelta(days=9)
        )
        assert all(run.job == timetable.job for run in found.runs)
