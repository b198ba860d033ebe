"""A user of Synapse in rooms of ours, with one server of each kind."""

from functools import partial

import pytest

from synapse_compat_tests.client import HttpClient
from synapse_compat_tests.federation.eventually import eventually
from synapse_compat_tests.federation.servers import Pair
from tests.client import Answer, Json

VERSIONS = ("6", "9", "10", "11", "12")


class Meeting:
    """Alice here, bob there, and a room of hers."""

    def __init__(self, pair: Pair, version: str, join_rule: str = "public", **rule: Json) -> None:
        self.pair = pair
        self.alice, self.bob = pair.folkmoot.register("alice"), pair.synapse.register("bob")
        self.room_id = self.create(version, join_rule, **rule)

    def create(self, version: str, join_rule: str, **rule: Json) -> str:
        content = {"join_rule": join_rule, **rule}
        rules = {"type": "m.room.join_rules", "state_key": "", "content": content}
        return self.alice.create_room(room_version=version, initial_state=[rules], name="Here")

    def ask(self, operation: str, user: HttpClient | None = None) -> Answer:
        """To "join" or to "knock" on the room, by way of its server."""
        by_way_of = {"server_name": self.pair.folkmoot.name}
        return (user or self.bob).request("POST", f"/{operation}/{self.room_id}", {}, query=by_way_of)

    def join(self, user: HttpClient | None = None) -> None:
        answer = self.ask("join", user)
        assert answer.status == 200, answer.body

    def membership(self, seen_by: HttpClient) -> str | None:
        answer = seen_by.state(self.room_id, "m.room.member", self.bob.user_id)
        return answer["membership"] if answer.status == 200 else None

    def becomes(self, membership: str, seen_by: HttpClient) -> None:
        eventually(lambda: self.membership(seen_by), lambda seen: seen == membership)

    def bodies(self, seen_by: HttpClient) -> list[str]:
        chunk = seen_by.messages(self.room_id, limit=100)["chunk"]
        return [one["content"].get("body", "") for one in chunk[::-1] if one["type"] == "m.room.message"]

    def talk(self) -> None:
        """Messages go both ways."""
        said = [f"{user.user_id}: hello" for user in (self.alice, self.bob)]
        for user, body in zip((self.alice, self.bob), said, strict=True):
            user.send(self.room_id, body)
        for user in (self.alice, self.bob):
            eventually(partial(self.bodies, user), lambda seen: set(seen) >= set(said))


@pytest.mark.parametrize("version", VERSIONS)
def test_join_and_leave(pair: Pair, version: str) -> None:
    meeting = Meeting(pair, version)
    meeting.alice.send(meeting.room_id, "before")
    meeting.join()
    meeting.becomes("join", seen_by=meeting.alice)
    meeting.talk()
    assert "before" in meeting.bodies(meeting.bob)
    assert meeting.bob.state(meeting.room_id, "m.room.name")["name"] == "Here"
    meeting.bob.leave(meeting.room_id)
    meeting.becomes("leave", seen_by=meeting.alice)
    meeting.join()
    meeting.becomes("join", seen_by=meeting.alice)
    meeting.talk()


@pytest.mark.parametrize("version", VERSIONS)
def test_kick_and_ban(pair: Pair, version: str) -> None:
    meeting = Meeting(pair, version)
    carol = pair.synapse.register("carol")
    meeting.join()
    meeting.join(carol)
    meeting.alice.kick(meeting.room_id, meeting.bob)
    meeting.becomes("leave", seen_by=carol)
    meeting.join()
    meeting.alice.ban(meeting.room_id, meeting.bob)
    meeting.becomes("ban", seen_by=carol)
    assert meeting.ask("join").status == 403


def test_nobody_of_the_server_is_left(pair: Pair) -> None:
    """It asks to join, and is told that it may not."""
    meeting = Meeting(pair, "12")
    meeting.join()
    meeting.alice.ban(meeting.room_id, meeting.bob)
    eventually(lambda: meeting.ask("join").status, lambda seen: seen == 403)
    assert meeting.membership(meeting.alice) == "ban"


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_knock(pair: Pair, version: str) -> None:
    meeting = Meeting(pair, version, "knock")
    assert meeting.ask("knock").status == 200
    assert meeting.membership(meeting.alice) == "knock"
    knocked = meeting.bob.get("/sync")["rooms"]["knock"][meeting.room_id]["knock_state"]["events"]
    names = [one["content"]["name"] for one in knocked if one["type"] == "m.room.name"]
    assert names == ["Here"]
    assert meeting.alice.invite(meeting.room_id, meeting.bob).status == 200
    meeting.join()
    meeting.becomes("join", seen_by=meeting.alice)
    meeting.talk()


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_restricted_join(pair: Pair, version: str) -> None:
    lobby = Meeting(pair, version)
    allow = [{"type": "m.room_membership", "room_id": lobby.room_id}]
    meeting = Meeting(pair, version, "restricted", allow=allow)
    meeting.bob = lobby.bob
    assert meeting.ask("join").error == (403, "M_FORBIDDEN")
    lobby.join()
    meeting.join()
    meeting.becomes("join", seen_by=meeting.alice)
    meeting.talk()


@pytest.mark.parametrize("version", VERSIONS)
def test_history_and_state_after_branches(pair: Pair, version: str) -> None:
    """Both change the room at once; the servers agree on what comes of it."""
    meeting = Meeting(pair, version)
    meeting.join()
    levels = meeting.alice.state(meeting.room_id, "m.room.power_levels").json
    users = {**levels["users"], meeting.bob.user_id: 50}
    meeting.alice.set_state(meeting.room_id, "m.room.power_levels", {**levels, "users": users})
    eventually(
        lambda: meeting.bob.state(meeting.room_id, "m.room.power_levels")["users"],
        lambda seen: meeting.bob.user_id in seen,
    )
    for number in range(3):
        for user in (meeting.alice, meeting.bob):
            topic = f"{number} of {user.user_id}"
            assert user.set_state(meeting.room_id, "m.room.topic", {"topic": topic}).status == 200
    meeting.talk()
    eventually(
        lambda: [
            user.state(meeting.room_id, "m.room.topic")["topic"] for user in (meeting.alice, meeting.bob)
        ],
        lambda seen: seen[0] == seen[1],
    )


def test_invited_by_synapse(pair: Pair) -> None:
    for version in VERSIONS:
        alice, bob = pair.folkmoot.register("alice"), pair.synapse.register("bob")
        room_id = bob.create_room(room_version=version, name="There")
        assert bob.invite(room_id, alice).status == 200
        told = alice.get("/sync")["rooms"]["invite"][room_id]["invite_state"]["events"]
        contents = {(one["type"], one["state_key"]): one["content"] for one in told}
        assert contents["m.room.name", ""] == {"name": "There"}
        assert contents["m.room.member", alice.user_id]["membership"] == "invite"


def test_invitations_taken_back(pair: Pair) -> None:
    alice, bob = pair.folkmoot.register("alice"), pair.synapse.register("bob")
    for inviter, invited in ((alice, bob), (bob, alice)):
        before = invited.get("/sync")["next_batch"]
        room_id = inviter.create_room(room_version="11")
        assert inviter.invite(room_id, invited).status == 200
        told = eventually(partial(rooms_since, invited, before), bool)
        assert list(told["invite"]) == [room_id]
        since = invited.get("/sync", since=before)["next_batch"]
        assert inviter.kick(room_id, invited).status == 200
        told = eventually(partial(rooms_since, invited, since), bool)
        assert list(told["leave"]) == [room_id]


def rooms_since(user: HttpClient, since: str) -> Json:
    return user.get("/sync", since=since).json.get("rooms", {})
