"""Writes down every AWS call that opsbot makes: Python imports a module of this name when a process starts.

The test process has it from `tests.recording.suite`, its children by PYTHONPATH; it hangs on botocore's own list of
handlers, so that neither opsbot nor botocore is changed, and it loads nothing until botocore is loaded. Each call is
written once a process, as a line of a file of that process: who is killed has written what he asked so far.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

FOLDER = "RECORDED_CALLS"
"""The environment variable that says where to write; without it nothing is written."""

HANDLERS = "botocore.handlers"
ROLE, RUNBOOKS, REMEDIATION, OPSBOT = "role", "runbooks", "remediation", "opsbot"
"""The policies, by their names after `iam-policy --for`."""

# Who asks with the credentials opsbot itself runs as.
_OWN = {f"opsbot.aws.{name}" for name in ("alive", "identity", "mail", "notify", "publish", "shipping", "vault")}
_OWN |= {"opsbot.executors.celery", "opsbot.cli.worker"}
# Between whoever asks and the wire; a thread that was given a client's method has nobody else.
_BETWEEN = ("botocore", "boto3", "concurrent", "threading", "functools", "contextlib", "celery", "kombu", "vine")
_written: set[tuple[str, str]] = set()


def note(event_name: str, request: Any, **_: Any) -> None:
    """One request, before it is sent, whatever comes of it: botocore's event `before-send.SERVICE.OPERATION`."""
    _, service, operation = event_name.split(".", 2)
    policy = _policy(operation, request)
    folder, call = os.environ.get(FOLDER), f"{service}:{operation}"
    if not policy or not folder or (policy, call) in _written:
        return
    _written.add((policy, call))
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0] or "no test: it was being set up"
    line = json.dumps({"policy": policy, "call": call, "test": test, "at": time.monotonic()})
    with (Path(folder) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _policy(operation: str, request: Any) -> str:
    """The policy that has to allow it; "" if it was a test that asked, or the embedded AWS."""
    frames = list(_frames(sys._getframe(2)))
    asker = next((name for name, _ in frames if not name.startswith(_BETWEEN)), "")
    if not (_product(asker) if asker else "opsbot" in str(request.headers.get("User-Agent", ""))):
        return ""
    if asker in _OWN or operation == "AssumeRole":
        return OPSBOT
    done = {function for name, function in frames if name == "opsbot.aws.inspecting"}
    return REMEDIATION if "act" in done else RUNBOOKS if "asked" in done else ROLE


def _product(module: str) -> bool:
    return module.startswith("opsbot.") and not module.startswith("opsbot.replica")


def _frames(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    while frame is not None:
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        frame = frame.f_back


class _Once:
    """An import finder that takes itself away when botocore's handlers are wanted, and adds ours to them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != HANDLERS:
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            hang_on(module)

        spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


def hang_on(module: ModuleType) -> None:
    """botocore gives this list to every session that is made from now on."""
    module.BUILTIN_HANDLERS.append(("before-send", note))


def start() -> None:
    """From now on, in this process."""
    if HANDLERS in sys.modules:
        hang_on(sys.modules[HANDLERS])
    else:
        sys.meta_path.insert(0, _Once())  # type: ignore[arg-type]


if os.environ.get(FOLDER):
    start()
