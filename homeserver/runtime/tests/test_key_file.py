"""The file of the signing key."""

from pathlib import Path
from random import Random

import pytest

from homeserver.runtime.key_file import KeyFileError, ensure_key_file, read_key_file
from homeserver.runtime.randomness import Randomness


def test_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert ensure_key_file(path, Randomness(Random(1))) is True
    assert path.stat().st_mode & 0o777 == 0o600
    key = read_key_file(path)
    assert key.key_id.startswith("ed25519:a_")
    assert ensure_key_file(path, Randomness(Random(2))) is False
    assert read_key_file(path) == key


def test_key_of_synapse_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("ed25519 a_XyZ1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n")
    assert read_key_file(path).key_id == "ed25519:a_XyZ1"


@pytest.mark.parametrize(
    "content", [b"", b"ed25519 1", b"\xff", b"ed25519 a_1 c2hvcnQ", b"S3cret S3cret S3cret="]
)
def test_what_is_no_key_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(KeyFileError, match="cannot be used") as caught:
        ensure_key_file(path, Randomness())
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="There is no signing key"):
        read_key_file(tmp_path / "key")
    with pytest.raises(KeyFileError, match="cannot be read: Is a directory"):
        read_key_file(tmp_path)
    with pytest.raises(KeyFileError, match="cannot be written: No such file"):
        ensure_key_file(tmp_path / "none" / "key", Randomness())
