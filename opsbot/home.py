"""The home: config.toml, jobs/, report_templates/, runbooks/; its files shadow the shipped ones by file name.

Job files are code and are run. Nothing else in a home is.
"""

from __future__ import annotations

import filecmp
import hashlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from opsbot.errors import ConfigError, Problem
from opsbot.secrets import redact

if TYPE_CHECKING:
    from opsbot.job import Job

CONFIG = "config.toml"
FOLDERS = ("jobs", "report_templates", "runbooks")
STARTER = "starter"
_IGNORED = shutil.ignore_patterns("__pycache__", ".*", "*.pyc", "*~")
_MUST_SET = 'a job file must set "job = Job(...)"'
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFile:
    """A file that was found. `shadows`: it is the home's own and stands before a shipped one of the same name."""

    name: str
    path: Path
    shipped: bool
    shadows: bool

    @property
    def shown(self) -> str:
        """As problems name it: `jobs/daily_health.py`."""
        return f"{self.path.parent.name}/{self.path.name}"


JobFile = HomeFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where configuration and job files are; `state` is where a relative path of the store leads from."""

    path: Path
    state: Path

    @property
    def config(self) -> Path:
        return self.path / CONFIG

    def jobs(self) -> tuple[JobFile, ...]:
        """Every job, the home's and the shipped, by name; files that begin with `_` are their helpers."""
        found = self.files("jobs", ".py")
        return tuple(file for file in found if not file.name.startswith("_"))

    def job(self, name: str) -> JobFile | None:
        """By name; a hyphen works too."""
        wanted = name.replace("-", "_")
        return next((file for file in self.jobs() if file.name == wanted), None)

    def runbooks(self) -> tuple[HomeFile, ...]:
        found = self.files("runbooks", ".md")
        return tuple(file for file in found if file.name.upper() != "README")

    def templates(self) -> tuple[HomeFile, ...]:
        return self.files("report_templates", ".j2")

    def template(self, name: str) -> Path | None:
        """The home's template of this file name, else the shipped one."""
        return next((file.path for file in self.templates() if file.path.name == name), None)

    def files(self, folder: str, suffix: str) -> tuple[HomeFile, ...]:
        """What a folder holds, the home's before the shipped of the same file name, sorted by name."""
        shipped = _listed(shipped_home() / folder, suffix)
        own = {} if _same(self.path, shipped_home()) else _listed(self.path / folder, suffix)
        return tuple(
            HomeFile(
                name=name.removesuffix(suffix),
                path=own.get(name) or shipped[name],
                shipped=name not in own,
                shadows=name in own and name in shipped,
            )
            for name in sorted(own.keys() | shipped.keys())
        )

    def store_url(self, url: str) -> str:
        """The store's address with its path made whole: relative ones lead from `state`."""
        if not url.startswith(_SQLITE):
            return url
        return _SQLITE + str((self.state / url.removeprefix(_SQLITE)).resolve())


def shipped_home() -> Path:
    """What opsbot brings along: inside the wheel, or the checkout's root."""
    packaged = Path(__file__).parent / "_home"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def find(option: Path | None, environ: Mapping[str, str], cwd: Path) -> Home:
    """The home: `--home`, else `$OPSBOT_HOME`, else the current folder if it has a config.toml. Raises ConfigError."""
    if option is not None:
        return _home(option, "--home", environ, cwd)
    if named := environ.get("OPSBOT_HOME"):
        return _home(Path(named), "$OPSBOT_HOME", environ, cwd)
    if (cwd / CONFIG).is_file():
        return _home(cwd, "current folder", environ, cwd)
    raise _no_home(Problem("home", f"{cwd} has no {CONFIG}, and neither --home nor $OPSBOT_HOME names a folder"))


def _home(folder: Path, said_by: str, environ: Mapping[str, str], cwd: Path) -> Home:
    path = (cwd / folder.expanduser()).resolve()
    if not path.is_dir():
        raise _no_home(Problem(said_by, f"there is no folder {path}"))
    if not (path / CONFIG).is_file():
        raise _no_home(Problem(said_by, f"{path} has no {CONFIG}"))
    state = environ.get("OPSBOT_STATE")
    return Home(path=path, state=(cwd / state).resolve() if state else path)


def _no_home(problem: Problem) -> ConfigError:
    error = ConfigError([problem])
    error.hint = "make a home with: opsbot init DIR; then name it with --home DIR or $OPSBOT_HOME"
    return error


def _listed(folder: Path, suffix: str) -> dict[str, Path]:
    try:
        return {path.name: path for path in folder.iterdir() if path.suffix == suffix and path.is_file()}
    except OSError:
        # A home without this folder is fine: the shipped files stand for it.
        return {}


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def unchanged(file: HomeFile) -> bool:
    """Whether a shadowing file says exactly what the shipped one says."""
    shipped = shipped_home() / file.path.parent.name / file.path.name
    return file.shadows and filecmp.cmp(file.path, shipped, shallow=False)


def init(folder: Path) -> tuple[Path, ...]:
    """Make a home of what opsbot brings along; returns what it made. Raises ConfigError if one is there already."""
    if (folder / CONFIG).exists():
        raise _refused(
            folder, f"there is a {CONFIG} already; nothing was changed", "name another folder, or edit that file"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True)
            if (shipped_home() / name).is_dir():
                _lay(shipped_home() / name, folder / name)
        shutil.copyfile(shipped_home() / CONFIG, folder / CONFIG)
    except OSError as error:
        why = f"cannot be written: {(error.strerror or str(error)).lower()}"
        raise _refused(folder, why, "name a folder that you may write to") from error
    return (folder / CONFIG, *(folder / name for name in FOLDERS))


def _lay(shipped: Path, folder: Path) -> None:
    """A folder's files as they are. Templates are copied to be read: one that is used grows old with the next opsbot, so
    what is used is a starter that builds on the shipped ones."""
    if not (shipped / STARTER).is_dir():
        shutil.copytree(shipped, folder, ignore=_IGNORED, dirs_exist_ok=True)
        return
    shutil.copytree(shipped / STARTER, folder, ignore=_IGNORED, dirs_exist_ok=True)
    shutil.copytree(shipped, folder / "shipped", ignore=_unread, dirs_exist_ok=True)
    shutil.copyfile(shipped / "README.md", folder / "README.md")


def _unread(folder: str, names: list[str]) -> set[str]:
    return {*_IGNORED(folder, names), STARTER, "README.md"}


def _refused(folder: Path, why: str, hint: str) -> ConfigError:
    error = ConfigError([Problem(str(folder), why)])
    error.hint = hint
    return error


def load_job(file: JobFile) -> Job[Any]:
    """Run a job file and take its `job`. Raises ConfigError with the file and the line, whatever the file does."""
    from opsbot.job import Job

    module = _run(file)
    job = getattr(module, "job", None)
    if isinstance(job, Job):
        return job
    found = f", got {type(job).__name__}" if job is not None else ""
    raise ConfigError([Problem(file.shown, f"TypeError: {_MUST_SET}{found}")])


def _run(file: JobFile) -> ModuleType:
    """The file as a module of a private package, so that it can import its neighbours: `from ._shared import ...`."""
    package = _package(file.path.parent)
    name = f"{package}.{file.name}"
    module = module_from_spec(ModuleSpec(name, None, origin=str(file.path)))
    module.__file__ = str(file.path)
    # Dataclasses and pydantic look a class's module up while the file is still being run.
    sys.modules[name] = module
    try:
        # Job files are the operator's own code. Compiled here, so that no stale bytecode is ever run.
        exec(compile(file.path.read_bytes(), str(file.path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except (Exception, SystemExit) as error:
        # A user's file may raise anything, and the other jobs must still load.
        del sys.modules[name]
        raise ConfigError([_problem(error, file)]) from error
    return module


def _package(folder: Path) -> str:
    name = f"_opsbot_jobs_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[name] = module_from_spec(spec)
    return name


def _problem(error: BaseException, file: JobFile) -> Problem:
    if isinstance(error, SyntaxError) and error.filename == str(file.path):
        return Problem(_at(file, error.lineno), f"SyntaxError: {error.msg}")
    if isinstance(error, OSError) and error.filename == str(file.path):
        return Problem(file.shown, f"cannot be read: {(error.strerror or 'unknown').lower()}")
    said = "".join(filter(str.isprintable, " ".join(redact(str(error)).split())))[:300]
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return Problem(_at(file, _line(error.__traceback__, file)), what)


def _at(file: JobFile, line: int | None) -> str:
    return f"{file.shown}:{line}" if line else file.shown


def _line(trace: TracebackType | None, file: JobFile) -> int | None:
    """The last line of the file itself on the way to the error."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file.path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
