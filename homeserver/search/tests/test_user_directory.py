from collections.abc import Sequence
from typing import Any, ClassVar

from homeserver.accounts.domains import LocalDomains
from homeserver.protocol.identifiers import ServerName, UserID
from homeserver.search.member_index import MemberIndex
from homeserver.search.store.users import IndexedUser, index_user
from homeserver.search.user_index import UserIndex
from homeserver.search.words import words_of_user
from homeserver.storage.engine import Row, Transaction
from tests.wire import PASSWORD, WireClient, WireTestCase, each

Json = Any


class DirectoryTestCase(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")

    def name(self, user: WireClient, name: str) -> None:
        self.assertEqual(user.put(f"/profile/{user.user_id}/displayname", {"displayname": name}).status, 200)

    def search(self, user: WireClient, term: str, **body: Json) -> Json:
        answer = user.post("/user_directory/search", {"search_term": term, **body})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def found(self, term: str, user: WireClient | None = None) -> list[str]:
        return [one["user_id"] for one in self.search(user or self.alice, term)["results"]]

    def rows(self, table: str) -> list[Row]:
        def read(txn: Transaction) -> list[Row]:
            return txn.rows(f"SELECT * FROM {table}")

        return self.successResultOf(self.server.db.read(read))

    def add_remote(self, user_id: str, name: str) -> None:
        """A user of another server, as if they had come into a room of Alice's."""

        def write(txn: Transaction) -> None:
            txn.execute("INSERT INTO known_user (user_id) VALUES (%(user_id)s)", user_id=user_id)
            row = txn.row("SELECT nid FROM known_user WHERE user_id = %(user_id)s", user_id=user_id)
            room = txn.row("SELECT room, event FROM room_member LIMIT 1")
            assert row is not None
            assert room is not None
            user = IndexedUser(row[0], UserID(user_id), is_local=False, displayname=name, avatar_url=None)
            index_user(txn, user, words_of_user(user_id, name))
            txn.execute(
                """
                INSERT INTO room_member (room, user_nid, membership, event, position, since)
                VALUES (%(room)s, %(user)s, 'join', %(event)s, 1, 1)
                """,
                room=room[0], user=row[0], event=room[1],
            )  # fmt: skip

        self.successResultOf(self.server.db.write(write))


class SearchTests(DirectoryTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.room_id = self.alice.create_room(members=[self.bob])
        self.name(self.bob, "Bob Grün-Weiß")

    def test_beginnings_of_words_in_names_and_ids(self) -> None:
        terms = [
            "b",
            "bob",
            "GRUN",
            "grün",
            "weiss",
            "wei gru",
            "@bob",
            "@bob:test",
            "@bob:te",
            "bob grün weiß",
        ]
        each(lambda term: self.assertEqual(self.found(term), [self.bob.user_id]), terms)
        each(
            lambda term: self.assertEqual(self.found(term), []),
            ["ob", "bob x", "@bob:other", "", "%", "test"],
        )

    def test_what_is_shown(self) -> None:
        self.bob.put(f"/profile/{self.bob.user_id}/avatar_url", {"avatar_url": "mxc://test/a"})
        expected = {
            "user_id": self.bob.user_id,
            "display_name": "Bob Grün-Weiß",
            "avatar_url": "mxc://test/a",
        }
        self.assertEqual(self.search(self.alice, "bob"), {"results": [expected], "limited": False})

    def test_new_names_replace_old_ones(self) -> None:
        self.name(self.bob, "Robert")
        self.assertEqual(self.found("robert"), [self.bob.user_id])
        self.assertEqual(self.found("weiss"), [])
        self.assertEqual(self.found("bob"), [self.bob.user_id])

    def test_oneself_is_not_found(self) -> None:
        self.assertEqual(self.found("alice"), [])

    def test_who_shares_no_room_is_not_found(self) -> None:
        eve = self.register("eve")
        self.assertEqual(self.found("bob", eve), [])
        self.assertEqual(self.found("eve"), [])
        self.bob.leave(self.room_id)
        self.assertEqual(self.found("bob"), [])

    def test_members_of_public_rooms_are_found_by_everybody(self) -> None:
        eve = self.register("eve")
        for preset, extra in (
            ("public_chat", {}),
            (
                "private_chat",
                {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}},
            ),
        ):
            room_id = self.bob.create_room(preset=preset, initial_state=[extra] if extra else [])
            self.assertEqual(self.found("bob", eve), [self.bob.user_id])
            self.bob.set_state(room_id, "m.room.join_rules", {"join_rule": "invite"})
            self.bob.set_state(room_id, "m.room.history_visibility", {"history_visibility": "shared"})
            self.assertEqual(self.found("bob", eve), [])
        self.assertEqual(self.rows("search_public_room"), [])

    def test_deactivated_users_are_not_found(self) -> None:
        public = self.bob.create_room(preset="public_chat")
        self.alice.join(public)
        identifier = {"type": "m.id.user", "user": "bob"}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        self.assertEqual(self.bob.post("/account/deactivate", {"auth": auth}).status, 200)
        self.assertEqual(self.found("bob"), [])

    def test_limits(self) -> None:
        for number in range(4):
            user = self.register(f"bobby{number}")
            self.alice.invite(self.room_id, user)
            user.join(self.room_id)
        answer = self.search(self.alice, "bob", limit=2)
        self.assertEqual((len(answer["results"]), answer["limited"]), (2, True))
        # The whole word first.
        self.assertEqual(answer["results"][0]["user_id"], self.bob.user_id)
        answer = self.search(self.alice, "bob", limit=5)
        self.assertEqual((len(answer["results"]), answer["limited"]), (5, False))
        self.assertEqual(self.search(self.alice, "bob", limit=0), {"results": [], "limited": True})

    def test_old_path_and_bad_requests(self) -> None:
        old = "/_matrix/client/r0/user_directory/search"
        self.assertEqual(self.alice.post(old, {"search_term": "bob"}).status, 200)
        self.assertEqual(self.alice.post(old, {}).error, (400, "M_MISSING_PARAM"))
        self.assertEqual(self.alice.post(old, {"search_term": 5}).error, (400, "M_BAD_JSON"))

    def test_a_task_takes_up_what_nobody_searched(self) -> None:
        self.register("carol")
        self.assertNotEqual(self.rows("account_profile_change"), [])
        self.advance(60)
        self.assertEqual(self.rows("account_profile_change"), [])

    def test_users_of_other_servers(self) -> None:
        self.add_remote("@zoe:other", "Zoë")
        self.assertEqual(self.found("zoe"), ["@zoe:other"])
        self.advance(600)
        self.assertEqual(self.found("zoe"), ["@zoe:other"])

        def leave(txn: Transaction) -> None:
            txn.execute("DELETE FROM room_member WHERE position = 1 AND since = 1")

        self.successResultOf(self.server.db.write(leave))
        self.advance(600)
        self.assertEqual([row for row in self.rows("search_user") if row[1] == 0], [])

    def test_it_can_be_built_anew(self) -> None:
        self.bob.create_room(preset="public_chat")
        self.assertEqual(self.found("weiss"), [self.bob.user_id])
        before = {
            table: sorted(self.rows(table))
            for table in ("search_user", "search_user_word", "search_public_room")
        }

        def spoil(txn: Transaction) -> None:
            for table in before:
                txn.execute(f"DELETE FROM {table}")

        self.successResultOf(self.server.db.write(spoil))
        self.assertEqual(self.found("weiss"), [])
        index = UserIndex(self.server.db, MemberIndex(LocalDomains(ServerName("test"))))
        self.result_of(index.rebuild())
        self.assertEqual({table: sorted(self.rows(table)) for table in before}, before)


class EverybodyTests(DirectoryTestCase):
    settings: ClassVar[Sequence[str]] = ("user_directory.search_all_users=true",)

    def test_everybody_is_found(self) -> None:
        self.assertEqual(self.found("bob"), [self.bob.user_id])


class SwitchedOffTests(DirectoryTestCase):
    settings: ClassVar[Sequence[str]] = (
        "user_directory.search_all_users=true",
        "user_directory.enabled=false",
    )

    def test_nobody_is_found(self) -> None:
        self.assertEqual(self.search(self.alice, "bob"), {"results": [], "limited": False})


class LocalFirstTests(DirectoryTestCase):
    settings: ClassVar[Sequence[str]] = ("user_directory.prefer_local_users=true",)

    def test_local_users_come_first(self) -> None:
        self.alice.create_room(members=[self.bob])
        self.add_remote("@bob:other", "Bob")
        self.assertEqual(self.found("bob"), ["@bob:test", "@bob:other"])


class OnlyLocalTests(DirectoryTestCase):
    settings: ClassVar[Sequence[str]] = ("user_directory.exclude_remote_users=true",)

    def test_others_are_not_found(self) -> None:
        self.alice.create_room(members=[self.bob])
        self.add_remote("@bob:other", "Bob")
        self.assertEqual(self.found("bob"), ["@bob:test"])
