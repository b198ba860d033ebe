from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from appservices.registration import (
    AppService,
    Registration,
    RegistrationError,
    read_registration,
    read_registrations,
)
from homeserver.protocol.identifiers import ServerName

# From https://spec.matrix.org/v1.19/application-service-api/#registration
EXAMPLE = """
id: "IRC Bridge"
url: "http://127.0.0.1:1234"
as_token: "30c05ae90a248a4188e620216fa72e349803310ec83e2a77b34fe90be6081f46"
hs_token: "312df522183efd404ec1cd22d2ffa4bbc76a8c1ccf541dd692eef281356bb74e"
sender_localpart: "_irc_bot"
namespaces:
  users:
    - exclusive: true
      regex: "@_irc_bridge_.*"
  aliases:
    - exclusive: false
      regex: "#_irc_bridge_.*"
  rooms: []
"""


class TestFiles:
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    def written(self, name: str = "irc.yaml", **changes: Any) -> Path:
        fields = {**yaml.safe_load(EXAMPLE), **changes}
        path = self.tmp_path / name
        path.write_text(yaml.safe_dump({key: value for key, value in fields.items() if value != "absent"}))
        return path

    def refusal(self, **changes: Any) -> str:
        path = self.written(**changes)
        with pytest.raises(RegistrationError) as refused:
            read_registration(path)
        text = str(refused.value)
        assert text.startswith(f"{path}: ")
        return text.removeprefix(f"{path}: ")

    def test_the_example_of_the_specification(self) -> None:
        registration = read_registration(self.written())
        assert registration.sender_localpart == "_irc_bot"
        assert registration.rate_limited
        assert not registration.receive_ephemeral

    def test_fields_that_are_missing_or_wrong(self) -> None:
        assert self.refusal(id="absent") == "Object missing required field `id`"
        assert self.refusal(as_token=5) == "as_token: Expected `str`, got `int`"
        assert self.refusal(hs_token="").startswith("hs_token: ")
        assert self.refusal(sender_localpart="A B").startswith("sender_localpart: ")
        assert self.refusal(url="irc.example").startswith("url: ")
        assert self.refusal(namespaces={"users": [{"regex": "("}]}).startswith("namespaces.users[0].regex: ")
        assert self.refusal(namespaces={"users": [{}]}).startswith("namespaces.users[0]: ")
        token = yaml.safe_load(EXAMPLE)["as_token"]
        assert self.refusal(hs_token=token).startswith("hs_token: ")

    def test_a_service_that_is_sent_nothing(self) -> None:
        assert read_registration(self.written(url=None)).url is None

    def test_unstable_names(self) -> None:
        more: dict[str, Any] = {
            "de.sorunome.msc2409.push_ephemeral": True,
            "org.matrix.msc3202": True,
        }
        registration = read_registration(self.written(**more))
        assert registration.wants_keys
        assert AppService(registration, ServerName("test")).wants_ephemeral

    def test_no_yaml(self) -> None:
        path = self.tmp_path / "broken.yaml"
        path.write_bytes(b"\x00\xff: [")
        with pytest.raises(RegistrationError, match="is no YAML"):
            read_registration(path)
        with pytest.raises(RegistrationError, match="cannot be read"):
            read_registration(self.tmp_path / "absent.yaml")

    def test_two_that_cannot_stand_side_by_side(self) -> None:
        first = self.written()
        with pytest.raises(RegistrationError, match="id is also that of"):
            read_registrations([first, self.written("other.yaml")])
        with pytest.raises(RegistrationError, match="as_token is also that of"):
            read_registrations([first, self.written("other.yaml", id="other")])
        assert len(read_registrations([first, self.written("other.yaml", id="other", as_token="x")])) == 2


def registered() -> AppService:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "irc.yaml"
        path.write_text(EXAMPLE)
        registration: Registration = read_registration(path)
    return AppService(registration, ServerName("test"))


def test_namespaces() -> None:
    service = registered()
    assert service.sender == "@_irc_bot:test"
    for user_id in ("@_irc_bot:test", "@_irc_bridge_bob:test"):
        assert service.may_be(user_id)
        assert service.owns_user(user_id)
    assert not service.may_be("@bob:test")
    # Only the beginning counts, as elsewhere.
    assert not service.users.match("x@_irc_bridge_bob:test")
    assert service.aliases.match("#_irc_bridge_room:test")
    assert not service.aliases.match_exclusively("#_irc_bridge_room:test")
    assert not service.rooms.match("!room:test")
