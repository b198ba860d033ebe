"""What the differential tests share."""

from collections.abc import Iterator

import pytest

from synapse_compat_tests.differential.synapse_process import SynapseFunctions, SynapseSide


@pytest.fixture(scope="session")
def synapse() -> Iterator[SynapseFunctions]:
    """One process for all tests, as Synapse takes seconds to be imported."""
    with SynapseSide() as side:
        yield SynapseFunctions(side)
