"""Whatever happens in a room: what is told is what one counts in its timeline."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from homeserver.push.tests.unread import BY_THREAD, Counts, UnreadTestCase, pair
from tests.client import Json
from tests.wire import WireClient

SEEDS = range(8)
STEPS = 50
KEYWORD = "cake"
SILENT = ("muted", "mentions only")


@dataclass
class Message:
    """`exceptions` are verdicts, by user, that were not what is counted for the user's rules at the time."""

    event_id: str
    sender: str
    thread: str
    usual: int
    is_edit: bool
    exceptions: dict[str, Counts] = field(default_factory=dict)
    is_redacted: bool = False


@dataclass
class Person:
    client: WireClient
    rules: str = "default"
    joined_at: int | None = 0
    marks: dict[str, int] = field(default_factory=dict)
    """How many messages were read in each thread; '' is all of them."""
    since: str = ""
    told: dict[str, Counts] = field(default_factory=dict)


class RandomTests(UnreadTestCase):
    def test_counts(self) -> None:
        for seed in SEEDS:
            with self.subTest(seed=seed):
                Story(self, Random(seed)).run()


class Story:
    """One room of three, in which anything happens."""

    def __init__(self, test: UnreadTestCase, random: Random) -> None:
        self.test = test
        self.random = random
        self.room_id = test.room_id = test.bob.create_room(
            members=[test.alice, test.carol], preset="public_chat"
        )
        self.messages: list[Message] = []
        self.people = {user.user_id: Person(user) for user in (test.alice, test.bob, test.carol)}
        for person in self.people.values():
            self.sync(person)

    def run(self) -> None:
        actions = [self.say] * 8 + [self.read] * 4 + [self.redact] * 2 + [self.change_rules] * 2
        actions += [self.come_or_go, self.restart]
        for _ in range(STEPS):
            self.random.choice(actions)()
            for person in self.random.sample(list(self.people.values()), 2):
                if person.joined_at is not None:
                    self.sync(person)
        for person in self.people.values():
            self.reset_rules(person)

    def someone(self, *, joined: bool = True) -> Person | None:
        found = [person for person in self.people.values() if (person.joined_at is not None) == joined]
        return self.random.choice(found) if found else None

    def say(self) -> None:
        person = self.someone()
        if person is None:
            return
        content, thread, kind = self.message()
        event_id = self.test.say(person.client, **content)
        usual, is_edit = int(kind == "text"), kind == "edit"
        message = Message(event_id, person.client.user_id, thread, usual, is_edit)
        if usual:
            mentioned = content.get("m.mentions", {}).get("user_ids", [])
            for user_id, other in self.people.items():
                if other is not person and other.joined_at is not None:
                    verdict = judge(other.rules, content["body"], user_id in mentioned)
                    if verdict != (int(other.rules not in SILENT), 0):
                        message.exceptions[user_id] = verdict
        self.messages.append(message)
        person.marks[thread] = len(self.messages)

    def message(self) -> tuple[Json, str, str]:
        """Content, thread and kind."""
        kind = self.random.choice(["text", "text", "notice", "edit"])
        content: Json = {"body": self.random.choice(["hello", f"a {KEYWORD}!"])}
        if kind == "notice":
            content["msgtype"] = "m.notice"
        if kind == "edit":
            originals = [each for each in self.messages[-5:] if not (each.is_edit or each.is_redacted)]
            if not originals:
                return content, "main", "text"
            # It notifies nobody, but is in the thread of what is edited.
            edited = self.random.choice(originals)
            content |= {"m.relates_to": {"rel_type": "m.replace", "event_id": edited.event_id}}
            return content, edited.thread, "edit"
        if self.random.random() < 0.3:
            content["m.mentions"] = {"user_ids": [self.random.choice(list(self.people))]}
        roots = [each.event_id for each in self.messages if each.thread == "main" and not each.is_edit]
        if roots and self.random.random() < 0.4:
            root = self.random.choice(roots[:3])
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": root}
            return content, root, kind
        return content, "main", kind

    def read(self) -> None:
        person = self.someone()
        if person is None or not self.messages:
            return
        index = self.random.randrange(len(self.messages))
        message = self.messages[index]
        thread = self.random.choice([None, message.thread])
        type_ = self.random.choice(["m.read", "m.read.private"])
        if message.is_redacted and thread is not None:
            # Its relation may be gone, and with it the thread.
            return
        self.test.read(person.client, message.event_id, type_, thread)
        person.marks[thread or ""] = max(person.marks.get(thread or "", 0), index + 1)

    def redact(self) -> None:
        candidates = [each for each in self.messages[-8:] if not each.is_redacted]
        bob = self.people[self.test.bob.user_id]
        if candidates and bob.joined_at is not None:
            message = self.random.choice(candidates)
            assert bob.client.redact(self.room_id, message.event_id).status == 200
            message.is_redacted = True

    def come_or_go(self) -> None:
        person = self.random.choice(
            [self.people[self.test.alice.user_id], self.people[self.test.carol.user_id]]
        )
        if person.joined_at is None:
            assert person.client.join(self.room_id).status == 200
            person.joined_at = len(self.messages)
        else:
            assert person.client.leave(self.room_id).status == 200
            person.joined_at = None

    def change_rules(self) -> None:
        person = self.random.choice(list(self.people.values()))
        self.reset_rules(person)
        person.rules = self.random.choice(["default", "muted", "mentions only", "keyword"])
        if person.rules == "muted":
            here = {"kind": "event_match", "key": "room_id", "pattern": self.room_id}
            self.test.rule(person.client, "override/mute", conditions=[here])
        elif person.rules == "mentions only":
            self.test.rule(person.client, f"room/{self.room_id}")
        elif person.rules == "keyword":
            actions = ["notify", {"set_tweak": "highlight"}]
            self.test.rule(person.client, "content/keyword", pattern=KEYWORD, actions=actions)

    def reset_rules(self, person: Person) -> None:
        path = {
            "muted": "override/mute",
            "mentions only": f"room/{self.room_id}",
            "keyword": "content/keyword",
        }.get(person.rules)
        if path is not None:
            assert person.client.delete(f"/pushrules/global/{path}").status == 200
        person.rules = "default"

    def restart(self) -> None:
        if self.random.random() < 0.2:
            self.test.restart()

    def sync(self, person: Person) -> None:
        """What a client knows after an incremental sync, and what a first one tells, is what is counted."""
        query = {"since": person.since} if person.since else {}
        answer = person.client.sync(**query, filter=BY_THREAD)
        person.since = answer.next_batch
        told = answer.room(self.room_id)
        if told is not None:
            person.told = counts_in(told)
        expected = dict(self.recount(person))
        first = person.client.sync(filter=BY_THREAD).room(self.room_id)
        self.test.assertEqual(counts_in(first), expected)
        self.test.assertEqual(person.told, expected)

    def recount(self, person: Person) -> Iterator[tuple[str, Counts]]:
        """Message by message; threads without any are left out."""
        user_id = person.client.user_id
        found: dict[str, list[Counts]] = {}
        for number, message in enumerate(self.messages, start=1):
            read_up_to = max(
                person.joined_at or 0, person.marks.get("", 0), person.marks.get(message.thread, 0)
            )
            if number > read_up_to and message.sender != user_id and not message.is_redacted:
                plain = 0 if person.rules in SILENT else message.usual
                found.setdefault(message.thread, []).append(message.exceptions.get(user_id, (plain, 0)))
        for thread, verdicts in found.items():
            notify, highlight = (sum(column) for column in zip(*verdicts, strict=True))
            if notify:
                yield thread, (notify, highlight)


def judge(rules: str, body: str, mentioned: bool) -> Counts:
    if rules == "muted":
        return 0, 0
    if mentioned or (rules == "keyword" and KEYWORD in body):
        return 1, 1
    return int(rules != "mentions only"), 0


def counts_in(room: Json) -> dict[str, Counts]:
    """By thread, without those where nothing is unread."""
    counts = {"main": room["unread_notifications"], **room.get("unread_thread_notifications", {})}
    return {thread: pair(each) for thread, each in counts.items() if pair(each) != (0, 0)}
