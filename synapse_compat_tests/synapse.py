"""The real Synapse that Folkmoot is compared with."""

from collections.abc import Mapping
from typing import Any

from scripts.loopback import signing_key
from scripts.synapse_environment import synapse_python
from tests.processes import HomeserverProcess


class SynapseProcess(HomeserverProcess):
    """Synapse on SQLite, with the very settings that Folkmoot gets."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(settings)
        # Folkmoot makes its key itself.
        (self.directory / "signing.key").write_text(signing_key())

    def command(self) -> list[str]:
        return [str(synapse_python()), "-m", "synapse.app.homeserver", "-c", str(self.config)]
