"""What users do, and what happens to their servers, as the seed has it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import quote

from tests.client import Answer, Client, Json, Request
from tests.simulation.world import World

NAMES = ("a.example", "b.example", "c.example", "d.example", "e.example")
VERSIONS = ("6", "9", "10", "11", "12")
_MESSAGE = "m.room.message"


class Person(Client):
    """A user and where they are. `received` are messages to the device, by what they say."""

    def __init__(self, world: World, server: str, user_id: str, access_token: str, device_id: str) -> None:
        super().__init__(user_id, access_token, device_id)
        self.world = world
        self.server = server
        self.since: str | None = None
        self.is_syncing = False
        self.received: list[str] = []
        self.told: dict[str, list[str]] = {}

    def answer_to(self, request: Request) -> Answer:
        return self.world.answer_to(self.server, request)


@dataclass
class Said:
    """An event whose sender was told that it was sent."""

    room_id: str
    event_id: str
    server: str


@dataclass
class Story:
    """The people, their rooms, and what was acknowledged.

    In the first room the first person of every server stays, whom nobody can put out.
    """

    world: World
    people: dict[str, list[Person]] = field(default_factory=dict)
    rooms: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    sent_to_devices: list[tuple[str, str]] = field(default_factory=list)
    """What was said to whom (user ID)."""
    _count: int = 0

    def begin(self) -> None:
        """Everybody registers; the first of each server come into the first room."""
        for name in self.world.servers:
            self.world.start(name)
            self.world.run(5)
            self.people[name] = [
                self._register(name, f"{role}-{name[0]}") for role in ("anchor", "user", "guest")
            ]
        first, *others = self.anchors
        neighbours = [people[1] for people in self.people.values()]
        version = self.world.random.choice(VERSIONS)
        wish = {"preset": "public_chat", "room_version": version}
        self.rooms.append(first.post("/createRoom", wish)["room_id"])
        for person in (*others, *neighbours):
            self._join(person, self.rooms[0])
        levels = first.state(self.rooms[0], "m.room.power_levels").json
        levels["users"] = {**levels["users"], **{anchor.user_id: 100 for anchor in others}}
        if version == "12":
            # The creator's is beyond numbers, and may not be named.
            levels["users"].pop(first.user_id, None)
        assert first.set_state(self.rooms[0], "m.room.power_levels", levels).status == 200
        for name in self.world.servers:
            created = self.people[name][1].post("/createRoom", {"preset": "public_chat"})
            self.rooms.append(created["room_id"])
        self.world.run(10)

    @property
    def anchors(self) -> list[Person]:
        return [people[0] for people in self.people.values()]

    @property
    def everybody(self) -> list[Person]:
        return [person for people in self.people.values() for person in people]

    def present(self, room_id: str) -> list[Person]:
        """Somebody of each server that has somebody in the room, as far as it knows."""
        found = []
        for people in self.people.values():
            here = (one for one in people if room_id in one.get("/joined_rooms")["joined_rooms"])
            found += [*islice(here, 1)]
        return found

    def go_on(self, deeds: int) -> None:
        for _ in range(deeds):
            self._act()
            self.world.run(self.world.random.expovariate(3))

    def heal(self) -> None:
        """All servers are up, and reach each other."""
        self.world.weather.clear_up()
        for name, server in self.world.servers.items():
            if server.incarnation is None:
                self.world.start(name)
        self.world.run(5)
        # Who failed to reach a server tries again once it shows itself; then branches are tied by what is said last.
        for _ in range(3):
            for anchor in self.anchors:
                anchor.send(self.rooms[0], "still there?")
                self.world.run(20)
        for _ in range(2):
            for number, room_id in enumerate(self.rooms[1:]):
                for person in self.present(room_id):
                    path = f"/rooms/{quote(room_id)}/send/{_MESSAGE}/heal{number}-{self._next()}"
                    # Others may have put them out.
                    person.put(path, {"msgtype": "m.text", "body": "anybody there?"})
            self.world.run(20)
        self.world.run(120)
        for person in self.everybody:
            self.sync(person)
        self.world.run(30)

    def _act(self) -> None:
        random = self.world.random
        person = random.choice(self.everybody)
        room = quote(random.choice(self.rooms) if random.random() < 0.4 else self.rooms[0])
        other = random.choice(self.everybody)
        deeds: Sequence[tuple[int, Callable[[], None]]] = [
            (30, partial(self._say, person, room)),
            (9, partial(self._relate, person, room)),
            (5, partial(self._redact, person, room)),
            (6, partial(self._set, person, room)),
            (3, partial(self._promote, person, room, other)),
            (12, partial(self._enter, person, room)),
            (4, partial(self._move, person, room, "leave", None)),
            (5, partial(self._move, person, room, random.choice(("kick", "ban", "unban", "invite")), other)),
            (2, partial(self._knock, person, room)),
            (4, partial(self._tell_device, person, other)),
            (3, partial(self._publish_keys, person)),
            (2, partial(self._rename, person)),
            (2, partial(self._type, person, room)),
            (3, partial(self._read, person, room)),
            (8, partial(self.sync, person)),
            (5, self._storm),
        ]
        weights = [weight for weight, _ in deeds]
        random.choices([deed for _, deed in deeds], weights)[0]()

    def _say(self, person: Person, room: str) -> None:
        self._send(person, room, _MESSAGE, {"msgtype": "m.text", "body": f"message {self._next()}"})

    def _relate(self, person: Person, room: str) -> None:
        """A reaction, an edit, or an answer in a thread."""
        about = self._somewhere(room)
        if about is None:
            return
        said = {"msgtype": "m.text", "body": f"relation {self._next()}"}
        match self.world.random.randrange(3):
            case 0:
                relation = {"rel_type": "m.annotation", "event_id": about.event_id, "key": str(self._next())}
                self._send(person, room, "m.reaction", {"m.relates_to": relation})
            case 1:
                relation = {"rel_type": "m.replace", "event_id": about.event_id}
                self._send(person, room, _MESSAGE, {**said, "m.new_content": said, "m.relates_to": relation})
            case _:
                relation = {"rel_type": "m.thread", "event_id": about.event_id}
                self._send(person, room, _MESSAGE, {**said, "m.relates_to": relation})

    def _redact(self, person: Person, room: str) -> None:
        about = self._somewhere(room)
        if about is not None:
            path = f"/rooms/{room}/redact/{quote(about.event_id)}/r{self._next()}"
            self._ask(person, "PUT", path, {}, partial(self._acknowledged, person, room))

    def _set(self, person: Person, room: str) -> None:
        type_, content = self.world.random.choice(
            [
                ("m.room.name", {"name": f"name {self._next()}"}),
                ("m.room.topic", {"topic": f"topic {self._next()}"}),
                ("m.room.join_rules", self._join_rule()),
                ("org.example.state", {"n": self._next()}),
            ]
        )
        path = f"/rooms/{room}/state/{type_}/"
        self._ask(person, "PUT", path, content, partial(self._acknowledged, person, room))

    def _join_rule(self) -> Json:
        rule = self.world.random.choice(("public", "public", "invite", "knock", "restricted"))
        members = [{"type": "m.room_membership", "room_id": self.rooms[0]}]
        return {"join_rule": rule, "allow": members} if rule == "restricted" else {"join_rule": rule}

    def _promote(self, person: Person, room: str, other: Person) -> None:
        """Somebody is given rights, or loses them; the anchors keep theirs."""
        if other in self.anchors:
            return
        path = f"/rooms/{room}/state/m.room.power_levels/"

        def change(answer: Answer | None) -> None:
            if answer is not None and answer.status == 200:
                users = {**answer.json.get("users", {}), other.user_id: self.world.random.choice((0, 50, 60))}
                changed = {**answer.json, "users": users}
                self._ask(person, "PUT", path, changed, partial(self._acknowledged, person, room))

        self._ask(person, "GET", path, None, change)

    def _enter(self, person: Person, room: str) -> None:
        via = [name for name in self.world.servers if name != person.server]
        self._ask(person, "POST", f"/join/{room}", {}, lambda _: None, query=[("via", name) for name in via])

    def _knock(self, person: Person, room: str) -> None:
        via = [("via", name) for name in self.world.servers if name != person.server]
        self._ask(person, "POST", f"/knock/{room}", {}, lambda _: None, query=via)

    def _move(self, person: Person, room: str, how: str, other: Person | None) -> None:
        if (other or person) in self.anchors and room == quote(self.rooms[0]):
            return
        body = {} if other is None else {"user_id": other.user_id}
        self._ask(person, "POST", f"/rooms/{room}/{how}", body, lambda _: None)

    def _tell_device(self, person: Person, other: Person) -> None:
        what = f"to device {self._next()}"
        body = {"messages": {other.user_id: {other.device_id: {"what": what}}}}

        def sent(answer: Answer | None) -> None:
            if answer is not None and answer.status == 200:
                self.sent_to_devices.append((what, other.user_id))

        self._ask(person, "PUT", f"/sendToDevice/org.example/{self._next()}", body, sent)

    def _publish_keys(self, person: Person) -> None:
        """The device has other keys from now on."""
        device = person.device_id
        keys = {f"{name}:{device}": f"{name} {self._next()}" for name in ("curve25519", "ed25519")}
        device_keys = {
            "user_id": person.user_id,
            "device_id": device,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": keys,
            "signatures": {person.user_id: {f"ed25519:{device}": "signed"}},
        }
        self._ask(person, "POST", "/keys/upload", {"device_keys": device_keys}, lambda _: None)

    def _rename(self, person: Person) -> None:
        path = f"/profile/{person.user_id}/displayname"
        self._ask(person, "PUT", path, {"displayname": f"name {self._next()}"}, lambda _: None)

    def _type(self, person: Person, room: str) -> None:
        path = f"/rooms/{room}/typing/{person.user_id}"
        self._ask(person, "PUT", path, {"typing": True, "timeout": 30_000}, lambda _: None)

    def _read(self, person: Person, room: str) -> None:
        about = self._somewhere(room)
        if about is not None:
            path = f"/rooms/{room}/receipt/m.read/{quote(about.event_id)}"
            self._ask(person, "POST", path, {}, lambda _: None)

    def sync(self, person: Person) -> None:
        if person.is_syncing:
            return
        person.is_syncing = True
        query: dict[str, Any] = (
            {"timeout": 0} if person.since is None else {"timeout": 0, "since": person.since}
        )

        def synced(answer: Answer | None) -> None:
            person.is_syncing = False
            if answer is not None and answer.status == 200:
                person.since = answer["next_batch"]
                told = answer.json.get("to_device", {}).get("events", [])
                person.received += [
                    event["content"]["what"] for event in told if event["type"] == "org.example"
                ]
                for room_id, room in answer.json.get("rooms", {}).get("join", {}).items():
                    events = room.get("timeline", {}).get("events", [])
                    person.told.setdefault(room_id, []).extend(event["event_id"] for event in events)

        self._ask(person, "GET", "/sync", None, synced, query=query)

    def _storm(self) -> None:
        """Something happens to servers or to what is between them, or passes."""
        random, weather = self.world.random, self.world.weather
        name, other = random.sample(sorted(self.world.servers), 2)
        match random.randrange(5):
            case 0 if self.world.servers[name].incarnation is not None:
                self.world.crash(name)
                self.world.later(random.uniform(1, 60), lambda: self._rise(name))
            case 1:
                weather.parted.add(frozenset((name, other)))
            case 2:
                weather.lost, weather.doubled = random.choice((0.0, 0.05, 0.3)), random.choice((0.0, 0.1))
                weather.slowest = random.choice((0.05, 1.0, 8.0))
            case _:
                weather.clear_up()

    def _rise(self, name: str) -> None:
        if self.world.servers[name].incarnation is None:
            self.world.start(name)

    def _send(self, person: Person, room: str, type_: str, content: Json) -> None:
        path = f"/rooms/{room}/send/{type_}/t{self._next()}"
        self._ask(person, "PUT", path, content, partial(self._acknowledged, person, room))

    def _acknowledged(self, person: Person, room: str, answer: Answer | None) -> None:
        if answer is not None and answer.status == 200:
            room_id = next(one for one in self.rooms if quote(one) == room)
            self.said.append(Said(room_id, answer["event_id"], person.server))

    def _somewhere(self, room: str) -> Said | None:
        said = [one for one in self.said if quote(one.room_id) == room][-20:]
        return self.world.random.choice(said) if said else None

    def _ask(
        self,
        person: Person,
        method: str,
        path: str,
        body: Json,
        answered: Callable[[Answer | None], None],
        **options: Any,
    ) -> None:
        self.world.ask(person.server, person.compose(method, path, body, **options), answered)

    def _register(self, server: str, name: str) -> Person:
        body = {"username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}}
        nobody = Person(self.world, server, "", "", "")
        answer = nobody.post("/register", body)
        return Person(self.world, server, answer["user_id"], answer["access_token"], answer["device_id"])

    def _join(self, person: Person, room_id: str) -> None:
        via = room_id.partition(":")[2] or next(iter(self.world.servers))
        answer = person.request("POST", f"/join/{quote(room_id)}", {}, query={"via": via})
        assert answer.status == 200, answer

    def _next(self) -> int:
        self._count += 1
        return self._count
