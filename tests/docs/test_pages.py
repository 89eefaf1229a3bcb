"""docs/ says what the code does: a page for each job, kind and channel, every key, every link, every example."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest
from PIL import Image
from pydantic import BaseModel

from opsbot import channels, home
from opsbot.checks import KINDS
from opsbot.cli import COMMANDS, INNER, cli
from tests.docs import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "report_templates" / "README.md"])
BEGIN, END = "a test says they are current -->\n", "<!-- /facts -->"
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py") if not path.stem.startswith("_"))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", JOBS)
def test_each_job_has_a_page_with_its_settings(name: str) -> None:
    page = text(DOCS / "jobs" / f"{name}.md")
    file = next(file for file in home.find(ROOT, {}, ROOT).jobs() if file.name == name)
    settings = home.load_job(file).settings
    assert _unsaid(settings, page) == []
    assert f"opsbot run {name}" in page


@pytest.mark.parametrize("kind", KINDS)
def test_each_check_kind_has_a_page_with_its_keys(kind: str) -> None:
    page = text(DOCS / "checks" / f"{kind}.md")
    of_every_kind = {"says", "requires", "expect", "noun", "title", "name"}
    also = text(DOCS / "checks" / "metric.md") if kind == "seasonal" else ""
    assert [key for key in reference.keys(kind) if key not in of_every_kind and f"`{key}`" not in page + also] == []


def test_the_keys_of_every_kind_stand_on_the_checks_page() -> None:
    page = text(DOCS / "checks.md")
    assert [key for key in ("says", "requires", "expect", "noun", "title", "name") if f"`{key}`" not in page] == []


@pytest.mark.parametrize("kind", channels.SETTINGS)
def test_each_channel_has_a_page_with_its_keys(kind: str) -> None:
    page = text(DOCS / "channels" / f"{kind}.md")
    assert _unsaid(channels.SETTINGS[kind], page) == []
    assert f'kind = "{kind}"' in page


def _unsaid(model: type[BaseModel], page: str) -> list[str]:
    keys = (field.alias or name for name, field in model.model_fields.items() if name != "kind")
    return [key for key in keys if not re.search(rf"`{key}`|^{key} = |\.{key}\]", page, re.MULTILINE)]


def test_the_facts_are_current() -> None:
    path = DOCS / "checks" / "fact.md"
    before, _, rest = text(path).partition(BEGIN)
    made = before + BEGIN + reference.facts() + END + rest.partition(END)[2]
    if os.environ.get("OPSBOT_UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert text(path) == made, "look at it, then: OPSBOT_UPDATE_GOLDEN=1 pytest tests/docs"


def test_the_index_leads_to_every_page() -> None:
    index = text(DOCS / "README.md")
    led = set(re.findall(r"\]\(([^)#]+)", index))
    assert [shown(page) for page in DOCS.rglob("*.md") if page.name != "README.md" and not _leads(page, led)] == []


def _leads(page: Path, led: set[str]) -> bool:
    return str(page.relative_to(DOCS)) in led


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_of_ours_leads_somewhere(page: Path) -> None:
    told = re.sub(r"^(`{3,})[^\n]*\n.*?^\1$", "", text(page), flags=re.MULTILINE | re.DOTALL)
    links = [*re.findall(r"\]\(([^)\s]+)\)", told), *re.findall(r'<img src="([^"]+)"', told)]
    broken = [link for link in links if "://" not in link and not _is_there(page, link)]
    assert broken == []


def _is_there(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in _anchors(text(target)))


def _anchors(page: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_toml_example_is_toml(page: Path) -> None:
    for example in re.findall(r"^```toml\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL):
        tomllib.loads(example)


@pytest.mark.parametrize("kind", channels.SETTINGS)
def test_a_channels_examples_are_channels(kind: str) -> None:
    told = [tomllib.loads(example) for example in _examples(DOCS / "channels" / f"{kind}.md")]
    tables = [(name, table) for one in told for name, table in one.get("channels", {}).items()]
    assert tables
    assert [problem for name, table in tables for problem in channels.decode(name, table)[1]] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kinds_examples_are_checks(kind: str) -> None:
    from datetime import timedelta

    from opsbot.checks import catalogue
    from opsbot.model.check import Missing

    told = [tomllib.loads(example) for example in _examples(DOCS / "checks" / f"{kind}.md")]
    tables = [table for one in told for table in one.get("checks", [])]
    assert tables
    read, problems = catalogue.load(tables, [], file="x", settle=timedelta(minutes=5), missing=Missing.UNKNOWN)
    assert [str(problem) for problem in problems] == []
    assert {check.kind for check in read.checks if check.name in {table["name"] for table in tables}} == {kind}


def _examples(page: Path) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_is_one_and_takes_its_options(page: Path) -> None:
    wrong = [f"{line}: {why}" for line in _commands(text(page)) for why in _wrong(line)]
    assert wrong == []


def _commands(page: str) -> Iterator[str]:
    """Lines of code that begin with opsbot; what follows a comment sign or a pipe is not ours."""
    fenced = re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    lines += [line.removeprefix("$ ") for block in fenced for line in block.splitlines()]
    lines += [code for code in re.findall(r"`(opsbot [^`\n]+)`", page) if "|" not in code and "..." not in code]
    for line in lines:
        if found := re.match(r"(?:\.venv/bin/)?(opsbot .+)", line):
            yield found[1]


def _words(line: str) -> list[str]:
    """As a shell would take them, up to what ends the command."""
    shell = shlex.shlex(line.replace("\\|", " "), posix=True, punctuation_chars="|>&;")
    shell.whitespace_split = True
    return list(takewhile(lambda word: word[0] not in "|>&;", (word for word in shell if word)))


def _wrong(line: str) -> Iterator[str]:
    words = _words(line)[1:]
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("--home", "--log-format", "--color") else words[1:]
    if not words or not re.fullmatch(r"_?[a-z-]+", words[0]):
        return
    name = words[0]
    if name not in COMMANDS.keys() | INNER.keys():
        yield f"there is no command {name}"
        return
    command = cli.get_command(click.Context(cli), name)
    inner = words[1] if len(words) > 1 else ""
    if isinstance(command, click.Group) and inner and not inner.startswith("-"):
        command = command.commands.get(inner) or command
    known = {option for param in command.params for option in param.opts} if command else set()
    given = [word.partition("=")[0] for word in words[1:] if re.match(r"--[a-z]", word)]
    yield from (f"it has no {option}" for option in given if option not in known | {"--help"})


def test_the_gallery_shows_every_picture_and_none_is_large() -> None:
    page = text(DOCS / "gallery.md")
    pictures = sorted((DOCS / "gallery").glob("*.png"))
    assert pictures
    assert [path.name for path in pictures if f"gallery/{path.name}" not in page] == []
    assert [path.name for path in pictures if path.stat().st_size > 150 * 1024] == []
    for path in pictures:
        with Image.open(path) as picture:
            picture.verify()
