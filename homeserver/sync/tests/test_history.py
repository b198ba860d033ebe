"""Whatever happens, and however they sync: all readers have all that they may see, once and in order.

FOLKMOOT_TEST_SEEDS=100:200 tries other random histories than the usual ones.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from homeserver.sync.tests.reader import Kind, Reader, Room, is_subsequence
from tests.wire import WireClient, WireTestCase, each

Json = Any

_STEPS = 100
_VISIBILITIES = ("world_readable", "shared", "invited", "joined")


@dataclass(frozen=True)
class Moment:
    """An event, and what a user was in the room before and after it."""

    event: Json
    visibilities: tuple[str, str]
    memberships: tuple[str, str]
    user_id: str

    def may_be_seen(self, *, joined_later: bool) -> bool:
        """By the rules of the specification, and a user always sees being put out.

        https://spec.matrix.org/v1.19/client-server-api/#server-behaviour-5 (history visibility)
        """
        if self.event.get("state_key") == self.user_id and self.memberships[1] in ("leave", "ban"):
            return True
        return any(
            visibility == "world_readable"
            or membership == "join"
            or (visibility == "shared" and joined_later)
            or (visibility == "invited" and membership == "invite")
            for visibility in self.visibilities
            for membership in self.memberships
        )


def moments(events: Sequence[Json], user_id: str) -> list[Moment]:
    visibility, membership = "shared", "leave"
    found = []
    for event in events:
        before = (visibility, membership)
        if event["type"] == "m.room.history_visibility":
            visibility = event["content"]["history_visibility"]
        if event["type"] == "m.room.member" and event["state_key"] == user_id:
            membership = event["content"]["membership"]
        found.append(Moment(event, (before[0], visibility), (before[1], membership), user_id))
    return found


def visible(events: Sequence[Json], user_id: str) -> tuple[list[str], list[str]]:
    """The IDs of what the user can read now, and of what they may have read besides since they left."""
    history = moments(events, user_id)
    joins = [index for index, moment in enumerate(history) if moment.memberships[1] == "join"]
    # Who is not in the room sees it up to the event that ended it, unless the world may read it.
    is_joined = history[-1].memberships[1] == "join"
    end = len(history) if is_joined else joins[-1] + 2 if joins else 0
    seen = [
        moment.event["event_id"]
        for index, moment in enumerate(history[:end])
        if moment.may_be_seen(joined_later=joins[-1] > index)
    ]
    later = [moment.event["event_id"] for moment in history[end:] if moment.may_be_seen(joined_later=False)]
    return seen, later


class RandomHistory:
    """A room, its users and what they do, all from one seed. Alice stays in the room and sees everything."""

    def __init__(
        self,
        random: Random,
        alice: WireClient,
        others: Sequence[WireClient],
        restart: Callable[[], None],
    ) -> None:
        self._random = random
        self._alice = alice
        self._others = others
        self._restart = restart
        self._transactions = 0
        self.room_id = alice.create_room(
            room_version=random.choice(("11", "12")),
            # Everybody may do everything that is not about the rights themselves.
            power_level_content_override={"state_default": 0, "redact": 0},
        )
        self.readers = [Reader(user, random.choice(list(Kind))) for user in others for _ in range(2)]
        for reader in self.readers:
            # A first sync tells nothing of rooms that were left before.
            reader.sync(1)

    def step(self) -> None:
        actions = {
            self._send: 8,
            self._set_topic: 3,
            self._rename: 1,
            self._change_visibility: 1,
            self._redact: 1,
            self._invite: 4,
            self._join: 4,
            self._leave: 1,
            self._remove: 1,
            self._sync: 10,
            self._restart: 0.1,
        }
        (act,) = self._random.choices(list(actions), list(actions.values()))
        act()

    def shut_out_the_world(self) -> None:
        """As long as the room is world-readable, those who left may read on."""
        content = {"history_visibility": "shared"}
        self._alice.set_state(self.room_id, "m.room.history_visibility", content)

    def events(self) -> list[Json]:
        page: list[Json] = self._alice.messages(self.room_id, "f", limit=1000)["chunk"]
        return page

    def _anyone(self) -> WireClient:
        # Not everything that is tried is allowed; what is not must not be seen by anyone.
        return self._random.choice([self._alice, *self._others])

    def _other(self) -> WireClient:
        return self._random.choice(self._others)

    def _send(self) -> None:
        for _ in range(self._random.choice((1, 1, 2, 5))):
            self._transactions += 1
            path = f"/rooms/{self.room_id}/send/m.room.message/{self._transactions}"
            self._anyone().put(path, {"body": str(self._transactions)})

    def _set_topic(self) -> None:
        topic = str(self._random.randrange(5))
        self._anyone().set_state(self.room_id, "m.room.topic", {"topic": topic})

    def _rename(self) -> None:
        user = self._other()
        user.put(f"/profile/{user.user_id}/displayname", {"displayname": str(self._random.randrange(100))})

    def _change_visibility(self) -> None:
        content = {"history_visibility": self._random.choice(_VISIBILITIES)}
        self._alice.set_state(self.room_id, "m.room.history_visibility", content)

    def _redact(self) -> None:
        self._anyone().redact(self.room_id, self._random.choice(self.events())["event_id"])

    def _invite(self) -> None:
        self._anyone().invite(self.room_id, self._other())

    def _join(self) -> None:
        self._other().join(self.room_id)

    def _leave(self) -> None:
        self._other().leave(self.room_id)

    def _remove(self) -> None:
        act = self._random.choice((self._alice.kick, self._alice.ban, self._alice.unban, self._alice.unban))
        act(self.room_id, self._other())

    def _sync(self) -> None:
        reader = self._random.choice(self.readers)
        limit, full_state = self._random.choice((0, 1, 1, 2, 3, 5, 10, 100)), self._random.random() < 0.1
        if self._random.random() < 0.2:
            reader.lose_sync(limit, full_state=full_state)
        else:
            reader.sync(limit, full_state=full_state)
            reader.check_state(self.room_id)


class HistoryTests(WireTestCase):
    def test_random_histories(self) -> None:
        first, last = map(int, os.environ.get("FOLKMOOT_TEST_SEEDS", "0:10").split(":"))
        each(self.check_seed, range(first, last))

    def check_seed(self, seed: int) -> None:
        alice, *others = (self.register(f"{name}{seed}") for name in ("alice", "bob", "carol", "dave"))
        history = RandomHistory(Random(seed), alice, others, self.restart)
        for _ in range(_STEPS):
            history.step()
        history.shut_out_the_world()
        events = history.events()
        for reader in history.readers:
            reader.sync(5)
            reader.check_state(history.room_id)
            self.check_timeline(history.room_id, reader, events)

    def check_timeline(self, room_id: str, reader: Reader, events: list[Json]) -> None:
        pages, later = visible(events, reader.client.user_id)
        if pages:
            page = reader.client.messages(room_id, "f", limit=1000)["chunk"]
            self.assertEqual([event["event_id"] for event in page], pages)
        room = reader.rooms.get(room_id, Room())
        paged = [event_id for event_id in room.timeline if event_id in pages]
        if room.membership == "invite":
            # It may be told in the place of whole stays; the gap closes when it is answered.
            self.assertTrue(is_subsequence(paged, pages))
        else:
            self.assertEqual(paged, pages)
        # Of several removals that came between two syncs, the newest is told.
        self.assertTrue(is_subsequence(room.timeline[len(paged) :], later))
