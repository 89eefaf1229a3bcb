"""How the daemon learns its orders: it copies the home, has a child read the copy, and from then on its runs use that copy.

A file that is half written, or a configuration that was broken at noon, therefore reaches no run: the last good copy
stays until a better one was read. Nothing heavy is imported here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from opsbot.daemon import orders
from opsbot.daemon.orders import Orders
from opsbot.errors import OpsbotError
from opsbot.home import CONFIG, FOLDERS, Home

PATIENCE = 60.0
KEPT = 3
_IGNORED = shutil.ignore_patterns("__pycache__", ".*", "*.pyc", "*~")
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What was learnt and the copy of the home it was learnt from."""

    orders: Orders
    copy: Path


def learn(home: Home, patience: float = PATIENCE) -> Lesson:
    """Copy the home and have a child read it, for at most so many seconds. Raises OpsbotError if that is not possible."""
    copy = _keep(home)
    told = _ask(home, copy, patience)
    return Lesson(orders=replace(told, hash=copy.name), copy=copy)


def command(copy: Path, *words: str, log_format: str = "text") -> list[str]:
    """How a child of the daemon is started on a home."""
    return [sys.executable, "-m", "opsbot", "--home", str(copy), "--log-format", log_format, *words]


def surroundings(home: Home) -> dict[str, str]:
    """The environment of such a child: its state is the real home's, not the copy's."""
    return {**os.environ, "OPSBOT_STATE": str(home.state)}


def stamp(home: Home) -> Stamp:
    """Changes whenever a file of the home does; cheap enough to be asked every few seconds."""
    return tuple(sorted(_looked_at(path) for path in _files(home.path)))


def copies(home: Home) -> Path:
    """Where the copies are."""
    return home.state / "var" / "home"


def forget(home: Home, but: Path) -> None:
    """Remove all copies but the newest few: a run that began before a reload still reads from its own."""
    found = [path for path in copies(home).iterdir() if path != but] if copies(home).is_dir() else []
    for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _looked_at(path: Path) -> tuple[str, int, int]:
    try:
        seen = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), seen.st_mtime_ns, seen.st_size


def _files(home: Path) -> Iterator[Path]:
    yield home / CONFIG
    for name in FOLDERS:
        for folder, inside, files in os.walk(home / name, followlinks=True):
            inside[:] = [each for each in inside if not each.startswith((".", "__pycache__"))]
            yield from (Path(folder) / each for each in files if not each.startswith(".") and each[-1:] != "~")


def _keep(home: Home) -> Path:
    """A copy named after its content; one that is there already is used again."""
    try:
        copies(home).mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=copies(home)))
        try:
            return _copied(home, draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, shutil.Error) as error:
        raise OpsbotError(
            f"{copies(home)}: the home cannot be copied there: {_brief(error)}",
            hint="give opsbot's user write access to the state folder, or name another with $OPSBOT_STATE",
        ) from error


def _copied(home: Home, draft: Path) -> Path:
    shutil.copyfile(home.config, draft / CONFIG)
    for name in FOLDERS:
        if (home.path / name).is_dir():
            shutil.copytree(home.path / name, draft / name, ignore=_IGNORED)
    copy = copies(home) / _content(draft)
    if copy.is_dir():
        os.utime(copy)
        return copy
    try:
        return draft.rename(copy)
    except OSError:
        # Another daemon was faster; what it put there has the same name because it is the same.
        if copy.is_dir():
            return copy
        raise


def _content(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(_files(folder)):
        body = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()[:16]


def _ask(home: Home, copy: Path, patience: float) -> Orders:
    try:
        ended = subprocess.run(
            command(copy, "_orders"), env=surroundings(home), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=patience, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise OpsbotError(
            f"{home.path}: reading the home took more than {patience:.0f} s",
            hint="look for a job file that does more than declare a job: files in jobs/ are run to be read",
        ) from error
    try:
        return orders.read(ended.stdout.strip().rpartition("\n")[2])
    except ValueError as error:
        said = (ended.stderr.strip() or "nothing").splitlines()
        raise OpsbotError(
            f"{home.path}: reading the home failed with exit code {ended.returncode}; it said: {' '.join(said[-3:])[:500]}",
            hint="run: opsbot validate",
        ) from error


def _brief(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error))[:200].lower()
