"""What tests that start whole servers share."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.postgres import database as postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Any]]:
    """The setting that gives a server a new database, on each engine in turn."""
    if request.param == "sqlite":
        # The one that every server has in its directory, unless told otherwise.
        yield {}
        return
    with postgres_database() as arguments:
        yield {"database": {"name": "psycopg2", "args": {**arguments}}}
