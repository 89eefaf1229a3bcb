"""However a configuration is bent, the answer is a list of problems with paths, at once: never an exception."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from opsbot import home, validation
from opsbot.config import Draft, parse

EXAMPLES = int(os.environ.get("OPSBOT_EXAMPLES", "2000"))
OK = Path(__file__).parent / "ok"
TEXT = (OK / "full.toml").read_text()
PLACE = home.find(home.shipped_home(), {}, Path("/"))
JOBS = validation.load_jobs(PLACE)
WHERE = re.compile(r"config\.toml(:\d+(:\d+)?$|\.|$)")

# A hundred thousand examples take some minutes.
pytestmark = pytest.mark.timeout(3600)

Tree = dict[str, Any]
Steps = tuple[str | int, ...]
T = TypeVar("T")

KEYS = st.one_of(
    st.sampled_from(
        ["name", "region", "regions", "schedul", "kind", "token", "a b", "", "x.y", "window", "environments"]
    ),
    st.text(max_size=12),
)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        [
            "0 7 * * 1",
            "@daily",
            "env:X",
            "xoxb-000000000000-abcd",
            "eu-centrl-1",
            "",
            "../..",
            "Europe/Berln",
            "> 5 %",
            "\0",
            "1h" * 9,
        ]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


def places(value: object, at: Steps = ()) -> list[Steps]:
    """Every path in a tree."""
    if isinstance(value, dict):
        return [path for key in value for path in [(*at, key), *places(value[key], (*at, key))]]
    if isinstance(value, list):
        return [path for place in range(len(value)) for path in [(*at, place), *places(value[place], (*at, place))]]
    return []


def parent(tree: Tree, path: Steps) -> Any:
    holder: Any = tree
    for step in path[:-1]:
        holder = holder[step]
    return holder


def bend(tree: Tree, draw: Callable[..., Any]) -> None:
    """One change of a kind people (and broken tools) make."""
    paths = places(tree)
    path = draw(st.sampled_from(paths)) if paths else ()
    how = draw(st.sampled_from(["drop", "retype", "rename", "swap", "insert", "deepen"]))
    event(how)
    holder = parent(tree, path)
    if not path or (how == "insert" and isinstance(holder, dict)):
        holder[draw(KEYS)] = draw(VALUES)
    elif how == "drop":
        del holder[path[-1]]
    elif how == "rename" and isinstance(holder, dict):
        holder[draw(KEYS)] = holder.pop(path[-1])
    elif how == "swap":
        other = draw(st.sampled_from(paths))
        there = parent(tree, other)
        if path != other[: len(path)] and other != path[: len(other)]:
            holder[path[-1]], there[other[-1]] = there[other[-1]], holder[path[-1]]
    elif how == "deepen":
        for _ in range(draw(st.sampled_from([1, 3, 40]))):
            holder[path[-1]] = {draw(KEYS): holder[path[-1]]} if draw(st.booleans()) else [holder[path[-1]]]
    else:
        holder[path[-1]] = draw(VALUES)


@st.composite
def bent_texts(draw: Any) -> bytes:
    tree = tomllib.loads(TEXT)
    for _ in range(draw(st.integers(1, 6))):
        bend(tree, draw)
    return written(tree).encode("utf-8", "replace")


@st.composite
def cut_texts(draw: Any) -> bytes:
    """The file itself with bytes overwritten, lost or moved."""
    content = bytearray(TEXT.encode())
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(0, 40))
        content[place : place + length] = draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b"[[", b'"""', b"=", b"\n", b"'"]))
        )
    return bytes(content)


def written(tree: Tree) -> str:
    """The tree as TOML, every top-level value inline on its line."""
    return "".join(f"{quoted(key)} = {inline(value)}\n" for key, value in tree.items())


def inline(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return str(value)


def quoted(text: str) -> str:
    # JSON's escapes are TOML's but for lone surrogates, which no file can hold, and DEL, which must be escaped.
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace").decode().replace("\x7f", "\\u007f")


def judge(content: bytes) -> Draft:
    draft = parse(content)
    problems = draft.in_order(draft.problems)
    assert (draft.config is None) == bool(problems)
    for problem in problems:
        assert WHERE.match(problem.where), problem
        assert problem.what
        assert str(problem).isprintable()
        assert "xoxb-" not in str(problem)
    return draft


# Two properties share the number.
MANY = settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(bent_texts())
def test_a_bent_configuration_is_judged(content: bytes) -> None:
    draft = judge(content)
    event("right" if draft.config else "wrong" if draft.tables else "unreadable")


@MANY
@given(st.one_of(cut_texts(), st.binary(max_size=60)))
def test_bytes_are_judged(content: bytes) -> None:
    judge(content)


def test_the_file_itself_is_right() -> None:
    assert judge(TEXT.encode()).config is not None
    assert judge(written(tomllib.loads(TEXT)).encode()).config is not None


@settings(MANY, max_examples=EXAMPLES // 10)
@given(bent_texts())
def test_a_bent_home_is_judged(content: bytes) -> None:
    problems = validation.judge(PLACE, parse(content), *JOBS).problems
    for problem in problems:
        assert WHERE.match(problem.where), problem
        assert str(problem).isprintable()
        assert "xoxb-" not in str(problem)
