"""PostgreSQL that is not there, refuses, or goes away: one line that says what to do, and it goes on when it is back."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from opsbot.errors import StoreError
from opsbot.store import open_store
from opsbot.store.engine import reading, writing
from tests import postgres
from tests.outbox.world import run

PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    ("user", "host", "name", "what", "hint"),
    [
        pytest.param(
            "postgres", "?", "opsbot_nowhere", "there is no such database", "CREATE DATABASE", id="no database"
        ),
        pytest.param("nobody", "?", "postgres", "the user or the password is refused", "store.password", id="no user"),
        pytest.param("postgres", "/nonexistent", "postgres", "it cannot be reached", "host and port", id="no server"),
    ],
)
def test_a_database_that_cannot_be_opened_says_why(user: str, host: str, name: str, what: str, hint: str) -> None:
    where = postgres.server().folder if host == "?" else host
    with pytest.raises(StoreError) as told:
        open_store(f"postgresql+psycopg://{user}@/{name}?host={where}", PASSWORD)
    assert told.value.message.startswith(f"PostgreSQL {name} at {where}: {what} (")
    assert hint in told.value.hint
    assert "\n" not in told.value.message
    assert PASSWORD not in repr((told.value.message, told.value.hint))


def test_the_password_is_handed_over_and_never_shown() -> None:
    server = postgres.server()
    store = open_store(server.database(), PASSWORD)
    assert (store.engine.url.password, PASSWORD in repr(store.engine)) == (PASSWORD, False)
    store.close()


def test_a_standby_is_said_to_be_one(postgres_url: str) -> None:
    store = open_store(postgres_url)
    with writing(store.engine) as db:
        db.execute(text(f"ALTER DATABASE {store.engine.url.database} SET default_transaction_read_only = on"))
    store.engine.dispose()
    with pytest.raises(StoreError, match="it cannot be written") as told:
        store.begin(run())
    assert "primary" in told.value.hint
    assert store.runs() == ()
    store.close()


def test_a_server_that_was_restarted_costs_nothing(postgres_url: str) -> None:
    store = open_store(postgres_url)
    name = store.engine.url.database
    postgres.server().admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    store.begin(run())
    assert [told.id for told in store.runs()] == ["run-1"]
    store.close()


def test_a_session_that_is_ended_in_a_transaction_leaves_nothing(postgres_url: str) -> None:
    store = open_store(postgres_url)
    name = store.engine.url.database
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND state LIKE 'idle in%'"

    def interrupted() -> None:
        with writing(store.engine) as db:
            db.execute(text("DELETE FROM alembic_version"))
            postgres.server().admin(end)
            db.execute(text("SELECT 1"))

    with pytest.raises(StoreError, match="it is starting or stopping"):
        interrupted()
    with reading(store.engine) as db:
        assert db.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1
    store.close()
