"""What people read, before it is rendered: a Report of Sections of Blocks; nothing here is formatted for one medium."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.model.finding import Coverage, Finding, Series
from opsbot.model.period import Period
from opsbot.model.run import Usage
from opsbot.model.status import Status
from opsbot.model.units import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Label and value pairs, in order."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    align: str = "left"
    phone: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`status` None is plain text; otherwise glyph and colour go with the text. `trend`: a word-sized line beside it,
    oldest first, None where nothing is known."""

    text: str
    status: Status | None = None
    trend: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    cells: tuple[Cell, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What was expected of each point of a series, from `low` to `high` in its unit; None where nothing was."""

    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A forecast, drawn on from the last point: `times` in epoch seconds; 80 % of the ways run between `low` and `high`."""

    times: range
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that happened, drawn where it happened: a release, a clean-up, the day by which somebody must act."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartSpec:
    """One series against its limit. `title` is the finding as a sentence, written as text and not in the image.

    The limit is drawn where it was crossed (`since`); `upward` says on which side of it trouble lies. `bars`: counts and
    what is added up day by day are bars, the ones from `series.judged` on (estimated, not judged) hollow. `band` is what
    was expected, `ahead` what is, `marks` what happened. `limit_text` names the limit where its value says nothing.
    """

    title: str
    detail: str
    alt: str
    series: Series
    unit: Unit
    label: str
    limit: float | None = None
    limit_text: str = ""
    upward: bool = True
    since: datetime | None = None
    bars: bool = False
    band: Band | None = None
    ahead: Ahead | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Small multiples: charts of one shape side by side, worst first, each with a short title. `others` were left out."""

    specs: tuple[ChartSpec, ...]
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingList:
    """Findings to be told in full, worst first. `others` counts what was left out for room."""

    findings: tuple[Finding, ...]
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A figure with company: its target, how it changed (the words judge: "12 % better"), and its trend, oldest first."""

    name: str
    value: str
    target: str
    status: Status
    note: str = ""
    change: str = ""
    trend: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One bar a day, oldest first, None where nothing was asked. `figure` stands at its end; `words` say the same to those
    who do not see it."""

    name: str
    bars: tuple[Status | None, ...]
    figure: str
    words: str
    status: Status = Status.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Strips:
    """Strips of one length, worst first, between two labels. `others` counts those left out, all of them well."""

    rows: tuple[Strip, ...]
    first: str
    last: str
    others: int = 0


Block = Prose | Facts | Table | ChartSpec | Charts | FindingList | Scorecard | Strips


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part with a fixed place. `aside` is the quiet note at the right of its heading. A section with nothing to say says so."""

    id: str
    title: str
    status: Status
    blocks: tuple[Block, ...]
    aside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A trouble that changed: where a channel can edit, it stands there as one message from its beginning to its end.

    `finding` is how it stands, and its key the card's; `change` what became of it, such as "growing". It began at `begun`:
    an older card of the same key is of an earlier trouble. With `over` its card is closed. Then, and without `opens`,
    only a card that stands already is edited. `close` is the command that ends it, if there is one.
    """

    finding: Finding
    change: str
    begun: datetime
    over: bool = False
    opens: bool = True
    close: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`headline` is the verdict as one sentence, 80 characters at most; `lede` the two sentences after it.

    `idle`: nothing is configured that this job could look at, which is no trouble and is told to nobody. `quiet`: nothing
    changed since the last run, so that no new message appears where `cards` stand; letters and the archive have it all the
    same. `cards` are what changed.
    """

    title: str
    period: Period
    sections: tuple[Section, ...]
    headline: str = ""
    lede: str = ""
    status: Status = Status.OK
    idle: bool = False
    quiet: bool = False
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Where a report comes from, so that it can be trusted and reproduced: printed at its foot in every format.

    `late` is by how much it was begun after its moment, if that is worth a word. `recorded` is set where nothing was asked
    of any environment: what was read instead, and how much of it.
    """

    run_id: str
    job: str
    at: datetime
    zone: str
    command: str
    version: str
    environments: int
    coverage: Coverage
    usage: Usage
    seconds: float
    url: str = ""
    late: timedelta = timedelta(0)
    recorded: tuple[str, str] | None = None
