from typing import Any

from homeserver.e2ee.tests.keys import CrossSigningKeys, keys_of, publish, query
from tests.client import SyncAnswer
from tests.wire import PASSWORD, WireClient, WireTestCase

Json = Any
Told = tuple[list[str], list[str]]


class DeviceListTestCase(WireTestCase):
    # Who polls is there, which would be news to others.
    settings = ("presence.enabled=false",)

    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self._since: dict[str, str] = {}

    def room(self, *members: WireClient) -> str:
        return members[0].create_room(members=members[1:])

    def caught_up(self, *clients: WireClient) -> None:
        for client in clients:
            self.told(client)

    def told(self, client: WireClient) -> Told:
        """Whose devices changed and who is gone, since it was asked last; /keys/changes must agree."""
        since = self._since.get(client.access_token)
        answer = client.sync(since)
        self._since[client.access_token] = answer.next_batch
        lists = lists_of(answer)
        if since is not None:
            changes = client.get("/keys/changes", **{"from": since, "to": answer.next_batch})
            self.assertEqual((changes["changed"], changes["left"]), lists)
        return lists


def lists_of(answer: SyncAnswer) -> Told:
    lists = answer.json.get("device_lists", {"changed": [], "left": []})
    return lists["changed"], lists["left"]


class ChangeTests(DeviceListTestCase):
    def test_new_keys_are_told_to_those_who_share_a_room(self) -> None:
        carol = self.register("carol")
        self.room(self.alice, self.bob)
        self.caught_up(self.alice, self.bob, carol)
        publish(self.alice)
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual(self.told(carol), ([], []))
        # The user's other devices must hear of it, too.
        self.assertEqual(self.told(self.alice), (["@alice:test"], []))
        self.assertEqual(self.told(self.bob), ([], []))

    def test_the_same_keys_again_are_no_news(self) -> None:
        self.room(self.alice, self.bob)
        publish(self.alice)
        self.caught_up(self.bob)
        publish(self.alice, "A")
        self.assertEqual(self.told(self.bob), ([], []))

    def test_waiting_clients_are_woken(self) -> None:
        self.room(self.alice, self.bob)
        poll = self.bob.start_sync(self.bob.sync().next_batch)
        publish(self.alice)
        assert poll.answer is not None
        self.assertEqual(poll.answer["device_lists"], {"changed": ["@alice:test"], "left": []})

    def test_an_initial_sync_tells_nothing(self) -> None:
        self.room(self.alice, self.bob)
        publish(self.alice)
        self.assertNotIn("device_lists", self.bob.sync().json)

    def test_one_row_whatever_the_number_of_rooms_and_changes(self) -> None:
        for _ in range(3):
            self.room(self.alice, self.bob)
        for generation in range(3):
            keys = keys_of(self.alice).device_keys(generation=generation)
            self.alice.post("/keys/upload", {"device_keys": keys})
        self.assertEqual(self.changes(), 1)

    def changes(self) -> int:
        count = "SELECT count(*) FROM e2ee_device_list_change"
        found = self.successResultOf(self.server.db.read(lambda txn: txn.row(count)))
        assert found is not None
        return int(found[0])

    def test_what_memory_does_not_know_is_read(self) -> None:
        carol = self.register("carol")
        self.room(self.alice, self.bob)
        self.caught_up(self.alice, self.bob, carol)
        publish(self.alice)
        publish(carol)
        self.restart()
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual(self.told(self.alice), (["@alice:test"], []))
        self.assertEqual(self.told(carol), (["@carol:test"], []))
        self.assertEqual(self.told(self.bob), ([], []))

    def test_changes_between_two_tokens(self) -> None:
        self.room(self.alice, self.bob)
        start = self.bob.sync().next_batch
        middle = self.bob.sync(start).next_batch
        publish(self.alice)
        end = self.bob.sync(middle).next_batch
        for start_token, end_token, changed in (
            (start, middle, []),
            (middle, end, ["@alice:test"]),
            (end, end, []),
        ):
            answer = self.bob.get("/keys/changes", **{"from": start_token, "to": end_token})
            self.assertEqual(answer.json, {"changed": changed, "left": []})
        for query_ in ({"from": "x", "to": end}, {"from": end, "to": "1"}):
            self.assertEqual(self.bob.get("/keys/changes", **query_).error, (400, "M_INVALID_PARAM"))
        self.assertEqual(self.bob.get("/keys/changes", to=end).error, (400, "M_MISSING_PARAM"))

    def test_cross_signing_keys_and_signatures(self) -> None:
        self.room(self.alice, self.bob)
        device = publish(self.alice)
        self.caught_up(self.alice, self.bob)
        keys = CrossSigningKeys("@alice:test")
        self.alice.post("/keys/device_signing/upload", keys.body())
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        signed = keys.sign("self_signing", device.device_keys())
        body = {"@alice:test": {self.alice.device_id: signed}}
        for changed in (["@alice:test"], []):
            self.alice.post("/keys/signatures/upload", body)
            self.assertEqual(self.told(self.bob), (changed, []))

    def test_whom_a_user_trusts_is_told_to_that_user_alone(self) -> None:
        carol = self.register("carol")
        self.room(self.alice, self.bob, carol)
        for client in (self.alice, self.bob):
            client.post("/keys/device_signing/upload", CrossSigningKeys(client.user_id).body())
        self.caught_up(self.alice, self.bob, carol)
        keys = CrossSigningKeys("@alice:test")
        signed = CrossSigningKeys("@bob:test").sign("user_signing", keys.key("master"))
        self.bob.post("/keys/signatures/upload", {"@alice:test": {keys.public("master"): signed}})
        self.assertEqual(self.told(self.alice), ([], []))
        self.assertEqual(self.told(carol), ([], []))
        self.restart()
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))


class DeviceTests(DeviceListTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.room(self.alice, self.bob)
        self.phone = self.log_in(self.alice, "PHONE")
        for client in (self.alice, self.phone):
            publish(client, "A")
        self.caught_up(self.bob)

    def devices(self) -> list[str]:
        return sorted(query(self.bob, self.alice)["device_keys"]["@alice:test"])

    def rows(self) -> int:
        """Of all that belongs to a device."""
        tables = ("e2ee_device_keys", "e2ee_one_time_batch", "e2ee_one_time_stock", "e2ee_fallback_key")
        union = " UNION ALL ".join(f"SELECT count(*) AS n FROM {table}" for table in tables)
        found = self.successResultOf(
            self.server.db.read(lambda txn: txn.row(f"SELECT sum(n) FROM ({union}) AS t"))
        )
        assert found is not None
        return int(found[0])

    def test_a_device_that_logs_out(self) -> None:
        self.phone.post("/logout")
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual((self.devices(), self.rows()), ([self.alice.device_id], 3))

    def test_all_devices_log_out(self) -> None:
        self.alice.post("/logout/all")
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual((self.devices(), self.rows()), ([], 0))

    def auth(self) -> Json:
        identifier = {"type": "m.id.user", "user": "alice"}
        return {"auth": {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}}

    def test_a_deleted_device(self) -> None:
        self.assertEqual(self.alice.delete("/devices/PHONE", self.auth()).status, 200)
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual(self.devices(), [self.alice.device_id])

    def test_a_new_password(self) -> None:
        body = {"new_password": "another horse", **self.auth()}
        self.assertEqual(self.alice.post("/account/password", body).status, 200)
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual((self.devices(), self.rows()), ([self.alice.device_id], 3))

    def test_a_deactivated_account(self) -> None:
        keys = CrossSigningKeys("@alice:test")
        self.alice.post("/keys/device_signing/upload", keys.body())
        self.caught_up(self.bob)
        self.assertEqual(self.alice.post("/account/deactivate", self.auth()).status, 200)
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual((self.devices(), self.rows()), ([], 0))
        self.advance(2 * 3600)
        self.assertEqual(query(self.bob, self.alice)["master_keys"], {})

    def test_a_device_without_keys_is_no_news(self) -> None:
        self.log_in(self.alice, "OTHER").post("/logout")
        self.assertEqual(self.told(self.bob), ([], []))

    def test_a_new_name(self) -> None:
        self.phone.put("/devices/PHONE", {"display_name": "Phone"})
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))

    def test_devices_that_ended_behind_the_servers_back(self) -> None:
        """As when the command line deletes them, or the program ends before it could tell."""
        delete = [
            "DELETE FROM account_token WHERE device_nid IN (SELECT nid FROM account_device WHERE device_id = 'PHONE')",
            "DELETE FROM account_device WHERE device_id = 'PHONE'",
        ]
        for statement in delete:
            self.successResultOf(self.server.db.write(lambda txn, text: txn.execute(text), statement))
        self.assertEqual(self.devices(), [self.alice.device_id])
        self.assertEqual(self.told(self.bob), ([], []))
        self.advance(2 * 3600)
        self.assertEqual(self.told(self.bob), (["@alice:test"], []))
        self.assertEqual(self.rows(), 3)


class VisibilityTests(DeviceListTestCase):
    def test_who_joins_is_seen_and_sees(self) -> None:
        room_id = self.room(self.alice)
        self.caught_up(self.alice, self.bob)
        self.alice.invite(room_id, self.bob)
        self.assertEqual((self.told(self.alice), self.told(self.bob)), (([], []), ([], [])))
        self.bob.join(room_id)
        self.assertEqual(self.told(self.alice), (["@bob:test"], []))
        self.assertEqual(self.told(self.bob), (["@alice:test", "@bob:test"], []))

    def test_who_leaves_is_gone_and_sees_nobody(self) -> None:
        room_id = self.room(self.alice, self.bob)
        self.caught_up(self.alice, self.bob)
        self.bob.leave(room_id)
        self.assertEqual(self.told(self.alice), ([], ["@bob:test"]))
        self.assertEqual(self.told(self.bob), ([], ["@alice:test"]))
        publish(self.bob)
        self.assertEqual(self.told(self.alice), ([], []))

    def test_not_while_they_share_another_room(self) -> None:
        self.room(self.alice, self.bob)
        room_id = self.room(self.alice, self.bob)
        self.caught_up(self.alice, self.bob)
        self.alice.kick(room_id, self.bob)
        self.assertEqual((self.told(self.alice), self.told(self.bob)), (([], []), ([], [])))

    def test_who_changed_keys_and_left_is_gone(self) -> None:
        room_id = self.room(self.alice, self.bob)
        self.caught_up(self.alice)
        publish(self.bob)
        self.bob.leave(room_id)
        self.assertEqual(self.told(self.alice), ([], ["@bob:test"]))

    def test_who_never_was_there_is_not_gone(self) -> None:
        room_id = self.room(self.alice)
        self.alice.invite(room_id, self.bob)
        self.caught_up(self.alice, self.bob)
        self.bob.leave(room_id)
        self.assertEqual((self.told(self.alice), self.told(self.bob)[0]), (([], []), []))

    def test_others_of_a_room_that_was_left(self) -> None:
        carol, dora = self.register("carol"), self.register("dora")
        room_id = self.room(self.alice, self.bob, carol, dora)
        self.room(self.alice, dora)
        self.caught_up(self.alice)
        carol.leave(room_id)
        self.alice.leave(room_id)
        self.assertEqual(self.told(self.alice), ([], ["@bob:test", "@carol:test"]))

    def test_after_a_restart(self) -> None:
        room_id = self.room(self.alice, self.bob)
        carol = self.register("carol")
        self.caught_up(self.alice)
        self.alice.invite(room_id, carol)
        carol.join(room_id)
        self.bob.leave(room_id)
        self.restart()
        self.assertEqual(self.told(self.alice), (["@carol:test"], ["@bob:test"]))

    def test_a_new_profile_is_no_news(self) -> None:
        self.room(self.alice, self.bob)
        self.caught_up(self.alice)
        self.bob.put(f"/profile/{self.bob.user_id}/displayname", {"displayname": "Bobby"})
        self.assertEqual(self.told(self.alice), ([], []))
