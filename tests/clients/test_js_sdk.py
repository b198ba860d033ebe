"""matrix-js-sdk, which Element is built on, talks to a running server."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.javascript import run_script
from tests.processes import ServerProcess

SETTINGS: dict[str, Any] = {
    "enable_registration": True,
    "enable_registration_without_verification": True,
}


@pytest.fixture
def url() -> Iterator[str]:
    with ServerProcess(SETTINGS) as server:
        yield server.url


def test_talk(url: str) -> None:
    assert len(run_script("talk.mjs", url)) >= 20


def test_people(url: str) -> None:
    assert len(run_script("people.mjs", url)) >= 15


def test_encryption(url: str) -> None:
    """Its Rust crypto: identities, verification, secret storage, key backup."""
    assert len(run_script("encryption.mjs", url)) >= 9
