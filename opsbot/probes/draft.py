"""Frozen values made quickly.

A frozen dataclass sets each field through `object.__setattr__`: 0.4 µs a field, 15 µs for a probe's result, a quarter
of what a whole HTTP probe costs. A draft is a plain class of the same slots; when it is complete it becomes the frozen
class, which Python allows between classes of one layout.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def draft(frozen: type) -> Any:
    """A class whose instances may be filled and then, by `value.__class__ = frozen`, be made an instance of `frozen`.

    Every field must have been set: there are no defaults here.
    """
    return type(f"{frozen.__name__}Draft", (), {"__slots__": tuple(field.name for field in fields(frozen))})
