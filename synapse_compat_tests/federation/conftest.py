"""Servers that federate, started once for all tests."""

from collections.abc import Iterator

import pytest

from synapse_compat_tests.federation.acquaintance import Acquaintance
from synapse_compat_tests.federation.servers import Pair, federating


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with federating(tmp_path_factory.mktemp("federation")) as servers:
        yield servers


@pytest.fixture(params=("ours", "synapse"))
def acquaintance(request: pytest.FixtureRequest, pair: Pair) -> Acquaintance:
    """Alice, whose room it is, is of the server that is named."""
    is_ours = request.param == "ours"
    return Acquaintance(*(pair.folkmoot, pair.synapse) if is_ours else (pair.synapse, pair.folkmoot))
