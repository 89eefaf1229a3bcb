"""Runs `opsbot` again and again in processes of their own, each forked from one that has imported it already.

Two thirds of a command's time are imports. What is forked is what its name would start: a process with its own
environment, output, threads and exit; only its modules are there before it asks for them.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.recording.suite import surroundings

ROOT = Path(__file__).parents[2]
READY = "ready"
# A run needs none of these parts of opsbot, and these that it loads late.
APART = ("opsbot.__main__", "opsbot.replica", "opsbot.executors", "opsbot.daemon", "opsbot.web", "opsbot.prober")
LATE = ("boto3", "css_inline", "jinja2.sandbox", "sqlalchemy.dialects.sqlite")


@dataclass(frozen=True)
class Opener:
    """Where the process that forks listens."""

    address: Path

    def run(self, words: Sequence[str], env: Mapping[str, str], told: Path) -> int:
        """The exit code of `opsbot WORDS` in this environment alone; it writes to `told`/out and `told`/err."""
        wanted = {"words": ["opsbot", *words], "env": dict(env), "told": str(told)}
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(self.address))
            with line.makefile("rw", encoding="utf-8") as talk:
                print(json.dumps(wanted), file=talk, flush=True)
                return int(talk.readline())


@contextmanager
def opened() -> Iterator[Opener]:
    """An opener for as long as it is wanted."""
    # A socket's path may be a hundred bytes long: pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="opener-") as folder:
        address = Path(folder) / "asked"
        env = {"PATH": os.environ["PATH"], "HOME": folder, **surroundings()}
        with subprocess.Popen(
            [sys.executable, "-m", "tests.stories.opener", str(address)],
            cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                assert process.stdout
                assert process.stdout.readline().strip() == READY
                yield Opener(address)
            finally:
                process.kill()


def _load() -> None:
    import opsbot

    found = (module.name for module in pkgutil.walk_packages(opsbot.__path__, "opsbot."))
    for name in (*(one for one in found if not one.startswith(APART)), *LATE):
        importlib.import_module(name)


def _be_asked(address: str) -> None:
    """Comes back as often as it is asked, each time in a process of its own that is to be opsbot."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print(READY, flush=True)
        while True:
            asked, _ = listening.accept()
            if os.fork() == 0:
                break
            asked.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _become(asked)


def _become(asked: socket.socket) -> None:
    with asked.makefile("rw", encoding="utf-8") as talk:
        wanted = json.loads(talk.readline())
        if child := os.fork():
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=talk, flush=True)
            os._exit(0)
    asked.close()
    for number, name in ((1, "out"), (2, "err")):
        with Path(wanted["told"], name).open("wb") as file:
            os.dup2(file.fileno(), number)
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = wanted["words"]


if __name__ == "__main__":
    _load()
    _be_asked(sys.argv[1])
    importlib.import_module("opsbot.__main__").main()
