from typing import cast

from homeserver.reports.reports import StoredReports
from homeserver.reports.store import Report, Wanted
from homeserver.runtime.clock import Clock, ReactorTime
from homeserver.storage.engine import Row, Transaction
from tests.wire import WireTestCase, each


def _rows(txn: Transaction) -> list[Row]:
    return txn.rows("SELECT id FROM report")


class ReportTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.register("alice"), self.register("bob")
        self.room_id = self.alice.create_room(members=[self.bob])
        self.event_id = self.alice.send(self.room_id, "rude")
        self.event_path = f"/rooms/{self.room_id}/report/{self.event_id}"
        self.reports = StoredReports(self.server.db, Clock(cast(ReactorTime, self.reactor)))

    def listed(self, wanted: Wanted) -> list[Report]:
        found, total = self.result_of(self.reports.list(wanted))
        self.assertEqual(total, len(found))
        return found

    def test_an_event(self) -> None:
        self.assertEqual(self.bob.post(self.event_path, {"reason": "sad", "score": -50}).json, {})
        (report,) = self.listed(Wanted("event"))
        self.assertEqual((report.reporter, report.room_id), (self.bob.user_id, self.room_id))
        self.assertEqual((report.event_id, report.reason, report.score), (self.event_id, "sad", -50))
        self.assertEqual(report.received_at, 1_700_000_000_000)

    def test_an_event_needs_no_reason(self) -> None:
        self.assertEqual(self.bob.post(self.event_path).json, {})
        self.assertEqual(self.bob.post(self.event_path, {"reason": None}).json, {})

    def test_only_members_report_events(self) -> None:
        eve = self.register("eve")
        self.assertEqual(eve.post(self.event_path).error, (404, "M_NOT_FOUND"))
        self.bob.leave(self.room_id)
        self.assertEqual(self.bob.post(self.event_path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.listed(Wanted("event")), [])

    def test_an_event_is_of_its_room(self) -> None:
        other = self.bob.create_room()
        cases = [
            f"/rooms/{other}/report/{self.event_id}",
            f"/rooms/{self.room_id}/report/$nothing",
            f"/rooms/!nowhere:test/report/{self.event_id}",
        ]
        each(lambda path: self.assertEqual(self.bob.post(path).error, (404, "M_NOT_FOUND")), cases)

    def test_a_room_by_who_is_not_in_it(self) -> None:
        eve = self.register("eve")
        self.assertEqual(eve.post(f"/rooms/{self.room_id}/report", {"reason": ""}).json, {})
        (report,) = self.listed(Wanted("room"))
        self.assertEqual((report.room_id, report.event_id, report.reason), (self.room_id, None, ""))
        unknown = eve.post("/rooms/!nowhere:test/report", {"reason": "x"})
        self.assertEqual(unknown.error, (404, "M_NOT_FOUND"))

    def test_a_user(self) -> None:
        self.assertEqual(self.bob.post(f"/users/{self.alice.user_id}/report", {"reason": "x"}).json, {})
        (report,) = self.listed(Wanted("user"))
        self.assertEqual((report.target, report.room_id), (self.alice.user_id, None))
        for unknown in ("@nobody:test", "@nobody:elsewhere"):
            answer = self.bob.post(f"/users/{unknown}/report", {"reason": "x"})
            self.assertEqual(answer.error, (404, "M_NOT_FOUND"))

    def test_reasons_are_checked(self) -> None:
        user, room = f"/users/{self.alice.user_id}/report", f"/rooms/{self.room_id}/report"
        for path in (user, room):
            self.assertEqual(self.bob.post(path, {}).status, 400)
        for path in (user, room, self.event_path):
            self.assertEqual(self.bob.post(path, {"reason": "x" * 1000}).status, 200)
            for reason in ("x" * 1001, 7, "a\0b"):
                self.assertEqual(self.bob.post(path, {"reason": reason}).error, (400, "M_BAD_JSON"))

    def test_administrators_page_and_choose(self) -> None:
        other = self.alice.create_room(members=[self.bob])
        for reason in "abc":
            self.bob.post(f"/rooms/{self.room_id}/report", {"reason": reason})
        self.alice.post(f"/rooms/{other}/report", {"reason": "d"})
        everything, total = self.result_of(self.reports.list(Wanted("room"), 1, 2))
        self.assertEqual(([report.reason for report in everything], total), (["c", "b"], 4))
        oldest, _ = self.result_of(self.reports.list(Wanted("room"), limit=1, newest_first=False))
        self.assertEqual(oldest[0].reason, "a")
        alice, room = self.nids(self.alice.user_id, other)
        self.assertEqual([r.reason for r in self.listed(Wanted("room", reporter=alice))], ["d"])
        self.assertEqual([r.reason for r in self.listed(Wanted("room", room=room))], ["d"])

    def nids(self, user_id: str, room_id: str) -> tuple[int, int]:
        def read(txn: Transaction) -> tuple[int, int]:
            user = txn.row("SELECT nid FROM known_user WHERE user_id = %(id)s", id=user_id)
            room = txn.row("SELECT nid FROM room WHERE room_id = %(id)s", id=room_id)
            assert user is not None
            assert room is not None
            return user[0], room[0]

        return self.successResultOf(self.server.db.read(read))

    def test_administrators_read_and_delete_one(self) -> None:
        self.bob.post(self.event_path)
        (report,) = self.listed(Wanted("event"))
        self.assertEqual(self.result_of(self.reports.get("event", report.id)), report)
        self.result_of(self.reports.delete("event", report.id))
        self.assertEqual(self.listed(Wanted("event")), [])

    def test_they_end_after_a_year(self) -> None:
        self.bob.post(self.event_path)
        self.advance(364 * 24 * 3600)
        self.assertEqual(len(self.successResultOf(self.server.db.read(_rows))), 1)
        self.advance(3 * 24 * 3600)
        self.assertEqual(self.successResultOf(self.server.db.read(_rows)), [])


class ReportLimitTests(WireTestCase):
    settings = ("rc_reports={per_second: 0.1, burst_count: 2}",)

    def test_reports_are_limited(self) -> None:
        alice = self.register("alice")
        path = f"/users/{alice.user_id}/report"
        answers = [alice.post(path, {"reason": "x"}) for _ in range(3)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 429])
