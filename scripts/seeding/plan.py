"""What the demo town will look like: people, rooms, and who says what. Pure; one seed makes one plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from . import town

PASSERS_BY = 2
"""People who left a public room, and invitations to a private room that wait for an answer."""
DIRECT_CHATS = 10
_ASKED = 8


@dataclass(frozen=True)
class Person:
    localpart: str
    name: str


class Kind(Enum):
    SPACE = "space"
    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"


@dataclass(frozen=True)
class Room:
    """`members` begin with the creator. `visitors` leave a public room, or never enter a private one."""

    kind: Kind
    members: Sequence[Person]
    visitors: Sequence[Person] = ()
    alias: str | None = None
    name: str | None = None
    topic: str | None = None


class Act(Enum):
    SAY = "say"
    REPLY = "reply"
    THREAD = "thread"
    REACT = "react"
    EDIT = "edit"


_WEIGHTS = {Act.SAY: 60, Act.REPLY: 12, Act.THREAD: 10, Act.REACT: 12, Act.EDIT: 6}


@dataclass(frozen=True)
class Line:
    """One event. `target` (what it is about) and `latest` (of its thread) are numbers of earlier lines."""

    room: int
    sender: Person
    act: Act
    text: str
    target: int | None = None
    latest: int | None = None


@dataclass(frozen=True)
class Plan:
    people: Sequence[Person]
    rooms: Sequence[Room]
    lines: Sequence[Line]


def make_plan(messages: int, seed: int) -> Plan:
    """The same people and rooms for every seed; who is in which, and the talk, follow it."""
    rng = Random(seed)
    people = [
        Person(name.lower(), f"{name} the {town.TRADES[number % len(town.TRADES)]}")
        for number, name in enumerate(town.PEOPLE)
    ]
    rooms = [_space(people)]
    for more in (_public_rooms, _private_rooms, _direct_chats):
        rooms.extend(more(people, rng))
    return Plan(people, rooms, _Talk(rooms, rng).lines(messages))


def _space(people: Sequence[Person]) -> Room:
    alias, name, topic = town.SPACE
    return Room(Kind.SPACE, people[:12], alias=alias, name=name, topic=topic)


def _public_rooms(people: Sequence[Person], rng: Random) -> Iterator[Room]:
    (square, *others) = town.PUBLIC_ROOMS
    alias, name, topic = square
    yield Room(Kind.PUBLIC, people, alias=alias, name=name, topic=topic)
    for alias, name, topic in others:
        crowd = rng.sample(people, rng.randint(10, 16))
        members, visitors = crowd[:-PASSERS_BY], crowd[-PASSERS_BY:]
        yield Room(Kind.PUBLIC, members, visitors, alias, name, topic)


def _private_rooms(people: Sequence[Person], rng: Random) -> Iterator[Room]:
    # Nobody is invited to two of them: servers allow few invitations at once.
    crowd = rng.sample(people, len(people))
    for name, topic in town.PRIVATE_ROOMS:
        size = rng.randint(6, 9)
        circle, crowd = crowd[:size], crowd[size:]
        members, visitors = circle[:-PASSERS_BY], circle[-PASSERS_BY:]
        yield Room(Kind.PRIVATE, members, visitors, name=name, topic=topic)


def _direct_chats(people: Sequence[Person], rng: Random) -> Iterator[Room]:
    pairs = rng.sample(people, 2 * DIRECT_CHATS)
    for one, other in zip(pairs[::2], pairs[1::2], strict=True):
        yield Room(Kind.DIRECT, (one, other))


@dataclass
class _Said:
    """What was said in one room so far: numbers of lines."""

    texts: list[int] = field(default_factory=list)
    """Those that others can answer, react to, or begin a thread at."""
    threads: dict[int, int] = field(default_factory=dict)
    """The latest line of each thread, by its root."""
    reactions: set[tuple[Person, int, str]] = field(default_factory=set)


class _Talk:
    def __init__(self, rooms: Sequence[Room], rng: Random) -> None:
        self._rooms = rooms
        self._rng = rng
        self._places = [number for number, room in enumerate(rooms) if room.kind is not Kind.SPACE]
        self._said = [_Said() for _ in rooms]
        self._spoken: dict[Person, int] = {}
        self._lines: list[Line] = []

    def lines(self, number: int) -> list[Line]:
        while len(self._lines) < number:
            self._lines.append(self._next())
        return self._lines

    def _next(self) -> Line:
        room = self._somewhere()
        act = self._rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        line = None if act is Act.SAY else self._answer(room, act)
        line = line or self._say(room)
        self._spoken[line.sender] = self._spoken.get(line.sender, 0) + 1
        return line

    def _somewhere(self) -> int:
        sizes = [len(self._rooms[place].members) for place in self._places]
        return self._rng.choices(self._places, sizes)[0]

    def _somebody(self, room: int) -> Person:
        """Whoever of some has said least, so that nobody runs into the server's rate limit much sooner."""
        members = self._rooms[room].members
        asked = self._rng.sample(members, min(_ASKED, len(members)))
        return min(asked, key=lambda person: self._spoken.get(person, 0))

    def _say(self, room: int) -> Line:
        self._said[room].texts.append(len(self._lines))
        return Line(room, self._somebody(room), Act.SAY, self._sentence())

    def _answer(self, room: int, act: Act) -> Line | None:
        """A line about one of the room's latest; None where there is nothing to do that to."""
        said = self._said[room]
        if not said.texts:
            return None
        target = self._rng.choice(said.texts[-8:])
        match act:
            case Act.REACT:
                return self._react(room, target)
            case Act.EDIT:
                original = self._lines[target]
                return Line(room, original.sender, act, original.text + town.AFTERTHOUGHT, target)
            case Act.THREAD:
                latest = said.threads.get(target, target)
                said.threads[target] = len(self._lines)
                return Line(room, self._somebody(room), act, self._rng.choice(town.REPLIES), target, latest)
            case _:
                return Line(room, self._somebody(room), act, self._rng.choice(town.REPLIES), target)

    def _react(self, room: int, target: int) -> Line | None:
        sender, key = self._somebody(room), self._rng.choice(town.REACTIONS)
        reactions = self._said[room].reactions
        # Servers refuse the same reaction of the same user.
        if (sender, target, key) in reactions:
            return None
        reactions.add((sender, target, key))
        return Line(room, sender, Act.REACT, key, target)

    def _sentence(self) -> str:
        template = self._rng.choice(town.SENTENCES)
        return template.format(**{kind: self._rng.choice(words) for kind, words in town.WORDS.items()})
