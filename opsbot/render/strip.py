"""One bar a day: as a picture for pages and mails, as characters for everything else. Worse is taller as well as redder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from PIL import Image, ImageDraw

from opsbot.model.status import Status, Verdict, worst

STEP, BAR, HEIGHT = 4, 3, 20
_SCALE = 2
Bars = Sequence[Status | None]
# Of middle brightness: each keeps 3:1 on light and on dark paper, and 15 apart from the others under any colour vision.
COLOURS: dict[Verdict | None, tuple[int, int, int]] = {
    Verdict.OK: (72, 150, 128),
    Verdict.ATTENTION: (186, 128, 22),
    Verdict.ACTION: (214, 62, 70),
    Verdict.NO_DATA: (126, 132, 146),
    None: (150, 156, 166),
}
# Not asked is a dot on the ground, no data a low bar, and trouble taller than being well.
_HEIGHTS: dict[Verdict | None, int] = {
    None: 2,
    Verdict.NO_DATA: 6,
    Verdict.OK: 11,
    Verdict.ATTENTION: 15,
    Verdict.ACTION: 20,
}
_LETTERS: dict[Verdict | None, str] = {
    None: "·",
    Verdict.NO_DATA: "?",
    Verdict.OK: "▃",
    Verdict.ATTENTION: "▅",
    Verdict.ACTION: "█",
}
EXCUSED = "▂"


def _verdict(status: Status | None) -> Verdict | None:
    return status.verdict if status else None


def _drawn(status: Status | None) -> tuple[tuple[int, int, int], int]:
    """Colour and height: a day in which something was excused is lower than a good one, and grey."""
    verdict = _verdict(status)
    return (COLOURS[None], 8) if status is Status.INFO else (COLOURS[verdict], _HEIGHTS[verdict])


def size(bars: Bars) -> tuple[int, int]:
    """Width and height in CSS pixels."""
    return max(1, len(bars) * STEP - (STEP - BAR)), HEIGHT


@lru_cache(maxsize=512)
def picture(bars: tuple[Status | None, ...]) -> bytes:
    """A transparent PNG at twice its size; a few hundred bytes."""
    wide, high = size(bars)
    image = Image.new("RGBA", (wide * _SCALE, high * _SCALE), (128, 144, 166, 0))
    brush = ImageDraw.Draw(image)
    for place, status in enumerate(bars):
        colour, tall = _drawn(status)
        left, top = place * STEP * _SCALE, (HEIGHT - tall) * _SCALE
        brush.rectangle((left, top, left + BAR * _SCALE - 1, high * _SCALE - 1), fill=(*colour, 255))
    out = io.BytesIO()
    image.quantize(8, method=Image.Quantize.FASTOCTREE).save(out, "PNG", optimize=True)
    return out.getvalue()


def letters(bars: Bars, most: int) -> tuple[tuple[Verdict | None, str], ...]:
    """Runs of characters with the verdict that colours them; of several days in one character the worst is shown."""
    days = max(1, -(-len(bars) // most))
    # Counted from today, so that the last character is whole.
    cut = [bars[max(0, end - days) : end] for end in range(len(bars), 0, -days)][::-1]
    drawn = [(_verdict(one), _letter(one)) for one in map(_together, cut)]
    return tuple((verdict, letter * len(list(run))) for (verdict, letter), run in groupby(drawn))


def _letter(status: Status | None) -> str:
    return EXCUSED if status is Status.INFO else _LETTERS[_verdict(status)]


def _together(part: Bars) -> Status | None:
    known = [status for status in part if status is not None]
    # A blind day beside an outage must not hide it.
    loud = [status for status in known if status is not Status.UNKNOWN]
    return worst(loud) if loud else known[0] if known else None
