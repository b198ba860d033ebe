import msgspec
import pytest

from homeserver.protocol.event import Event
from homeserver.protocol.event_signatures import required_signers, sign_event, verify_event
from homeserver.protocol.events import parse_pdu
from homeserver.protocol.json import JsonObject
from homeserver.protocol.redaction import redact_event
from homeserver.protocol.room_versions import RoomVersion
from homeserver.protocol.signing import SignatureInvalid
from homeserver.protocol.tests.rooms import ALICE, BOB, CREATOR, Room, every_version, signer_of, versions


def verify(event: Event, server: str) -> None:
    signer = signer_of(server)
    verify_event(event, signer.server_name, signer.key.key_id, signer.key.public_key)


@every_version
def test_events_are_signed_by_the_senders_server(version: RoomVersion) -> None:
    room = Room.with_members(version, BOB)
    event = room.add("m.room.message", {"body": "hi"}, sender=BOB)
    assert required_signers(event) == {"b"}
    verify(event, "b")
    verify(redact_event(event), "b")
    with pytest.raises(SignatureInvalid):
        verify(event, "a")


@every_version
def test_what_redaction_protects_cannot_be_changed(version: RoomVersion) -> None:
    room = Room.with_members(version)
    for event in room.state.values():
        changes: list[JsonObject] = [
            {"depth": 99},
            {"sender": ALICE},
            {"hashes": {"sha256": "x"}},
            {"origin_server_ts": 1},
        ]
        for change in changes:
            with pytest.raises(SignatureInvalid):
                verify(parse_pdu({**event.pdu(), **change}, version), "a")


@versions(1, 2)
def test_old_events_are_also_signed_by_the_server_of_their_id(version: RoomVersion) -> None:
    event = Room.with_members(version, ALICE).add("m.room.message", {}, sender=ALICE, event_id="$1:other")
    assert required_signers(event) == {"a", "other"}


@every_version
def test_third_party_invites_may_be_sent_by_another_server(version: RoomVersion) -> None:
    room = Room.with_members(version)
    invite = {"membership": "invite", "third_party_invite": {"signed": {}}}
    event = room.event("m.room.member", invite, state_key=BOB)
    assert required_signers(event) == ({"a"} if version.identifier in {"1", "2"} else set())
    plain = room.event("m.room.member", {"membership": "invite"}, state_key=BOB)
    assert required_signers(plain) == {"a"}


@every_version
def test_restricted_joins_are_signed_by_who_authorises_them(version: RoomVersion) -> None:
    room = Room.with_members(version)
    content = {"membership": "join", "join_authorised_via_users_server": CREATOR}
    join = room.event("m.room.member", content, sender=BOB, state_key=BOB)
    assert required_signers(join) == ({"a", "b"} if int(version.identifier) >= 8 else {"b"})
    signed = sign_event(join, signer_of("a"))
    verify(signed, "a")
    verify(signed, "b")
    assert signed.event_id == join.event_id


def test_authorising_users_that_are_none_require_nothing() -> None:
    room = Room.with_members(next(iter(versions(12).args[1])))
    for user in (5, "nobody", None):
        content = {"membership": "join", "join_authorised_via_users_server": user}
        assert required_signers(room.event("m.room.member", content, sender=BOB, state_key=BOB)) == {"b"}


@every_version
def test_a_second_key_adds_a_signature(version: RoomVersion) -> None:
    event = Room(version).create
    signer = signer_of("a")
    other = msgspec.structs.replace(event, signatures={"a": {"ed25519:0": "x"}})
    assert sign_event(other, signer).signatures == {"a": {"ed25519:0": "x", **event.signatures["a"]}}
