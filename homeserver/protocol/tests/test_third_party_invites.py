from typing import Any

import pytest

from homeserver.protocol import third_party_invites
from homeserver.protocol.event import Event
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.json import JsonObject
from homeserver.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from homeserver.protocol.signing import SignatureInvalid, SigningKey, sign_json
from homeserver.protocol.tests.rooms import ALICE, BOB, CAROL, CREATOR, Room, allows, every_version
from homeserver.protocol.unpadded_base64 import encode_base64, encode_urlsafe_base64

IDENTITY_SERVER = ServerName("id.example.org")
KEY = SigningKey("0", b"i" * 32)
OTHER_KEY = SigningKey("0", b"o" * 32)
TOKEN = "token"


def invited_room(version: RoomVersion, content: JsonObject | None = None) -> Room:
    """Alice has invited somebody who is known to the identity server."""
    room = Room.with_members(version, ALICE)
    given = {"public_key": encode_base64(KEY.public_key)} if content is None else content
    room.add("m.room.third_party_invite", given, sender=ALICE, state_key=TOKEN)
    return room


def signed(mxid: UserID = BOB, token: str = TOKEN, key: SigningKey = KEY) -> JsonObject:
    return sign_json({"mxid": mxid, "token": token}, IDENTITY_SERVER, key)


def invite(room: Room, third_party_invite: Any, sender: UserID = ALICE, target: UserID = BOB) -> Event:
    content = {"membership": "invite", "third_party_invite": third_party_invite}
    return room.event("m.room.member", content, sender=sender, state_key=target)


def try_invite(room: Room, **fields: Any) -> bool:
    return allows(room, invite(room, {"signed": signed(**fields)}))


@every_version
def test_what_the_identity_server_signed_is_an_invitation(version: RoomVersion) -> None:
    assert try_invite(invited_room(version))


@every_version
def test_sender_need_not_be_in_the_room_any_more(version: RoomVersion) -> None:
    room = invited_room(version)
    room.member(ALICE, "leave")
    assert try_invite(room)


@every_version
def test_not_for_the_banned(version: RoomVersion) -> None:
    room = invited_room(version)
    room.member(BOB, "ban", sender=CREATOR)
    assert not try_invite(room)


@every_version
@pytest.mark.parametrize(
    "third_party_invite",
    [
        None,
        "x",
        {},
        {"signed": None},
        {"signed": []},
        {"signed": {"mxid": BOB}},
        {"signed": {"token": TOKEN}},
        {"signed": {"mxid": BOB, "token": 5}},
        {"signed": {"mxid": BOB, "token": TOKEN}},
        {"signed": {"mxid": BOB, "token": TOKEN, "signatures": []}},
        {"signed": {"mxid": BOB, "token": TOKEN, "signatures": {"a": 5}}},
        {"signed": {"mxid": BOB, "token": TOKEN, "signatures": {"a": {"ed25519:0": 5}}}},
        {"signed": {"mxid": BOB, "token": TOKEN, "signatures": {"a": {"ed25519:0": "!"}}}},
    ],
    ids=str,
)
def test_malformed_invitations(third_party_invite: Any, version: RoomVersion) -> None:
    room = invited_room(version)
    assert not allows(room, invite(room, third_party_invite))


@every_version
def test_signed_for_another_user(version: RoomVersion) -> None:
    assert not try_invite(invited_room(version), mxid=CAROL)


@every_version
def test_no_such_token_in_the_room(version: RoomVersion) -> None:
    assert not try_invite(invited_room(version), token="other")


@every_version
def test_sent_by_another_member(version: RoomVersion) -> None:
    room = invited_room(version)
    assert not allows(room, invite(room, {"signed": signed()}, sender=CREATOR))


@every_version
def test_signed_with_another_key(version: RoomVersion) -> None:
    assert not try_invite(invited_room(version), key=OTHER_KEY)


@every_version
def test_signed_and_then_changed(version: RoomVersion) -> None:
    room = invited_room(version)
    assert not allows(room, invite(room, {"signed": {**signed(), "more": 1}}))


@every_version
def test_any_signature_by_any_key_will_do(version: RoomVersion) -> None:
    keys = [5, {}, {"public_key": "!"}, {"public_key": encode_urlsafe_base64(OTHER_KEY.public_key)}]
    room = invited_room(version, {"public_key": encode_base64(KEY.public_key), "public_keys": keys})
    assert try_invite(room)
    assert try_invite(room, key=OTHER_KEY)
    twice = sign_json(signed(key=SigningKey("x", b"x" * 32)), ServerName("other"), OTHER_KEY)
    assert allows(room, invite(room, {"signed": twice}))


@every_version
@pytest.mark.parametrize("content", [{}, {"public_key": 5}, {"public_key": ""}, {"public_keys": {}}])
def test_invitations_without_key(content: JsonObject, version: RoomVersion) -> None:
    assert not try_invite(invited_room(version, content))


def test_an_event_costs_few_verifications(monkeypatch: pytest.MonkeyPatch) -> None:
    verified = []

    def verify(*arguments: object) -> None:
        verified.append(arguments)
        raise SignatureInvalid

    monkeypatch.setattr(third_party_invites, "verify_json", verify)
    signatures = {f"ed25519:{number}": "" for number in range(300)}
    keys = [{"public_key": encode_base64(number.to_bytes(32, "big"))} for number in range(300)]
    room = invited_room(ROOM_VERSIONS["12"], {"public_keys": keys})
    bundle = {"mxid": BOB, "token": TOKEN, "signatures": {"a": signatures}}
    assert not allows(room, invite(room, {"signed": bundle}))
    assert 0 < len(verified) < 1_000, "not 300 times 300"
