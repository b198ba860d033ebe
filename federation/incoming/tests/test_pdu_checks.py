"""What is done with PDUs before each is looked at."""

import msgspec
import pytest

from federation.incoming import pdu_checks
from federation.incoming.pdu_checks import each_once

TOLD = msgspec.json.decode(b'[{"a":1},{"b":1},{"a":1},{"a": 1},{"b":1}]', type=list[msgspec.Raw])


def test_what_is_told_twice_is_there_once() -> None:
    assert list(map(bytes, each_once(TOLD))) == [b'{"a":1}', b'{"b":1}', b'{"a": 1}']


def test_nothing_is_lost_to_equal_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdu_checks, "hash", lambda _: 0, raising=False)
    assert set(map(bytes, each_once(TOLD))) == set(map(bytes, TOLD))
