"""Both servers with a service each, which has the same registration."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from synapse_compat_tests.appservices.service import Service
from synapse_compat_tests.synapse import SynapseProcess
from tests.processes import ServerProcess

_SYNAPSE = {
    "experimental_features": {
        "msc2409_to_device_messages_enabled": True,
        "msc3202_transaction_extensions": True,
    }
}


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, tuple[str, Service]]]:
    """By name of the server, its URL and the service."""
    with ExitStack() as stack:
        found = {}
        for name, process, settings in (
            ("synapse", SynapseProcess, _SYNAPSE),
            ("folkmoot", ServerProcess, {}),
        ):
            service = stack.enter_context(Service())
            file = Path(tmp_path_factory.mktemp(name)) / "bridge.yaml"
            # JSON is YAML.
            file.write_text(json.dumps(service.registration))
            server = stack.enter_context(process({**settings, "app_service_config_files": [str(file)]}))
            found[name] = (server.url, service)
        yield found
