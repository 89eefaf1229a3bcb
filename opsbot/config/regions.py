"""The regions AWS's SDK knows, so that a misspelt one is caught before it is asked; a test compares the list."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

_LIST = """
af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-isoe-west-1 eu-north-1
eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1
mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-iso-east-1 us-iso-west-1
us-isob-east-1 us-isob-west-1 us-isof-east-1 us-isof-south-1 us-west-1 us-west-2
"""
KNOWN = frozenset(_LIST.split())
SHAPE = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,2}-[1-9][0-9]?")


def shaped(text: str) -> bool:
    return SHAPE.fullmatch(text) is not None


def unknown(region: str, newer: Collection[str]) -> str:
    """Why `region` cannot be asked, or ""; the nearest known one is offered. `newer` are regions not listed yet."""
    if region in KNOWN or region in newer:
        return ""
    near = difflib.get_close_matches(region[:40], sorted(KNOWN | set(newer)), n=1)
    if near:
        return f'unknown region "{region}"; did you mean "{near[0]}"?'
    if shaped(region):
        return f'unknown region "{region}"; if AWS opened it lately, add it to defaults.newer_regions'
    return f'expected a region such as "eu-central-1", got {region!r}'
