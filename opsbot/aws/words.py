"""Somebody else's text, made fit to stand in ours."""

from __future__ import annotations


def clipped(text: str, most: int = 200) -> str:
    """One printable line of it, at most so many characters."""
    line = "".join(char if char.isprintable() else " " for char in text[: most * 2])
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1] + "…"
