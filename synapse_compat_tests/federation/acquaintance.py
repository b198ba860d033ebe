"""Users of both servers who are in a room."""

from homeserver.e2ee.tests.keys import query
from synapse_compat_tests.federation.eventually import eventually
from synapse_compat_tests.federation.servers import Federated
from tests.client import Json


class Acquaintance:
    """Alice of one server and bob of the other, in a room of hers."""

    def __init__(self, home: Federated, away: Federated) -> None:
        self.home, self.away = home, away
        self.alice, self.bob = home.register("alice"), away.register("bob")
        self.room_id = self.alice.create_room(preset="public_chat")
        by_way_of = {"server_name": home.name}
        assert self.bob.request("POST", f"/join/{self.room_id}", {}, query=by_way_of).status == 200
        eventually(lambda: self.bob.user_id in self.members(), bool)
        self.since = self.bob.sync().next_batch

    def members(self) -> Json:
        return self.alice.get(f"/rooms/{self.room_id}/joined_members")["joined"]

    def news(self, name: str, key: str) -> Json:
        """Of what bob is told in one section of a sync."""
        answer = self.bob.sync(self.since)
        self.since = answer.next_batch
        return answer.json.get(name, {}).get(key, {})

    def is_told_of_keys(self) -> None:
        eventually(lambda: self.alice.user_id in self.news("device_lists", "changed"), bool)

    def devices(self) -> set[str]:
        """Alice's, as bob is shown them."""
        return set(query(self.bob, self.alice)["device_keys"].get(self.alice.user_id, {}))
