"""The plugin: has every process of the suite write down its AWS calls, and judges them when the suite has ended."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

INSIDE = Path(__file__).parent / "inside"
FOLDER = "RECORDED_CALLS"
_OURS = pytest.StashKey[Path]()
_WRONG = pytest.StashKey[list[str]]()


def surroundings() -> dict[str, str]:
    """What a child needs in its environment to write down its calls, for tests that give it no other."""
    told = ("PYTHONPATH", FOLDER, "PYTEST_CURRENT_TEST")
    return {name: os.environ[name] for name in told if name in os.environ}


def pytest_configure(config: pytest.Config) -> None:
    """Children and workers of xdist have it from the environment; the process that began it judges."""
    sys.addaudithook(_watch)
    if FOLDER in os.environ:
        return
    config.stash[_OURS] = folder = Path(tempfile.mkdtemp(prefix="recorded-calls-"))
    os.environ[FOLDER] = str(folder)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{INSIDE}{os.pathsep}{before}" if before else str(INSIDE)
    importlib.import_module("tests.recording.inside.sitecustomize")


def _watch(event: str, told: tuple[Any, ...]) -> None:
    """A child of Python's without our surroundings would ask unseen: the test that starts it is written down."""
    if event != "subprocess.Popen":
        return
    _, words, _, environ = told
    if environ is None or FOLDER in environ or FOLDER not in os.environ or sys.executable not in map(str, words):
        return
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    with (Path(os.environ[FOLDER]) / f"{os.getpid()}.unseen").open("a", encoding="utf-8") as file:
        file.write(f"{test}\n")


def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = session.config.stash.get(_OURS, None)
    if folder is None or session.config.option.collectonly:
        return
    whole = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS and not _chosen(session.config)
    session.config.stash[_WRONG] = wrong = judged(folder, whole and session.exitstatus == pytest.ExitCode.OK)
    if wrong and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _chosen(config: pytest.Config) -> bool:
    """Whether only some of the tests were wanted."""
    choices = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "maxfail")
    return any(config.getoption(name, None) for name in choices)


def judged(folder: Path, whole: bool) -> list[str]:
    """What is wrong with the calls; that something was not asked can only be told of a whole suite."""
    from tests.recording import held

    asked, allow = held.kept(folder), held.everything()
    found = [*held.unseen(folder), *held.outside(asked, allow)]
    return [*found, *(held.unasked(asked, allow, held.UNASKED) if whole else ())]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if wrong := config.stash.get(_WRONG, None):
        terminalreporter.section("AWS calls and the policies that opsbot iam-policy prints", red=True)
        for line in wrong:
            terminalreporter.write_line(line, red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_OURS, None):
        shutil.rmtree(folder, ignore_errors=True)
