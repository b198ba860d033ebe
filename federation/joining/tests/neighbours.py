"""Two servers of ours with users who want into each other's rooms."""

from typing import Any

from federation.tests.network import Neighbour, NetworkTestCase
from tests.client import Answer, Json
from tests.wire import WireClient

HOME = "home.example"
_STATES = ("/state/", "/state_ids/")


class NeighboursTestCase(NetworkTestCase):
    """Alice is of the server `home.example`, where she makes rooms; Bob is of this one."""

    def setUp(self) -> None:
        super().setUp()
        self.home = self.another(HOME)
        self.alice, self.bob = self.home.register("alice"), self.register("bob")

    def settle(self, *others: Neighbour) -> None:
        """Lets the servers send what they have for each other."""
        for _ in range(11):
            for server in (self, self.home, *others):
                server.reactor.advance(0.2)

    def room(self, **wish: Any) -> str:
        return self.alice.create_room(**{"preset": "public_chat", **wish})

    def sent_from_here(self) -> list[str]:
        """The transactions that other servers were sent by this one."""
        return [one.url for one in self.network.requests if one.origin == "test" and "/send/" in one.url]

    def join(self, room_id: str, user: WireClient | None = None, via: str = HOME) -> Answer:
        user = user or self.bob
        return user.request("POST", f"/join/{room_id}", {}, query={"via": via})

    def withhold_members(self) -> None:
        """Nobody is told the members until `tell_members`."""
        self.network.lies |= dict.fromkeys(_STATES, lambda _: [])

    def tell_members(self) -> None:
        for path in _STATES:
            del self.network.lies[path]
        self.settle()

    def knock(self, room_id: str, **body: Any) -> Answer:
        return self.bob.request("POST", f"/knock/{room_id}", body, query={"server_name": HOME})

    def bodies(self, client: WireClient, room_id: str) -> list[str]:
        chunk = client.messages(room_id, limit=50)["chunk"]
        return [event["content"]["body"] for event in chunk[::-1] if event["type"] == "m.room.message"]

    def joined(self, client: WireClient, room_id: str) -> set[str]:
        return set(client.get(f"/rooms/{room_id}/joined_members")["joined"])

    def membership(self, client: WireClient, room_id: str, user: WireClient) -> str:
        """Of a user, as the room is at the server of the client."""
        membership: str = client.state(room_id, "m.room.member", user.user_id)["membership"]
        return membership

    def rooms(self, section: str) -> Json:
        """Bob's, by sync, once the servers have told each other everything."""
        self.settle()
        return self.bob.sync().json.get("rooms", {}).get(section, {})

    def invited(self, room_id: str) -> set[tuple[str, str]]:
        """What Bob is shown of a room that he is invited to: types and state keys."""
        events = self.rooms("invite").get(room_id, {}).get("invite_state", {}).get("events", [])
        return {(event["type"], event["state_key"]) for event in events}
