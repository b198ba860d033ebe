"""Servers that federate, started once for all tests."""

from collections.abc import Iterator

import pytest

from synapse_compat_tests.federation.servers import Pair, federating


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with federating(tmp_path_factory.mktemp("federation")) as servers:
        yield servers
