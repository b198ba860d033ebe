"""What notifies whom, and what follows a user from an upgraded room to the new one."""

from collections.abc import Mapping

from synapse_compat_tests.compare import Deliberate, Stage, compare

CODES = "'Errors are generally best expressed by their error code rather than the HTTP status code returned.'"


def notifications(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(room_version="11", members=[bob], name="The Moot")
    for number in range(3):
        alice.send(room_id, f"number {number}")
    mention = {"msgtype": "m.text", "body": "Bob!", "m.mentions": {"user_ids": [bob.user_id]}}
    event_id = alice.put(f"/rooms/{room_id}/send/m.room.message/mention", mention)["event_id"]
    bob.get("/notifications", only="highlight")
    page = bob.get("/notifications", limit=2)
    bob.get("/notifications", limit=1, **{"from": page["next_token"]})
    bob.get("/notifications", limit=0)
    bob.get("/notifications", limit="many")
    bob.get("/notifications", **{"from": "nonsense"})
    bob.post(f"/rooms/{room_id}/receipt/m.read/{event_id}")
    bob.get("/notifications", limit=2)
    alice.redact(room_id, event_id)
    bob.get("/notifications", limit=2)


def test_notifications(servers: Mapping[str, str]) -> None:
    deliberate = [
        Deliberate(CODES, "* GET */notifications[?]from=nonsense 400 .errcode"),
        Deliberate(
            "A page of no events would be followed by others without end", "*/notifications[?]limit=0 *"
        ),
        Deliberate(
            "profile_tag: 'The profile tag of the rule that matched this event.' Rules have none",
            "*/notifications* 200 *.profile_tag",
        ),
        Deliberate(
            "Of the predefined rules, that for mentions plays the sound 'default', and that for rooms of two has no"
            " highlight to switch off",
            "*/notifications* 200 *.actions.[12].*",
        ),
        Deliberate(
            "next_token: 'If this is absent, there are no more results.'",
            "* GET */notifications[?]only=highlight 200 .next_token",
        ),
    ]
    compare(notifications, servers, deliberate)


def following(stage: Stage) -> None:
    alice, bob = stage.register("alice"), stage.register("bob")
    room_id = alice.create_room(
        room_version="10", preset="public_chat", name="The Moot", members=[bob], is_direct=True
    )
    for user in (alice, bob):
        user.put(f"/user/{user.user_id}/rooms/{room_id}/tags/m.favourite", {"order": 0.5})
        user.put(f"/pushrules/global/room/{room_id}", {"actions": []})
        other = bob if user is alice else alice
        user.put(f"/user/{user.user_id}/account_data/m.direct", {other.user_id: [room_id]})
    newer = alice.post(f"/rooms/{room_id}/upgrade", {"new_version": "11"})["replacement_room"]
    bob.join(newer)
    for user in (alice, bob):
        user.get(f"/user/{user.user_id}/rooms/{newer}/tags")
        user.get(f"/user/{user.user_id}/rooms/{room_id}/tags")
        user.get(f"/pushrules/global/room/{newer}")
        user.get(f"/pushrules/global/room/{room_id}")
        user.get(f"/user/{user.user_id}/account_data/m.direct")
    alice.state(newer, "m.room.power_levels")
    alice.state(room_id, "m.room.power_levels")


def test_following(servers: Mapping[str, str]) -> None:
    compare(following, servers)
