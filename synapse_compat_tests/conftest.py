"""The servers that are compared, started once for all scenarios."""

from collections.abc import Iterator, Mapping

import pytest

from synapse_compat_tests.synapse import SynapseProcess
from tests.processes import ServerProcess


@pytest.fixture(scope="session")
def servers() -> Iterator[Mapping[str, str]]:
    with SynapseProcess() as synapse, ServerProcess() as folkmoot:
        yield {"synapse": synapse.url, "folkmoot": folkmoot.url}
