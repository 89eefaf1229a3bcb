"""One card a trouble, brought up to date where it stands, with its changes as a thread; whatever the network and people do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.model.message import Action, Delivery, Message
from opsbot.model.status import Priority
from opsbot.replica.slack import Fault
from tests.fault_proxy import Toxics, fault_proxy
from tests.outbox import world
from tests.outbox.office import Office
from tests.outbox.world import START, message

GONE = Fault(error="channel_not_found")
TAKEN_THEN_RESET = Fault(reset=True, accepted=True)
RESET = Fault(reset=True)
ERROR = Fault(status=500)
LIMITED = Fault(error="ratelimited", status=429, retry_after=7)


def queue(office: Office, *messages: Message) -> None:
    """As the end of a run of its own."""
    world.queue(office.store, *messages, run_id=f"run-{messages[0].id}")


def card(n: int, text: str = "", **changes: object) -> Message:
    """The n-th message of one trouble; from the second on it edits the one before."""
    edits = f"c{n - 1}" if n > 1 else None
    body = world.body(world.Format.SLACK, f"c{n}", text or f"revision {n}")
    told = message(f"c{n}", "slack", key="trouble", edits=edits, created_at=START + timedelta(minutes=n))
    return replace(told, body=body, **changes)  # type: ignore[arg-type]


def change(n: int) -> Message:
    """What changed with the n-th, as a reply."""
    told = message(
        f"c{n}.change", "slack", key="trouble/changes", reply_to=f"c{n}", created_at=START + timedelta(minutes=n)
    )
    return replace(told, body=world.body(world.Format.SLACK, f"c{n}.change", f"change {n}"))


def shown(office: Office) -> list[tuple[str, bool]]:
    """What the channel's members see: text, and whether it stands in a thread."""
    return [(post.text, bool(post.thread_ts)) for post in office.slack.slack.posts]


def tell(office: Office, *ns: int) -> None:
    for n in ns:
        queue(office, card(n), *([change(n)] if n > 1 else []))
        office.drain()


def test_a_trouble_is_one_card_with_its_changes_under_it(office: Office) -> None:
    tell(office, 1, 2, 3)
    assert shown(office) == [("revision 3", False), ("change 2", True), ("change 3", True)]
    assert {office.get(f"c{n}").provider_id for n in (1, 2, 3)} == {f"C0123456/{office.slack.slack.posts[0].ts}"}
    assert all(post.thread_ts == office.slack.slack.posts[0].ts for post in office.slack.slack.posts[1:])


def test_nothing_is_broadcast_to_the_channel(office: Office) -> None:
    tell(office, 1, 2)
    assert "reply_broadcast" not in str(office.slack.messages)


@pytest.mark.parametrize("how", ["deleted", "message_not_found", "edit_window_closed", "cant_update_message"])
def test_a_card_that_cannot_be_edited_is_posted_anew_and_the_thread_goes_on_there(office: Office, how: str) -> None:
    tell(office, 1)
    if how == "deleted":
        office.slack.slack.delete(office.slack.slack.posts[0].ts)
    else:
        office.slack.slack.script(Fault(error=how))
    tell(office, 2, 3)
    posts = office.slack.slack.posts
    new = next(post for post in posts if post.text == "revision 3")
    assert [text for text, threaded in shown(office) if not threaded][-1] == "revision 3"
    assert [post.text for post in posts if post.thread_ts == new.ts] == ["change 2", "change 3"]


def test_what_was_never_seen_is_sent_once_as_it_is_by_now(office: Office) -> None:
    queue(office, card(1))
    queue(office, card(2), change(2))
    queue(office, card(3), change(3))
    office.drain()
    assert shown(office) == [("revision 3", False)]
    assert office.get("c1").state is office.get("c2").state is Delivery.SUPERSEDED
    assert office.store.message("c3.change") is None
    tell(office, 4)
    assert shown(office) == [("revision 4", False), ("change 4", True)]


@pytest.mark.parametrize("fault", [TAKEN_THEN_RESET, RESET, ERROR, LIMITED], ids=["taken", "reset", "500", "429"])
@pytest.mark.parametrize("at", [0, 1, 2], ids=["post", "edit", "reply"])
def test_whatever_a_network_does_there_is_one_card_and_each_change_once(office: Office, fault: Fault, at: int) -> None:
    office.slack.slack.script(*[Fault()] * at, fault)
    tell(office, 1, 2, 3)
    assert shown(office) == [("revision 3", False), ("change 2", True), ("change 3", True)]


@pytest.mark.parametrize(
    "toxics",
    [
        pytest.param(Toxics(reset_answer_after=20), id="half a status line"),
        pytest.param(Toxics(reset_answer_after=150), id="half a JSON"),
        pytest.param(Toxics(black_hole=True), id="silence"),
        pytest.param(Toxics(down=True), id="down"),
        pytest.param(Toxics(latency=0.01, slice_bytes=40), id="slow and in pieces"),
    ],
)
def test_an_edit_over_a_bad_line_is_made_in_the_end(office: Office, toxics: Toxics) -> None:
    tell(office, 1)
    with fault_proxy(office.slack.port) as proxy:
        # The story's clock does not wait for what is still under way: only silence may end an attempt early.
        patience = 0.5 if toxics.black_hole else 30.0
        office.channels["slack"] = world.slack(proxy.url, max_per_minute=0, timeout=patience)
        proxy.toxics = toxics
        queue(office, card(2), change(2))
        office.drain(wait=None)
        proxy.toxics = Toxics()
        office.channels["slack"] = world.slack(office.slack.url, max_per_minute=0, timeout=30.0)
        office.clock.moment += timedelta(minutes=5)
        office.drain()
    assert shown(office) == [("revision 2", False), ("change 2", True)]


def test_a_post_that_may_have_arrived_is_the_card_of_the_revision_that_superseded_it(office: Office) -> None:
    queue(office, card(1))
    office.slack.slack.script(TAKEN_THEN_RESET)
    office.drain(wait=None)
    assert office.get("c1").state is Delivery.QUEUED
    queue(office, card(2), change(2))
    office.slack.slack.script(Fault(), TAKEN_THEN_RESET)
    office.drain()
    assert office.get("c1").state is Delivery.SUPERSEDED
    assert shown(office) == [("revision 2", False), ("change 2", True)]


def test_two_doubtful_revisions_in_a_row_are_still_one_card(office: Office) -> None:
    for n in (1, 2, 3):
        queue(office, card(n), *([change(n)] if n > 1 else []))
        office.slack.slack.script(TAKEN_THEN_RESET)
        office.drain(wait=timedelta(seconds=1))
        office.clock.moment += timedelta(minutes=2)
    office.drain()
    assert [text for text, threaded in shown(office) if not threaded] == ["revision 3"]


def test_without_the_right_to_read_back_a_card_is_edited_all_the_same(office: Office) -> None:
    office.slack.slack.scopes.discard("channels:history")
    tell(office, 1)
    office.slack.slack.script(TAKEN_THEN_RESET)
    tell(office, 2)
    assert shown(office) == [("revision 2", False), ("change 2", True)]


def test_a_card_whose_blocks_are_refused_is_brought_up_to_date_in_plain_text(office: Office) -> None:
    tell(office, 1)
    office.slack.slack.script(Fault(error="invalid_blocks"))
    tell(office, 2)
    (post, reply) = office.slack.slack.posts
    assert (post.text, post.blocks, reply.text) == ("revision 2", (), "change 2")


def test_an_edit_that_is_late_is_no_backlog(office: Office) -> None:
    tell(office, 1)
    queue(office, card(2), change(2), message("other", "slack", created_at=START))
    office.slack.slack.script(ERROR, ERROR, ERROR)
    office.drain(wait=timedelta(seconds=1))
    office.clock.moment += timedelta(hours=6)
    office.drain()
    cards = [text for text, threaded in shown(office) if not threaded]
    assert cards[0] == "revision 2"
    assert cards[1].startswith("Delayed 6 h: 1 message")


def test_a_message_that_edits_itself_ends(office: Office) -> None:
    queue(office, card(1), replace(card(1), id="x", key="x", edits="x"))
    assert office.drain() == {"c1": "sent", "x": "sent"}


def test_what_is_kept_of_a_card_is_its_latest_message(office: Office) -> None:
    tell(office, 1, 2, 3)
    assert [(one.id, one.edits) for one in office.store.messages(key="trouble")] == [
        ("c1", None),
        ("c2", "c1"),
        ("c3", "c2"),
    ]


def test_who_is_to_be_called_is_named_once_a_call_and_not_by_an_edit(office: Office) -> None:
    office.channels["slack"] = world.slack(office.slack.url, max_per_minute=0, mention=["U0123ANA", "S0123OPS"])
    urgent = {"action": Action.TRIGGER, "priority": Priority.P1}
    for n, said in ((1, urgent), (2, urgent), (3, {"action": Action.RESOLVE, "priority": Priority.P1})):
        queue(office, card(n, **said), *([replace(change(n), **said)] if n > 1 else []))
        office.drain()
    named = ["<@U0123ANA> <!subteam^S0123OPS>" in str(post.blocks) for post in office.slack.slack.posts]
    assert [post.text for post in office.slack.slack.posts] == ["revision 3", "change 2", "change 3"]
    assert named == [False, True, False]
    assert "U0123ANA" not in str(office.slack.slack.edits)


def test_nobody_is_called_for_what_can_wait(office: Office) -> None:
    office.channels["slack"] = world.slack(office.slack.url, max_per_minute=0, mention=["U0123ANA"])
    queue(office, card(1, action=Action.TRIGGER, priority=Priority.P2))
    queue(office, card(1, id="c9", key="urgent", action=Action.TRIGGER, priority=Priority.P0))
    office.drain()
    assert ["U0123ANA" in str(post.blocks) for post in office.slack.slack.posts] == [False, True]
