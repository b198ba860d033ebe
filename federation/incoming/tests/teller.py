"""Another server that knows all of a random room."""

from urllib.parse import quote

from federation.tests.peers import Peers
from federation.transport import Call, Transport
from homeserver.protocol.auth_graph import LoadedAuthGraph
from homeserver.protocol.events import Event, ReadPdu
from homeserver.protocol.identifiers import EventID, ServerName
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import SignatureInvalid
from homeserver.rooms.graph.tests.stories import Story

ORIGIN = ServerName("origin.example")
_V1 = "/_matrix/federation/v1"


class Trusting:
    """A keyring for events of which the signatures are tested elsewhere."""

    async def verify_events(self, pdus: list[ReadPdu]) -> list[SignatureInvalid | None]:
        return [None for _ in pdus]


class Teller(Peers):
    """Another server, which knows the whole story."""

    def __init__(self, story: Story, room_id: str) -> None:
        super().__init__()
        self.story = story
        room = quote(room_id, safe="")
        answers = {
            "get_missing_events": self.missing_events,
            "state_ids": self.state_ids,
            "state": self.state,
        }
        for name, answer in answers.items():
            self.answers[ORIGIN, f"{_V1}/{name}/{room}"] = answer
        for event_id, event in story.events.items():
            quoted = quote(event_id, safe="")
            self.says(ORIGIN, f"{_V1}/event/{quoted}", {"pdus": [event.pdu()]})
            self.says(
                ORIGIN, f"{_V1}/event_auth/{room}/{quoted}", {"auth_chain": self.pdus(self.chain(event))}
            )

    def pdus(self, event_ids: set[EventID]) -> list[JsonObject]:
        return [self.story.events[event_id].pdu() for event_id in event_ids]

    def chain(self, *events: Event) -> set[EventID]:
        known = LoadedAuthGraph(self.story.events).auth_chain(one.event_id for one in events)
        return known - {one.event_id for one in events}

    def told(self, call: Call) -> tuple[set[EventID], set[EventID]]:
        state = set(self.story.before[EventID(str((call.query or {})["event_id"]))].values())
        return state, self.chain(*(self.story.events[one] for one in state))

    def state_ids(self, call: Call) -> JsonObject:
        state, chain = self.told(call)
        return {"pdu_ids": sorted(state), "auth_chain_ids": sorted(chain)}

    def state(self, call: Call) -> JsonObject:
        state, chain = self.told(call)
        return {"pdus": self.pdus(state), "auth_chain": self.pdus(chain)}

    def missing_events(self, call: Call) -> JsonObject:
        asked = call.content or {}
        (latest,) = asked["latest_events"]
        known = {one.event_id for one in self.story.ancestors(asked["earliest_events"], 10_000)}
        ancestors = self.story.ancestors(self.story.events[latest].prev_events, 10_000)
        return {"events": [one.pdu() for one in ancestors if one.event_id not in known][-asked["limit"] :]}


class Asking(Transport):
    """The real reading of answers, on what peers say."""

    def __init__(self, peers: Peers) -> None:
        self.send = peers.send  # type: ignore[method-assign]  # what follows is not what is tested
