"""Inviting whoever reads an address, which takes an identity server."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"


def addresses(stage: Stage) -> None:
    alice, mallory = stage.register("alice"), stage.register("mallory")
    room_id = alice.create_room(room_version="11")
    invite = f"/rooms/{room_id}/invite"
    # Nobody listens there.
    address = {
        "medium": "email",
        "address": "bob@example.org",
        "id_server": "127.0.0.1:9",
        "id_access_token": "token",
    }
    alice.post(invite, address)
    mallory.post(invite, address)
    for missing in address:
        alice.post(invite, {key: value for key, value in address.items() if key != missing})
    alice.post("/createRoom", {"room_version": "11", "invite_3pid": [address]})
    alice.post("/createRoom", {"room_version": "11", "invite_3pid": [{"medium": "email"}]})
    alice.put(f"/rooms/{room_id}/state/m.room.third_party_invite/token", {"display_name": "Bob"})
    signed = {"mxid": mallory.user_id, "sender": alice.user_id, "token": "token", "signatures": {}}
    mallory.join(room_id, third_party_signed=signed)
    mallory.join(room_id, third_party_signed={})


def test_addresses(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            f"{CODES} That another server does not answer is no fault of this one", "* POST * 50[02] *"
        ),
        Deliberate(
            "403: 'You do not have permission to invite the user to the room'", "3 POST */invite 403 *"
        ),
        Deliberate("sender, mxid, token, signatures: 'Required'", "* POST */join 400 *"),
    ]
    compare(addresses, servers, deliberate)
