import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_of_the_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have variables set that a server would take for settings, or warn of."""
    for name in [name for name in os.environ if name.startswith("FOLKMOOT_")]:
        monkeypatch.delenv(name)
