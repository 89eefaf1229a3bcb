"""Every runbook that a report can name is there, has its parts, and its commands are what AWS's CLI takes."""

from __future__ import annotations

import re
from datetime import date

import pytest

from opsbot.checks import catalogue
from opsbot.cli import page
from opsbot.cli.page import Page
from opsbot.home import shipped_home
from tests.runbooks.aws_lines import Command, fenced, wrong

NAMES = (
    "certificate-expiry", "cost-spike", "data-quality", "database-pressure", "high-error-rate",
    "high-latency", "high-load", "job-failed", "security-finding", "storage-full", "system-down",
)  # fmt: skip
PARTS = ["What users see", "First two minutes", "What is it?", "Safe actions", "When to escalate", "It is over when"]
PAGES = {path.stem: page.read(path.read_text(encoding="utf-8")) for path in (shipped_home() / "runbooks").glob("*.md")}
del PAGES["README"]


def _parts(book: Page) -> dict[str, str]:
    """Each part's text by its heading; a `## ` in code is no heading."""
    _title, *parts = re.split(r"^## ", book.body, flags=re.MULTILINE)
    return {head: text for head, _, text in (part.partition("\n") for part in parts)}


def test_what_the_catalogue_names_is_shipped_and_nothing_else() -> None:
    named = {raw["runbook"] for raw in catalogue.shipped()}
    assert named <= PAGES.keys()
    assert tuple(sorted(PAGES)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_its_parts_in_order(name: str) -> None:
    book = PAGES[name]
    assert [key for key in book.meta if key not in ("params", "limits")] == ["id", "title", "owner", "reviewed"]
    assert (book.meta["id"], book.meta["owner"]) == (name, "platform")
    assert date.fromisoformat(book.meta["reviewed"]) >= date(2026, 11, 21)
    assert book.body.startswith(f"# {book.title}\n")
    assert list(_parts(book)) == PARTS
    assert all(text.strip() for text in _parts(book).values())


@pytest.mark.parametrize("name", NAMES)
def test_its_table_leads_from_what_is_seen_to_what_to_do(name: str) -> None:
    rows = [line for line in _parts(PAGES[name])["What is it?"].split("\n") if line]
    assert rows[:2] == ["| What you see | Likely cause | Do this |", "|---|---|---|"]
    assert len(rows) >= 7
    assert all(row.count("|") == 4 and all(cell.strip() for cell in row.split("|")[1:4]) for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_one_that_the_aws_cli_takes(name: str) -> None:
    assert [said for command in fenced(PAGES[name].body) for said in wrong(command)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_command_stands_in_running_text(name: str) -> None:
    """There it would be broken over lines, and lack its region and its profile."""
    assert not re.search(r"`aws\s", PAGES[name].body)


@pytest.mark.parametrize("name", NAMES)
def test_looking_only_reads(name: str) -> None:
    looking = fenced(_parts(PAGES[name])["First two minutes"])
    assert len(looking) >= 4
    assert [command.text for command in looking if not command.reads] == []
    assert [command.text for command in looking if command.options["profile"] != ["{profile_or_role}"]] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_action_says_how_to_undo_it_and_is_never_taken_as_opsbot(name: str) -> None:
    actions = re.split(r"^### ", _parts(PAGES[name])["Safe actions"], flags=re.MULTILINE)[1:]
    assert len(actions) >= 2
    for action in actions:
        commands = fenced(action)
        assert re.search(r"\bUndo\b", action)
        assert not all(command.reads for command in commands)
        for command in commands:
            assert command.options["profile"] == ["{profile_or_role}" if command.reads else "YOUR_PROFILE"]


def test_what_is_filled_in_stands_outside_quotes_in_code() -> None:
    """There it is quoted for the shell already; inside other quotes that would not hold."""
    code = [line.text for book in PAGES.values() for line in page.lines(book.body) if line.code]
    assert [line for line in code for said in re.findall(r"'[^']*'|\"[^\"]*\"", line) if page.GAP.search(said)] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_names_other_runbooks_only_if_they_are_there(name: str) -> None:
    named = re.findall(r"(?:follow|[Ss]ee|runbook show|go on with) ([a-z]+-[a-z-]+)", PAGES[name].body)
    assert set(named) <= set(NAMES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("aws ecs describe-servces --cluster A", "there is no 'describe-servces'", id="operation"),
        pytest.param("aws elb2 describe-rules", "there is no Unknown service: 'elb2'", id="service"),
        pytest.param("aws ecs describe-services --services a --clusters A", "--clusters is unknown", id="option"),
        pytest.param("aws ecs describe-services --cluster A", "--services is missing", id="required"),
        pytest.param("aws batch list-jobs --job-status BROKEN", "--job-status does not take BROKEN", id="value"),
        pytest.param("aws ecs describe-services --services", "--services does not take nothing", id="no value"),
    ],
)
def test_a_wrong_command_is_found(text: str, told: str) -> None:
    command = fenced(f"```\n{text}\n```\n")[0]
    assert isinstance(command, Command)
    assert any(told in said for said in wrong(command))
