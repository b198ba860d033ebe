"""A random room with forks, refused events and history, damaged in one place after the other: each damage is found."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from homeserver.protocol.events import Event, Proposal, build_event
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.protocol.signing import EventSigner, SigningKey
from homeserver.rooms.graph.tests.arrivals import LENGTH, Arrivals
from homeserver.rooms.graph.tests.stories import Story
from homeserver.rooms.verification.tests.test_stories import StoryVerificationTestCase
from homeserver.storage.engine import Transaction

PLACE = "room_event.state_before, state_after or replaces"
# A fork whose own override rests on no other and on which no other rests.
_FORKED = """
    SELECT e.nid FROM room_event e JOIN room_event_state x ON x.event = e.nid
    WHERE e.position IS NOT NULL AND x.{column} IS NOT NULL ORDER BY e.nid LIMIT 1
"""


class GraphDamageTestCase(StoryVerificationTestCase):
    pytestmark = pytest.mark.wire  # it depends on the database
    arrivals: Arrivals

    def change(self, statement: str, **params: Any) -> None:
        """Changes one row or more behind the server's back."""

        def execute(txn: Transaction) -> int:
            return txn.execute(statement, **params)

        assert self.result_of(self.arrivals.process.db.write(execute)) > 0

    def number(self, query: str, **params: Any) -> int:
        row = self.result_of(self.arrivals.process.db.read(lambda txn: txn.row(query, **params)))
        assert row is not None, query
        return int(row[0])

    def kinds(self) -> set[str]:
        return set(self.found(self.arrivals).kinds)

    def check_found(self, *kinds: str) -> None:
        assert set(kinds) <= self.kinds(), self.kinds()

    def check_mended(self, *kinds: str) -> None:
        self.check_found(*kinds)
        self.check_rebuilt(self.arrivals)

    def check_not_rebuilt(self, *kinds: str) -> None:
        self.check_found(*kinds)
        before = self.kinds()
        (said,) = self.rebuild(self.arrivals)
        assert said.startswith("Not rebuilt: !"), said
        assert self.kinds() == before


class ForkDamageTests(GraphDamageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.arrivals = self.created("11")
        rng = Random("damage")
        story = Story(self.arrivals.first_events(), rng)
        for _ in range(LENGTH):
            self.result_of(self.arrivals.receiver.receive(story.make()))
        self.check_sound(self.arrivals, LENGTH)

    def forked(self, column: str) -> int:
        return self.number(_FORKED.format(column=column))

    def change_override(self, nid: int, change: Callable[[Any], object]) -> None:
        db = self.arrivals.process.db
        query = "SELECT changes FROM room_override WHERE nid = %(nid)s"
        (stored,) = self.result_of(db.read(lambda txn: txn.row(query, nid=nid))) or (b"",)
        changes = json.loads(bytes(stored))
        change(changes)
        self.change(
            "UPDATE room_override SET changes = %(to)s WHERE nid = %(nid)s",
            to=json.dumps(changes).encode(), nid=nid,
        )  # fmt: skip

    def test_state_before(self) -> None:
        nid = self.forked("before_override")
        self.change("UPDATE room_event_state SET before_override = NULL WHERE event = %(nid)s", nid=nid)
        self.check_not_rebuilt("the state before it")

    def test_state_after(self) -> None:
        nid = self.forked("after_override")
        self.change(
            "UPDATE room_event_state SET after_override = NULL, after_line = 1 WHERE event = %(nid)s", nid=nid
        )
        self.check_not_rebuilt("the state after it")

    def test_state_beyond_the_line(self) -> None:
        nid = self.forked("after_override")
        self.change("UPDATE room_event_state SET after_line = 10000 WHERE event = %(nid)s", nid=nid)
        self.check_not_rebuilt("a state beyond the room's line")

    def test_states_that_are_lost(self) -> None:
        nid = self.forked("after_override")
        self.change("DELETE FROM room_event_state WHERE event = %(nid)s", nid=nid)
        self.check_not_rebuilt("room_event.on_fork")

    def test_states_of_refused_events(self) -> None:
        nid = self.number("SELECT min(event) FROM room_refused_event")
        self.change("DELETE FROM room_event_state WHERE event = %(nid)s", nid=nid)
        self.check_not_rebuilt("the states around it are not known")

    def test_flag_of_forks(self) -> None:
        self.change(
            "UPDATE room_event SET on_fork = 0 WHERE nid = %(nid)s", nid=self.forked("after_override")
        )
        self.check_found("room_event.on_fork")

    def test_what_an_override_says(self) -> None:
        override = self.number("SELECT max(after_override) FROM room_event_state")
        self.change_override(override, lambda changes: changes.update(dict.fromkeys(changes)))
        self.check_found("the state after it")

    def test_override_that_is_lost(self) -> None:
        override = self.number("SELECT max(after_override) FROM room_event_state")
        self.change("DELETE FROM room_override WHERE nid = %(nid)s", nid=override)
        self.check_found("states by unknown overrides")
        self.change("UPDATE room_override SET parent = 1 WHERE parent IS NOT NULL")
        self.check_found("overrides on unknown ones, or of a wrong height")

    def test_height(self) -> None:
        self.change("UPDATE room_override SET height = height + 1")
        self.check_found("overrides on unknown ones, or of a wrong height")

    def test_refusals(self) -> None:
        soft = self.number("SELECT min(event) FROM room_refused_event WHERE soft = 1")
        self.change("UPDATE room_refused_event SET soft = 0 WHERE event = %(nid)s", nid=soft)
        self.check_found("the refusal")
        self.change("DELETE FROM room_refused_event WHERE event = %(nid)s", nid=soft)
        self.check_found("states of an event that has no place")

    def test_rejected_event_that_passes_for_soft_failed(self) -> None:
        self.change("UPDATE room_refused_event SET soft = 1 WHERE soft = 0")
        self.check_found("the authorisation")

    def test_refused_event_in_the_timeline(self) -> None:
        nid = self.number("SELECT min(nid) FROM room_event WHERE slot IS NULL")
        self.change(
            "INSERT INTO room_refused_event (event, position, soft, reason) VALUES (%(nid)s, 1, 1, 'wrong')",
            nid=nid,
        )
        self.check_found("refused events in a timeline")

    def test_place_of_an_event_beside_the_timeline(self) -> None:
        self.change("UPDATE room_event SET state_after = 1 WHERE position IS NULL")
        self.check_found(PLACE)

    def test_auth_edges(self) -> None:
        self.change("DELETE FROM room_auth_edge WHERE citing = (SELECT max(citing) FROM room_auth_edge)")
        self.check_mended("a missing auth edge")
        # As in rooms of before there were any.
        self.change("DELETE FROM room_auth_edge")
        self.check_mended("a missing auth edge")
        self.change(
            """
            INSERT INTO room_auth_edge (cited, citing)
            SELECT min(nid) + 1, max(nid) FROM room_event WHERE slot IS NULL
            """
        )
        self.check_mended("a needless auth edge")

    def test_line(self) -> None:
        self.change("UPDATE room_state_span SET event = event - 1 WHERE to_line > 1000")
        self.check_mended("a missing span", "a needless span")
        self.change("DELETE FROM room_state_span")
        self.check_mended("a missing span")

    def test_numbers_on_the_line(self) -> None:
        self.change("UPDATE room_event SET state_before = 1, state_after = 1 WHERE position IS NOT NULL")
        self.check_mended(PLACE)
        self.change("UPDATE room_event SET replaces = NULL WHERE replaces IS NOT NULL")
        self.check_mended(PLACE)

    def test_head(self) -> None:
        for column, value in (("depth", 5), ("state_line", 5), ("extremities", '["$other"]')):
            self.change(f"UPDATE room SET {column} = %(to)s", to=value)
            self.check_mended("the head of the room")

    def test_members(self) -> None:
        self.change("UPDATE room_member SET since = since + 1")
        self.check_mended("room_member")
        self.change("DELETE FROM room_member")
        self.check_mended("room_member")

    def test_body_of_an_event_beside_the_timeline(self) -> None:
        nid = self.number("SELECT min(event) FROM room_refused_event")
        self.change("DELETE FROM room_event_body WHERE nid = %(nid)s", nid=nid)
        self.check_not_rebuilt("the stored event")

    def test_columns_of_an_event_beside_the_timeline(self) -> None:
        self.change("UPDATE room_event SET depth = depth + 1 WHERE position IS NULL")
        self.check_found("room_event.depth")

    def test_order(self) -> None:
        """Of the last two events."""
        last = self.number("SELECT max(position) FROM room_event")
        self.change("UPDATE room_event SET position = 1 WHERE position = %(last)s", last=last)
        self.check_found("room_event.position", "the head of the room")

    def test_rows_that_refer_to_nothing(self) -> None:
        for kind, table, columns in (
            ("auth edges from unknown events", "room_auth_edge (cited, citing)", "1, 1000000"),
            ("auth edges to unknown events", "room_auth_edge (cited, citing)", "1000000, 1"),
            (
                "refusals of unknown events",
                "room_refused_event (event, position, soft, reason)",
                "1000000, 1, 1, ''",
            ),
            (
                "missing events of unknown rooms",
                "room_missing_event (room, event_id, position)",
                "0, '$x', 1",
            ),
            (
                "states of unknown events",
                "room_event_state (event, before_line, after_line)",
                "1000000, 0, 0",
            ),
            (
                "overrides for unknown events",
                "room_override (nid, room, height, changes)",
                "2000000, 1, 0, '{}'",
            ),
            (
                "state spans of unknown events",
                "room_state_span (room, slot, from_line, to_line, event)",
                "1, 1, 5000, 6000, 1000000",
            ),
        ):
            self.change(f"INSERT INTO {table} VALUES ({columns})")
            self.check_found(kind)


class EnteredDamageTests(GraphDamageTestCase):
    def setUp(self) -> None:
        super().setUp()
        rng = Random("damaged history")
        self.story, self.join = self.story_with_join(rng)
        self.arrivals = self.entered(self.story, self.join)

    def fill_gap(self) -> None:
        process = self.arrivals.process
        history = process.history
        missing = self.result_of(history.missing(self.arrivals.room_id))
        chunk = self.story.ancestors(missing, 5)
        given = self.arrivals.given(self.story, chunk)
        assert self.result_of(history.add(self.arrivals.room_id, chunk, given)) > 0
        self.check_sound(self.arrivals, 5)

    def test_missing_events(self) -> None:
        self.check_sound(self.arrivals, 5)
        self.change("DELETE FROM room_missing_event")
        self.check_mended("room_missing_event")
        self.change("UPDATE room_missing_event SET event_id = event_id || 'x'")
        self.check_mended("room_missing_event")
        self.change("UPDATE room_missing_event SET position = position + 1")
        self.check_mended("room_missing_event")

    def test_redactions_of_what_is_not_here(self) -> None:
        waiting = False
        while not waiting:
            event = self.story.make(behind=self.join.event_id)
            if self.arrivals.knows({*event.prev_events, *event.auth_events}):
                received = self.result_of(self.arrivals.receiver.receive(event))
                waiting = received.refusal is None and self.redacts_unknown(event)
        self.check_sound(self.arrivals, 5)
        self.change("DELETE FROM room_early_redaction")
        self.check_mended("room_early_redaction")
        self.change("UPDATE room_early_redaction SET target = target || 'x'")
        self.check_mended("room_early_redaction")

    def redacts_unknown(self, event: Event) -> bool:
        return event.redacts is not None and not self.arrivals.knows({event.redacts})

    def test_history(self) -> None:
        self.fill_gap()
        self.change("UPDATE room_event SET is_history = 0 WHERE is_history = 1")
        self.check_found("room_event.position", "the head of the room")
        self.change("UPDATE room_event SET is_history = 1 WHERE position < 0")
        self.change("UPDATE room_event SET replaces = 1 WHERE is_history = 1")
        self.check_mended(PLACE)

    def test_line_of_a_room_that_others_made(self) -> None:
        self.change("UPDATE room_state_span SET from_line = from_line + 1 WHERE from_line >= 0")
        self.check_mended("a missing span", "a needless span")
        self.change("UPDATE room_summary SET joined = joined + 1")
        self.check_mended("room_summary")

    def test_outlier_that_is_lost(self) -> None:
        nid = self.number("SELECT max(cited) FROM room_auth_edge")
        self.change("DELETE FROM room_event WHERE nid = %(nid)s", nid=nid)
        self.check_found("bodies of unknown events", "auth edges to unknown events")

    def test_outlier_that_is_forged(self) -> None:
        nid = self.number("SELECT max(nid) FROM room_event WHERE position IS NULL")
        self.change("UPDATE room_event_body SET federation = '{}' WHERE nid = %(nid)s", nid=nid)
        self.check_not_rebuilt("the stored event")

    def test_outlier_that_was_not_allowed(self) -> None:
        found = self.number(
            """
            SELECT max(e.nid) FROM room_event e JOIN room_slot s ON s.nid = e.slot
            WHERE e.position IS NULL AND s.type = 'm.room.member'
                AND EXISTS (SELECT 1 FROM room_state_span p WHERE p.event = e.nid)
                AND EXISTS (SELECT 1 FROM room_auth_edge g WHERE g.citing = e.nid)
            """
        )
        cited = self.number("SELECT max(cited) FROM room_auth_edge WHERE citing = %(nid)s", nid=found)
        self.change(
            "INSERT INTO room_refused_event (event, position, soft, reason) VALUES (%(nid)s, 1, 0, 'wrong')",
            nid=cited,
        )
        self.check_found("the authorisation", "the states around it are not known")

    def test_outlier_that_nothing_relies_on(self) -> None:
        """It was not checked yet, and may be whatever it is."""
        create = next(iter(self.story.events.values()))
        proposal = Proposal(
            version=create.version,
            room_id=create.room_id,
            type="m.room.topic",
            state_key="",
            sender=UserID("@mallory:test"),
            content={},
            origin_server_ts=1,
            depth=9,
            prev_events=(self.join.event_id,),
            auth_events=() if create.version.room_id_is_create_hash else (create.event_id,),
        )
        event = build_event(proposal, EventSigner(ServerName("test"), SigningKey("test", b"\x01" * 32)))
        head = self.result_of(self.arrivals.process.heads.get(create.room_id))
        self.result_of(self.arrivals.process.ingest.set_aside(head, [event]))
        self.check_sound(self.arrivals, 5)
