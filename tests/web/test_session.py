"""Cookies that die with their token, and a brake on guessing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsbot.web.session import LASTS, Brake, Sessions, same
from tests.web.world import NOW

TOKEN = "correct horse battery"


def test_a_cookie_holds_for_twelve_hours_and_no_longer() -> None:
    sessions = Sessions(TOKEN)
    cookie = sessions.begin(NOW)
    assert timedelta(hours=12) == LASTS
    assert sessions.holds(cookie, NOW)
    assert sessions.holds(cookie, NOW + LASTS - timedelta(seconds=1))
    assert not sessions.holds(cookie, NOW + LASTS)


def test_a_cookie_outlives_the_daemon_and_dies_with_its_token() -> None:
    cookie = Sessions(TOKEN).begin(NOW)
    assert Sessions(TOKEN).holds(cookie, NOW)
    assert not Sessions(TOKEN + "2").holds(cookie, NOW)
    assert not Sessions("").holds(cookie, NOW)


def test_what_was_signed_out_is_never_taken_again() -> None:
    sessions = Sessions(TOKEN)
    mine, other = sessions.begin(NOW), sessions.begin(NOW)
    sessions.end(mine, NOW)
    assert not sessions.holds(mine, NOW)
    assert sessions.holds(other, NOW)


@given(st.text(max_size=200))
@example("1..")
@example("99999999999.00000000000000000000000000000000." + "0" * 64)
def test_no_other_text_is_a_cookie(text: str) -> None:
    assert not Sessions(TOKEN).holds(text, NOW)


@given(st.integers(0, 106), st.sampled_from("0123456789abcdef."))
def test_a_cookie_with_one_character_changed_is_none(place: int, character: str) -> None:
    sessions = Sessions(TOKEN)
    cookie = sessions.begin(NOW)
    forged = cookie[:place] + character + cookie[place + 1 :]
    assert forged == cookie or not sessions.holds(forged, NOW)


@given(st.text(), st.text())
def test_same_means_equal(left: str, right: str) -> None:
    assert same(left, right) is (left == right)
    assert same(left, left)


@pytest.mark.parametrize(
    ("mine", "other", "braked"),
    [
        pytest.param("10.0.0.1", "10.0.0.1", True, id="one address"),
        pytest.param("10.0.0.1", "10.0.0.2", False, id="its neighbour may try"),
        pytest.param("2001:db8::1", "2001:db8::ffff:1", True, id="one IPv6 network is one visitor"),
        pytest.param("2001:db8::1", "2001:db8:0:1::1", False, id="another network is another"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", True, id="IPv4 in IPv6 is the same"),
        pytest.param("", "", True, id="nobody knows who"),
    ],
)
def test_five_wrong_tokens_brake(mine: str, other: str, braked: bool) -> None:
    brake = Brake()
    for second in range(5):
        assert brake.wait(mine, float(second)) == 0
        brake.wrong(mine, float(second))
    assert (brake.wait(other, 5.0) > 0) is braked
    assert brake.wait(other, 61.0) == 0


def test_a_flood_of_addresses_costs_a_bounded_memory() -> None:
    brake = Brake(most=10)
    for n in range(100):
        brake.wrong(f"10.0.0.{n}", 0.0)
    assert len(brake._wrong) == 10
