"""Real rooms, damaged in one place after the other: each damage is found, and mended where it can be."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from config.loading import load
from homeserver.app.read_models import read_models
from homeserver.protocol.identifiers import ServerName
from homeserver.protocol.packed_half import pack, unpack
from homeserver.protocol.signing import SigningKey
from homeserver.rooms import create
from homeserver.rooms.verification.database import verify
from homeserver.rooms.verification.differences import Findings
from homeserver.rooms.verification.rebuilding import rebuild
from homeserver.rooms.verification.stored import Identity
from homeserver.storage.engine import Transaction
from tests.wire import SERVER_NAME, WireClient, WireTestCase

IDENTITY = Identity(ServerName(SERVER_NAME), SigningKey("test", b"\x01" * 32))
TOPIC = "m.room.topic"
_CONFIG = load([], data_dir=Path("unused"), environ={}, overrides=[f"server_name={SERVER_NAME}"]).config


class VerificationTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])

    def found(self, identity: Identity = IDENTITY) -> Findings:
        with closing(self._engine.connect()) as connection:
            return verify(connection, identity, lambda findings, rooms: None)

    def rebuild(self) -> list[str]:
        said: list[str] = []
        with closing(self._engine.connect()) as connection:
            rebuild(connection, read_models(_CONFIG), 1, said.append)
        return said

    def change(self, statement: str, **params: Any) -> None:
        """Changes one row or more behind the server's back."""

        def execute(txn: Transaction) -> int:
            return txn.execute(statement, **params)

        self.assertGreater(self.successResultOf(self.server.db.write(execute)), 0)

    def row(self, statement: str, **params: Any) -> Any:
        return self.successResultOf(self.server.db.read(lambda txn: txn.row(statement, **params)))

    def nid(self, event_id: str) -> int:
        return int(self.row("SELECT nid FROM room_event WHERE event_id = %(id)s", id=event_id)[0])

    def check_sound(self) -> None:
        found = self.found()
        self.assertEqual(list(found.lines()), [])
        self.assertGreater(found.events, 0)


class DamageTests(VerificationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.bob.send(self.room_id, "hello")
        self.first_topic = self.alice.set_state(self.room_id, TOPIC, {"topic": "one"})["event_id"]
        self.topic = self.alice.set_state(self.room_id, TOPIC, {"topic": "two"})["event_id"]
        self.redacted = self.bob.send(self.room_id, "oops")
        self.redaction = self.alice.redact(self.room_id, self.redacted)["event_id"]
        self.check_sound()

    def check_kinds(self, *kinds: str) -> None:
        self.assertEqual(set(self.found().kinds), set(kinds))

    def check_mended(self, *kinds: str) -> None:
        self.check_kinds(*kinds)
        self.assertEqual(self.rebuild(), [])
        self.check_sound()

    def change_body(self, event_id: str, half: str, change: Callable[[Any], object]) -> None:
        nid = self.nid(event_id)
        (stored,) = self.row(f"SELECT {half} FROM room_event_body WHERE nid = %(nid)s", nid=nid)
        body = unpack(stored)
        change(body)
        changed = pack(body)
        self.change(f"UPDATE room_event_body SET {half} = %(to)s WHERE nid = %(nid)s", to=changed, nid=nid)

    def test_content(self) -> None:
        self.change_body(self.message, "client", lambda body: body["content"].update(body="hullo"))
        self.check_kinds("the content hash")
        (line,) = self.found().lines()
        self.assertIn(self.message, line)

    def test_content_of_a_redacted_event(self) -> None:
        """Neither what was sent nor what the redaction left."""
        self.change_body(self.redacted, "client", lambda body: body["content"].update(body="hullo"))
        self.check_kinds("the content hash")

    def test_what_the_event_id_covers(self) -> None:
        self.change_body(self.message, "client", lambda body: body.update(origin_server_ts=1))
        self.check_kinds("the stored event")
        self.assertIn("has the hash of", next(self.found().lines()))

    def test_event_id_for_clients(self) -> None:
        self.change_body(self.message, "client", lambda body: body.update(event_id=self.topic))
        self.check_kinds("the stored event")

    def test_bytes_that_are_no_json(self) -> None:
        nid = self.nid(self.message)
        self.change("UPDATE room_event_body SET client = %(no)s WHERE nid = %(nid)s", no=b'{"', nid=nid)
        self.check_kinds("the stored event")

    def test_body_that_is_gone(self) -> None:
        self.change("DELETE FROM room_event_body WHERE nid = %(nid)s", nid=self.nid(self.message))
        self.check_kinds("the stored event")

    def test_signature(self) -> None:
        def forge(body: Any) -> None:
            body["signatures"][SERVER_NAME]["ed25519:test"] = "A" * 86

        self.change_body(self.message, "federation", forge)
        self.check_kinds("a signature")

    def test_signature_that_is_missing(self) -> None:
        self.change_body(self.message, "federation", lambda body: body.update(signatures={}))
        self.check_kinds("a signature")

    def test_other_key(self) -> None:
        """Its signatures cannot be verified, which is told and is no difference."""
        found = self.found(IDENTITY._replace(key=SigningKey("newer", b"\x02" * 32)))
        self.assertEqual((found.count, found.unchecked.total()), (0, found.events))
        self.assertGreater(self.found(IDENTITY._replace(key=SigningKey("test", b"\x02" * 32))).count, 0)

    def test_columns(self) -> None:
        for column in ("depth", "origin_server_ts", "sender", "type"):
            (before,) = self.row(f"SELECT {column} FROM room_event WHERE event_id = %(id)s", id=self.message)
            change = f"UPDATE room_event SET {column} = %(to)s WHERE event_id = %(id)s"
            self.change(change, to=before + 1000, id=self.message)
            self.assertIn(f"room_event.{column}", self.found().kinds)
            self.change(change, to=before, id=self.message)
        self.check_sound()

    def test_slot(self) -> None:
        self.change("UPDATE room_event SET slot = slot + 1 WHERE event_id = %(id)s", id=self.topic)
        self.assertIn("room_event.slot", self.found().kinds)

    def test_numbers_on_the_state_line(self) -> None:
        for column in ("state_before", "state_after"):
            self.change(f"UPDATE room_event SET {column} = 1 WHERE event_id = %(id)s", id=self.topic)
            found = self.found()
            self.assertIn("room_event.state_before, state_after or replaces", found.kinds)
            self.assertEqual(self.rebuild(), [])
            self.check_sound()

    def test_replaces(self) -> None:
        self.change("UPDATE room_event SET replaces = NULL WHERE event_id = %(id)s", id=self.topic)
        self.check_mended("room_event.state_before, state_after or replaces")

    def test_marks_of_redactions(self) -> None:
        self.change("UPDATE room_event SET redacted_by = NULL WHERE event_id = %(id)s", id=self.redacted)
        self.check_mended("room_event.redacted_by", "retained content of what is not redacted")
        self.change(
            "UPDATE room_event SET redacted_by = %(by)s WHERE event_id = %(id)s",
            by=self.nid(self.redaction), id=self.message,
        )  # fmt: skip
        self.check_mended("room_event.redacted_by", "redacted content that no task would drop")

    def test_spans(self) -> None:
        topic = self.nid(self.topic)
        self.change("UPDATE room_state_span SET from_line = from_line + 1 WHERE event = %(nid)s", nid=topic)
        self.check_mended("a missing span", "a needless span")
        self.change("DELETE FROM room_state_span WHERE event = %(nid)s", nid=self.nid(self.first_topic))
        self.check_mended("a missing span")
        self.change(
            """
            INSERT INTO room_state_span (room, slot, from_line, to_line, event)
            SELECT room, slot + 1000, from_line, to_line, event FROM room_state_span WHERE event = %(nid)s
            """,
            nid=topic,
        )
        self.check_mended("a needless span")

    def test_members(self) -> None:
        self.change("UPDATE room_member SET since = since + 1 WHERE membership = 'join'")
        self.check_mended("room_member")
        self.change("DELETE FROM room_member WHERE user_nid = (SELECT max(user_nid) FROM room_member)")
        self.check_mended("room_member", "users of this server who are no members")
        self.change("UPDATE room_summary SET joined = joined + 1")
        self.check_mended("room_summary")

    def test_what_was_forgotten_stays_forgotten(self) -> None:
        self.bob.leave(self.room_id)
        self.bob.forget(self.room_id)
        self.change("UPDATE room_summary SET joined = joined + 1")
        self.check_mended("room_summary")
        self.assertEqual(self.row("SELECT count(*) FROM room_member WHERE forgotten = 1"), (1,))

    def test_head(self) -> None:
        for column, value in (("depth", 5), ("state_line", 5), ("extremities", '["$other"]')):
            self.change(f"UPDATE room SET {column} = %(to)s", to=value)
            self.check_mended("the head of the room")

    def test_missing_event(self) -> None:
        """Whatever followed on it says so. Deriving the room anew makes a gap of it, which others may fill."""
        self.change("DELETE FROM room_event WHERE event_id = %(id)s", id=self.message)
        orphans = ("bodies of unknown events", "transaction IDs of unknown events")
        self.check_kinds("room_missing_event", "the head of the room", *orphans)
        self.assertEqual(self.rebuild(), [])
        self.check_kinds(*orphans)
        self.assertEqual(self.row("SELECT event_id FROM room_missing_event"), (self.message,))
        # The room goes on, from both ends.
        self.bob.send(self.room_id, "on we go")
        self.check_kinds(*orphans)

    def test_event_that_was_not_allowed(self) -> None:
        """Without the member event that let bob in, what he said was not allowed; its traces are found too."""
        (joined,) = self.row(
            "SELECT event FROM room_member WHERE user_nid = (SELECT max(user_nid) FROM room_member)"
        )
        self.change("UPDATE room_event SET position = nid + 1000 WHERE nid = %(nid)s", nid=joined)
        self.assertIn("the authorisation", self.found().kinds)

    def test_event_outside_the_timeline(self) -> None:
        self.change("UPDATE room_event SET position = NULL WHERE event_id = %(id)s", id=self.message)
        self.check_kinds(
            "room_event.state_before, state_after or replaces", "room_missing_event", "the head of the room"
        )

    def test_position_of_the_journal(self) -> None:
        self.change("UPDATE stream_position SET position = position - 1")
        self.check_kinds("events beyond the journal's position")

    def test_what_rests_on_unreadable_state_is_not_judged(self) -> None:
        (levels,) = self.row(
            "SELECT min(e.nid) FROM room_event e JOIN room_event_type t ON t.nid = e.type"
            " WHERE t.type = 'm.room.power_levels'"
        )
        self.change("DELETE FROM room_event_body WHERE nid = %(nid)s", nid=levels)
        found = self.found()
        self.assertEqual(set(found.kinds), {"the stored event"})
        self.assertGreater(found.unchecked.total(), 5)

    def test_rooms_with_unreadable_events_are_not_rebuilt(self) -> None:
        self.change("DELETE FROM room_event_body WHERE nid = %(nid)s", nid=self.nid(self.message))
        self.change("UPDATE room_summary SET joined = joined + 1")
        (said,) = self.rebuild()
        self.assertIn(self.message, said)
        self.check_kinds("the stored event", "room_summary")

    def test_only_the_first_are_listed(self) -> None:
        for number in range(120):
            self.bob.send(self.room_id, str(number))
        self.change("UPDATE room_event SET depth = depth + 1 WHERE slot IS NULL")
        found = self.found()
        lines = list(found.lines())
        self.assertEqual(found.kinds["room_event.depth"], 123)
        self.assertEqual(len(lines), 100 + len(found.kinds))
        self.assertIn("123 in all: room_event.depth", lines)

    def test_many_spans_are_counted(self) -> None:
        self.change("DELETE FROM room_state_span")
        (spans,) = self.row("SELECT count(*) FROM room_event WHERE slot IS NOT NULL")
        self.assertEqual(self.found().kinds, {"a missing span": spans})


class ActivityTests(VerificationTestCase):
    """Whatever users do, nothing differs."""

    def act(
        self, chance: Random, rooms: list[str], users: list[WireClient], sent: list[tuple[str, str]]
    ) -> None:
        user, other, room_id = chance.choice(users), chance.choice(users), chance.choice(rooms)
        levels = {"users": {other.user_id: chance.choice([0, 50])}, "events": {TOPIC: chance.choice([0, 50])}}
        actions: list[Callable[[], object]] = [
            lambda: user.join(room_id),
            lambda: user.leave(room_id),
            lambda: user.forget(room_id),
            lambda: user.invite(room_id, other),
            lambda: user.kick(room_id, other),
            lambda: user.ban(room_id, other),
            lambda: user.unban(room_id, other),
            lambda: user.set_state(room_id, TOPIC, {"topic": str(chance.random())}),
            lambda: user.set_state(room_id, "m.room.power_levels", levels),
            lambda: user.set_state(
                room_id, "m.room.join_rules", {"join_rule": chance.choice(["invite", "public"])}
            ),
            lambda: user.put(f"/profile/{user.user_id}/displayname", {"displayname": str(chance.random())}),
        ]
        chance.choice(actions)()
        body = {"body": str(chance.random()), "msgtype": "m.text"}
        answer = user.put(f"/rooms/{room_id}/send/m.room.message/{chance.random()}", body)
        if answer.status == 200:
            sent.append((room_id, answer["event_id"]))
        if sent and chance.random() < 0.3:
            answer = other.redact(*chance.choice(sent))
            if answer.status == 200:
                sent.append((room_id, answer["event_id"]))
        if chance.random() < 0.1:
            state = user.get(f"/rooms/{room_id}/state")
            if state.status == 200:
                user.redact(room_id, chance.choice(state.json)["event_id"])

    def check(self, versions: Sequence[str]) -> None:
        chance = Random(5)
        users = [self.alice, self.bob, self.register("carol")]
        rooms = [
            self.alice.create_room(preset="public_chat", members=[self.bob], room_version=version)
            for version in versions
        ]
        sent: list[tuple[str, str]] = []
        for _ in range(200):
            self.act(chance, rooms, users, sent)
        self.assertGreater(len(sent), 50)
        self.check_sound()
        # And once the content of what was redacted is gone.
        self.advance(8 * 24 * 3600)
        self.assertEqual(self.row("SELECT count(*) FROM room_redacted_content"), (0,))
        self.check_sound()
        self.assertEqual(self.rebuild(), [])
        self.check_sound()

    def test_nothing_differs(self) -> None:
        self.check(create.CREATABLE_VERSIONS)

    def test_rules_that_were_redacted(self) -> None:
        """Some events were allowed by what was there before the redaction, others by what it left."""
        carol = self.register("carol")
        room_id = self.alice.create_room(preset="public_chat", members=[self.bob], room_version="10")
        levels = self.alice.state(room_id, "m.room.power_levels").json | {"invite": 50}
        event_id = self.alice.set_state(room_id, "m.room.power_levels", levels)["event_id"]
        self.assertEqual(self.bob.invite(room_id, carol).status, 403)
        self.alice.redact(room_id, event_id)
        # Room versions before 11 do not keep this level, and its default is lower.
        self.assertEqual(self.bob.invite(room_id, carol).status, 200)
        self.check_sound()
        self.advance(8 * 24 * 3600)
        self.check_sound()
