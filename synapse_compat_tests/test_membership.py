"""Who is in a room, who may come in, and who must leave."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare
from tests.client import Json

ROOMS_ONLY: Json = {"presence": {"types": []}, "account_data": {"types": []}}
BANNED = (
    "403: 'You do not have permission to invite the user to the room', among the reasons: 'The invitee has been"
    " banned from the room', with M_FORBIDDEN for its code"
)
STATE = "unsigned: 'Contains optional extra information about the event.' States are told as they are"


def coming_and_going(stage: Stage) -> None:
    alice, bob, carol = stage.register("alice"), stage.register("bob"), stage.register("carol")
    room_id = alice.create_room(room_version="11", preset="private_chat")
    alice.invite(room_id, bob, reason="come in")
    bob.sync(filter=ROOMS_ONLY)
    bob.join(room_id)
    bob.join(room_id)
    carol.join(room_id)
    bob.invite(room_id, carol)
    carol.leave(room_id, reason="no")
    carol.leave(room_id)
    alice.kick(room_id, carol)
    alice.kick(room_id, bob, reason="out")
    bob.forget(room_id)
    bob.get(f"/rooms/{room_id}/state")
    alice.forget(room_id)
    alice.post(f"/rooms/{room_id}/invite", {"user_id": "nonsense"})
    alice.post(f"/rooms/{room_id}/invite", {})
    alice.get(f"/rooms/{room_id}/members", membership="join")
    alice.get("/joined_rooms")
    bob.get(f"/rooms/{room_id}/joined_members")


def test_coming_and_going(servers: Mapping[str, str]) -> None:
    compare(coming_and_going, servers)


def bans(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", preset="public_chat", members=[bob])
    bob.ban(room_id, alice)
    alice.ban(room_id, bob, reason="enough")
    alice.invite(room_id, bob)
    bob.join(room_id)
    bob.leave(room_id)
    alice.unban(room_id, bob)
    alice.unban(room_id, bob)
    bob.join(room_id)
    alice.state(room_id, f"m.room.member/{bob.user_id}")


def test_bans(servers: Mapping[str, str]) -> None:
    deliberate = [Deliberate(BANNED, "* 403 .errcode")]
    compare(bans, servers, deliberate)


def knocking(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11")
    bob.post(f"/knock/{room_id}", {"reason": "please"})
    alice.put(f"/rooms/{room_id}/state/m.room.join_rules", {"join_rule": "knock"})
    bob.post(f"/knock/{room_id}", {"reason": "please"})
    bob.post(f"/knock/{room_id}", {})
    bob.join(room_id)
    bob.sync(filter=ROOMS_ONLY)
    alice.get(f"/rooms/{room_id}/members", membership="knock")
    bob.leave(room_id)
    bob.post(f"/knock/{room_id}", {})
    alice.invite(room_id, bob)
    bob.join(room_id)
    alice.state(room_id, f"m.room.member/{bob.user_id}")


def test_knocking(servers: Mapping[str, str]) -> None:
    compare(knocking, servers, [Deliberate(STATE, "*.unsigned.replaces_state")])


def restricted_rooms(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    space = alice.create_room(room_version="11", preset="public_chat", creation_content={"type": "m.space"})
    rule = {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": space}],
    }
    room_id = alice.create_room(
        room_version="11",
        initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}],
    )
    alice.put(f"/rooms/{space}/state/m.space.child/{room_id}", {"via": ["localhost"]})
    bob.join(room_id)
    bob.join(space)
    bob.get(f"/_matrix/client/v1/rooms/{space}/hierarchy")
    bob.get(f"/_matrix/client/v1/room_summary/{room_id}")
    bob.join(room_id)
    bob.state(room_id, f"m.room.member/{bob.user_id}")


def test_restricted_rooms(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(
            "membership: 'The membership state of the user if the user is joined to the room. Absent if the API was"
            " called unauthenticated.' Who never was in a room has left none",
            "* GET /_matrix/client/v1/room_summary/* .membership",
        )
    ]
    compare(restricted_rooms, servers, deliberate)
