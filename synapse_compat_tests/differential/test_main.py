"""The command that compares many random rooms."""

from collections.abc import Iterator

import pytest

from homeserver.protocol.room_versions import RoomVersion
from synapse_compat_tests.differential import __main__ as command
from synapse_compat_tests.differential.synapse_process import SynapseFunctions


def test_some_rooms_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--graphs", "2", "--versions", "2", "12"]) == 0
    assert capsys.readouterr().out.startswith("All 2 agree")


@pytest.mark.parametrize("stumbles", [False, True])
def test_what_fails_can_be_tried_again(
    stumbles: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def disagreements(version: RoomVersion, seed: int, synapse: SynapseFunctions) -> Iterator[str]:
        if (version.identifier, seed) == ("3", 8):
            if stumbles:
                raise RuntimeError("a stumble")
            yield "a difference"

    monkeypatch.setattr(command, "disagreements", disagreements)
    monkeypatch.setattr(command, "judged_trials", lambda *arguments: iter(()))
    assert command.main(["--graphs", "10", "--seed", "7", "--versions", "2", "3"]) == 1
    told = capsys.readouterr().out
    assert ("a stumble" if stumbles else "a difference") in told
    assert "--graphs 1 --versions 3 --seed 8" in told
