"""The same databases as the suites of a Store's promises."""

from tests.contracts.conftest import store
from tests.postgres import postgres_url

__all__ = ["postgres_url", "store"]
