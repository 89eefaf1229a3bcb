"""From samples to standings: a table of stories, and a machine that tries to tell people something that is not so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opsbot.evaluate.standing import HOLD, PROBER, Rules, advance, excused
from opsbot.model.probe import ProbeState, Reason
from opsbot.model.uptime import Flip, Sample, Standing

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
UP, DEGRADED, DOWN, UNSURE = ProbeState.UP, ProbeState.DEGRADED, ProbeState.DOWN, ProbeState.UNSURE
WORDS = {"u": UP, "g": DEGRADED, "d": DOWN, "?": UNSURE, "n": UNSURE}
REASONS = {"u": "", "g": "assert.latency", "d": "tcp.refused", "?": "self.target", "n": "self.network"}


def sample(word: str, n: int, probe: str = "api") -> Sample:
    at = START + timedelta(seconds=30 * n)
    return Sample(probe=probe, at=at, state=WORDS[word], reason=REASONS[word], seconds=0.1)


def played(words: str, rules: Rules = Rules(), parent: Standing | None = None) -> tuple[Standing, list[Flip]]:  # noqa: B008
    standing, flips = None, []
    for n, word in enumerate(words):
        standing, flip = advance(standing, sample(word, n), rules, parent, why=word)
        flips += [flip] if flip else []
    assert standing is not None
    return standing, flips


def shown(flips: list[Flip]) -> str:
    marks = {state: word for word, state in WORDS.items() if word != "n"}
    return " ".join(f"{marks[flip.before]}{marks[flip.after]}{'' if not flip.told else '*'}" for flip in flips)


@pytest.mark.parametrize(
    ("words", "state", "flips"),
    [
        pytest.param("u", UP, "", id="up at once and nobody hears of it"),
        pytest.param("d", UNSURE, "", id="one failure of a new probe is none"),
        pytest.param("dd", DOWN, "?d", id="a new probe that is down is told"),
        pytest.param("ud", UP, "", id="one failure"),
        pytest.param("udud", UP, "", id="failures not in a row"),
        pytest.param("udd", DOWN, "ud", id="two in a row"),
        pytest.param("uddddd", DOWN, "ud", id="told once"),
        pytest.param("uddu", DOWN, "ud", id="one success is no recovery"),
        pytest.param("udduu", UP, "ud du", id="recovered"),
        pytest.param("udduduu", UP, "ud du", id="a recovery begins anew after a failure"),
        pytest.param("ugg", DEGRADED, "ug", id="degraded is a state of its own"),
        pytest.param("ugd", DEGRADED, "ug", id="of two that are worse the milder is sure"),
        pytest.param("uggdd", DOWN, "ug gd", id="from degraded to down"),
        pytest.param("uddgg", DEGRADED, "ud dg", id="half a recovery"),
        pytest.param("uddgu", DEGRADED, "ud dg", id="better twice, by as much as both say"),
        pytest.param("ud?d", DOWN, "ud", id="unsure does not break a row"),
        pytest.param("u?d?", UP, "", id="unsure does not add to one either"),
        pytest.param("u??", UNSURE, "u?", id="a probe that cannot be asked is told"),
        pytest.param("u??u", UP, "u? ?u", id="and sure again at once"),
        pytest.param("unn", UNSURE, "u?*", id="the prober's network is not told for each probe"),
        pytest.param("unnu", UP, "u?*", id="nor that it is back"),
        pytest.param("unnud", UP, "u?*", id="and one failure after it is still none"),
        pytest.param("unndd", DOWN, "u?* ud", id="what was broken behind it is told against what was known"),
        pytest.param("uddnnd", DOWN, "ud d?*", id="an outage outlasts the prober's own trouble and is told once"),
        pytest.param("uddnnuu", UP, "ud d?* du", id="and so does its end"),
        pytest.param("nn", UNSURE, "", id="never seen anything but our own trouble"),
    ],
)
def test_two_failures_and_two_recoveries(words: str, state: ProbeState, flips: str) -> None:
    standing, told = played(words)
    assert (standing.state, shown(told)) == (state, flips)
    assert standing.seen == sample("u", len(words) - 1).at


@pytest.mark.parametrize(
    ("rules", "words", "flips"),
    [
        pytest.param(Rules(failures=1, recoveries=1), "udu", "ud du", id="at once"),
        pytest.param(Rules(failures=3, recoveries=1), "uddudddu", "ud du", id="three and one"),
        pytest.param(Rules(failures=1, recoveries=3), "uduuduuu", "ud du", id="one and three"),
    ],
)
def test_thresholds(rules: Rules, words: str, flips: str) -> None:
    assert shown(played(words, rules)[1]) == flips


def test_an_outage_begins_with_its_first_failure_and_says_what_the_last_one_said() -> None:
    standing, (flip,) = played("uudd")
    assert (standing.since, flip.at) == (sample("d", 2).at, sample("d", 3).at)
    assert (flip.reason, flip.why) == ("tcp.refused", "d")


def test_changes_are_those_of_the_last_hour() -> None:
    standing, _ = played("uddu" + "u" * 10 + "dd")
    assert standing.flips == 3
    for n in range(16, 16 + 120):
        standing, _ = advance(standing, sample("d", n), Rules())
    standing, _ = played_on(standing, "uu", 16 + 120)
    assert standing.flips == 1


def played_on(standing: Standing, words: str, n: int, parent: Standing | None = None) -> tuple[Standing, list[Flip]]:
    flips = []
    for place, word in enumerate(words):
        standing, flip = advance(standing, sample(word, n + place), Rules(), parent)
        flips += [flip] if flip else []
    return standing, flips


def parent(words: str, seen: int = 0) -> Standing:
    standing, _ = None, None
    for n, word in enumerate(words):
        standing, _ = advance(standing, sample(word, seen - len(words) + n, "vpn"), Rules())
    assert standing is not None
    return standing


WELL = Standing(probe="vpn", state=UP, told=UP, since=START - timedelta(hours=1), seen=START + timedelta(hours=1))


class TestWithAParent:
    def test_what_the_parent_brought_about_is_not_told(self) -> None:
        down = parent("udd")
        standing, flips = played("udd", parent=down)
        assert (standing.state, standing.blamed, shown(flips)) == (DOWN, "vpn", "ud*")
        assert excused(sample("d", 3), down)
        assert not excused(sample("u", 3), down)
        standing, flips = played_on(standing, "uu", 3, WELL)
        assert (standing.state, standing.blamed, flips) == (UP, "", [])

    def test_what_stays_down_when_the_parent_is_back_is_told_then(self) -> None:
        standing, _ = played("udd", parent=parent("udd"))
        back, _ = advance(parent("udd"), sample("u", 3, "vpn"), Rules(recoveries=1))
        standing, flips = played_on(standing, "d", 4, back)
        assert (standing.state, standing.blamed, flips) == (DOWN, "", [])
        standing, flips = played_on(standing, "d", 5, back)
        assert (standing.state, standing.blamed, shown(flips)) == (DOWN, "", "ud")

    def test_a_parent_that_begins_to_fail_is_waited_for(self) -> None:
        doubted = parent("ud")
        standing, flips = played("udd", parent=doubted)
        assert (standing.state, flips) == (DOWN, [])
        assert not excused(sample("d", 3), doubted)
        _, flips = played_on(standing, "d", 3, parent("udd"))
        assert flips == []
        _, flips = played_on(standing, "d", 3, WELL)
        assert shown(flips) == "ud"

    def test_a_parent_not_asked_since_is_waited_for_but_not_for_ever(self) -> None:
        stale = parent("u", seen=0)
        standing, flips = played("udd", parent=stale)
        assert flips == []
        late = int(HOLD.total_seconds() / 30) + 1
        _, flips = played_on(standing, "d", late, stale)
        assert shown(flips) == "ud"

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_a_clock_that_is_set_holds_nobody_up(self, hours: int) -> None:
        """It was set between the first failure and the second, and the parent is well on the new clock."""
        standing, _ = played("ud", parent=WELL)
        moved = timedelta(hours=hours)
        well = replace(WELL, seen=sample("u", 3).at + moved)
        flips = []
        for n in (2, 3):
            standing, flip = advance(standing, replace(sample("d", n), at=sample("d", n).at + moved), Rules(), well)
            flips += [flip] if flip else []
        assert (standing.state, shown(flips)) == (DOWN, "ud")

    def test_an_outage_that_was_told_before_the_parents_ends_as_told(self) -> None:
        standing, flips = played("udd", parent=WELL)
        assert shown(flips) == "ud"
        standing, flips = played_on(standing, "dd", 3, parent("udd"))
        assert (standing.blamed, flips) == ("vpn", [])
        _, flips = played_on(standing, "uu", 5, parent("udd"))
        assert shown(flips) == "du"


def test_the_prober_itself_is_told_once() -> None:
    rules = Rules(failures=1, recoveries=1)
    standing, flip = advance(None, sample("u", 0, PROBER), rules)
    assert flip is None
    standing, flip = advance(standing, sample("n", 1, PROBER), rules, why="no network")
    assert flip == Flip(
        probe=PROBER, at=sample("n", 1).at, before=UP, after=UNSURE, reason=Reason.SELF_NETWORK, why="no network"
    )
    standing, flip = advance(standing, sample("n", 2, PROBER), rules)
    assert flip is None
    _, flip = advance(standing, sample("u", 3, PROBER), rules)
    assert flip is not None
    assert (flip.before, flip.after) == (UNSURE, UP)


class Telling(RuleBasedStateMachine):
    """People who believe what they are told never believe what so many samples in a row gainsay."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.standing: Standing | None = None
        self.parents: Standing | None = None
        self.believed: ProbeState | None = None
        self.rules = Rules(failures=2, recoveries=3)

    @rule(word=st.sampled_from("uuugd?n"), below=st.sampled_from(["", "u", "udd", "ud"]))
    def ask(self, word: str, below: str) -> None:
        now = len(self.words)
        self.parents = parent(below, now + 1) if below else None
        self.standing, flip = advance(self.standing, sample(word, now), self.rules, self.parents)
        self.words += word
        if flip is not None and not flip.told:
            assert flip.before is (self.believed or UNSURE)
            assert flip.after is self.standing.state
            assert not self.standing.blamed
            self.believed = flip.after
        elif self.believed is None and self.standing.told is not None:
            # Up from the beginning is no news.
            assert self.standing.told is UP
            self.believed = UP

    @invariant()
    def nobody_is_told_what_the_samples_do_not_say(self) -> None:
        sure = [word for word in self.words if word in "ugd"]
        if self.standing is None or not sure:
            return
        assert self.standing.told in (None, self.believed)
        if self.standing.state is DOWN:
            assert "d" in sure
        # By way of degraded it takes both thresholds.
        for count, word, states in (
            (3, "u", (UP, DEGRADED)),
            (6, "u", (UP,)),
            (2, "d", (DEGRADED, DOWN)),
            (4, "d", (DOWN,)),
        ):
            if self.words[-count:] == word * count:
                assert self.standing.state in states
        if self.standing.state is UP:
            assert not self.standing.blamed

    @invariant()
    def what_is_left_untold_is_anothers_fault_or_in_doubt(self) -> None:
        standing = self.standing
        if standing is None or standing.state is standing.told or standing.state is UP:
            return
        if standing.told is None and standing.state is UNSURE:
            return
        known = self.parents
        in_doubt = standing.streak > 0 or (
            known is not None and (known.streak > 0 or known.seen < standing.since or known.since > standing.since)
        )
        assert standing.blamed or in_doubt or standing.state is UNSURE


TestTelling = Telling.TestCase
TestTelling.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
