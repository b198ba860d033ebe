"""The servers that are compared, started once for all scenarios."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from synapse_compat_tests.synapse import SynapseProcess
from tests.processes import ServerProcess

_SLOW = {"per_second": 0.01, "burst_count": 2}
LIMITED: Mapping[str, Any] = {
    "rc_message": _SLOW,
    "rc_login": {"account": _SLOW, "failed_attempts": _SLOW},
    "rc_joins": {"local": _SLOW},
    "rc_room_creation": _SLOW,
}
"""Settings under which everything is allowed twice at once."""
LIMITED_NEWCOMERS: Mapping[str, Any] = {
    "rc_invites": {"per_issuer": _SLOW},
    "rc_registration": _SLOW,
    "enable_registration": True,
    "enable_registration_without_verification": True,
}
"""The same of those who come, and of nothing else."""


@contextmanager
def both(settings: Mapping[str, Any] | None = None) -> Iterator[Mapping[str, str]]:
    """Both servers with the same settings, by name the URL of each."""
    with SynapseProcess(settings) as synapse, ServerProcess(settings) as folkmoot:
        yield {"synapse": synapse.url, "folkmoot": folkmoot.url}


@pytest.fixture(scope="session")
def servers() -> Iterator[Mapping[str, str]]:
    with both() as urls:
        yield urls


@pytest.fixture(scope="module")
def open_servers() -> Iterator[Mapping[str, str]]:
    """Servers that guests may enter."""
    with both({"allow_guest_access": True}) as urls:
        yield urls


@pytest.fixture(scope="module")
def limited_servers() -> Iterator[Mapping[str, str]]:
    """Servers with low limits on rates."""
    with both(LIMITED) as urls:
        yield urls


@pytest.fixture(scope="module")
def servers_for_few() -> Iterator[Mapping[str, str]]:
    """Servers into which not many may come."""
    with both(LIMITED_NEWCOMERS) as urls:
        yield urls
