"""matrix-js-sdk, which Element is built on, talks to a running server."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.clients.encrypted_room import SETTINGS
from tests.clients.javascript import run_script
from tests.processes import ServerProcess


@pytest.fixture
def url(database: Mapping[str, Any]) -> Iterator[str]:
    with ServerProcess({**SETTINGS, **database}) as server:
        yield server.url


def test_talk(url: str) -> None:
    assert len(run_script("talk.mjs", url)) >= 20


def test_people(url: str) -> None:
    assert len(run_script("people.mjs", url)) >= 15


def test_encryption(url: str) -> None:
    """Its Rust crypto: identities, verification, secret storage, key backup."""
    assert len(run_script("encryption.mjs", url)) >= 9


def test_dehydration(url: str) -> None:
    """Its Rust crypto: keys that arrive while nobody is logged in."""
    assert len(run_script("dehydration.mjs", url)) >= 5
