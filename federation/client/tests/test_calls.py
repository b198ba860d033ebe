"""Every operation: what is sent for it, held against the specification, and what answers are good for."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from unittest import SkipTest

import msgspec
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from federation.client.devices import DeviceCalls
from federation.client.events import EventAtTime, EventCalls, StateIdsAnswer
from federation.client.media import MediaCalls, RemoteMedia
from federation.client.membership import MembershipCalls
from federation.client.queries import QueryCalls
from federation.tests.web import OWN, REMOTE, Sent, Web
from homeserver.http.outbound import RequestFailed, Response
from homeserver.protocol.errors import (
    Forbidden,
    IncompatibleRoomVersion,
    NotFound,
    RemoteFailed,
    TooLarge,
    UnsupportedRoomVersion,
)
from homeserver.protocol.identifiers import DeviceID, EventID, RoomAlias, RoomID, UserID
from homeserver.protocol.json import JsonObject, JsonValue, encode_json
from homeserver.protocol.room_versions import ROOM_VERSIONS
from tests.spec import Operation, find_operation

T = TypeVar("T")
ROOM, EVENT = RoomID("!room:remote.example"), EventID("$event/1")
USER, ALIAS = UserID("@user:remote.example"), RoomAlias("#alias:remote.example")
DEVICE = DeviceID("DEVICE")
PDU: JsonObject = {"type": "m.room.member"}
V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
UNRECOGNIZED = Response(404, {}, b'{"errcode":"M_UNRECOGNIZED"}')


def good(answer: JsonValue) -> Response:
    return Response(200, {}, encode_json(answer))


class CallTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = Web()

    def answered(self, work: Coroutine[Any, Any, T], *answers: Response) -> T:
        self.web.answers = list(answers)
        result: T = self.successResultOf(Deferred.fromCoroutine(work))
        return result

    def fails(
        self, kind: type[Exception], work: Coroutine[Any, Any, object], *answers: Response | Exception
    ) -> None:
        self.web.answers = list(answers)
        self.failureResultOf(Deferred.fromCoroutine(work), kind)

    def sent(self, method: str, uri: str) -> Sent:
        """The last request, which is one of the specification."""
        operation = self.operation(method, uri)
        self.assertIsNotNone(operation, f"the specification has no {method} {uri}")
        return self.sent_as_before(method, uri)

    def sent_as_before(self, method: str, uri: str) -> Sent:
        """The last request, for servers that are older than the specification at hand."""
        sent = self.web.sent[-1]
        self.assertEqual((sent.method, sent.uri), (method, uri))
        return sent

    def operation(self, method: str, uri: str) -> Operation | object:
        try:
            return find_operation(method, uri)
        except SkipTest:
            # The rest of the test means something without it, too.
            return "not at hand"


class MembershipTests(CallTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.calls = MembershipCalls(self.web.transport)
        self.in_room = "%21room%3Aremote.example"
        self.path = f"{self.in_room}/%24event%2F1"

    def test_make(self) -> None:
        proposed = good({"room_version": "11", "event": PDU})
        calls = self.calls
        for make, path, query in (
            (calls.make_join(REMOTE, ROOM, USER, ["10", "11"]), "make_join", "?ver=10&ver=11"),
            (calls.make_knock(REMOTE, ROOM, USER, ["11"]), "make_knock", "?ver=11"),
            (calls.make_leave(REMOTE, ROOM, USER), "make_leave", ""),
        ):
            template = self.answered(make, proposed)
            self.assertEqual((template.event, template.version), (PDU, ROOM_VERSIONS["11"]))
            self.sent("GET", f"{V1}/{path}/{self.in_room}/%40user%3Aremote.example{query}")

    def test_make_refused(self) -> None:
        def make() -> Coroutine[Any, Any, object]:
            return self.calls.make_join(REMOTE, ROOM, USER, ["11"])

        other_version = {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "room_version": "5"}
        self.fails(IncompatibleRoomVersion, make(), Response(400, {}, encode_json(other_version)))
        self.fails(RemoteFailed, make(), good({"room_version": "11"}))

    def test_a_room_version_without_a_word_is_the_first(self) -> None:
        work = self.calls.make_leave(REMOTE, ROOM, USER)
        self.assertEqual(self.answered(work, good({"event": PDU})).version, ROOM_VERSIONS["1"])

    def test_send_join(self) -> None:
        state = {"state": [PDU, {}], "auth_chain": [PDU], "event": PDU, "origin": "remote.example"}
        partial = {**state, "members_omitted": True, "servers_in_room": ["remote.example"]}
        work = self.calls.send_join(REMOTE, ROOM, EVENT, PDU, partial=True)
        joined = self.answered(work, good(partial))
        self.assertEqual([msgspec.json.decode(pdu) for pdu in joined.state], [PDU, {}])
        self.assertEqual((joined.event, joined.members_omitted), (PDU, True))
        self.assertEqual(joined.servers_in_room, ["remote.example"])
        self.assertEqual(self.sent("PUT", f"{V2}/send_join/{self.path}?omit_members=true").content, PDU)
        self.answered(self.calls.send_join(REMOTE, ROOM, EVENT, PDU, partial=False), good(state))
        self.sent("PUT", f"{V2}/send_join/{self.path}")

    def test_send_join_of_old_servers(self) -> None:
        answer = good([200, {"state": [PDU], "auth_chain": []}])
        work = self.calls.send_join(REMOTE, ROOM, EVENT, PDU, partial=True)
        joined = self.answered(work, UNRECOGNIZED, answer)
        self.assertEqual((len(joined.state), joined.members_omitted), (1, False))
        self.sent_as_before("PUT", f"{V1}/send_join/{self.path}")
        several: Sequence[JsonValue] = ([200], {}, [200, []])
        for useless in several:
            work = self.calls.send_join(REMOTE, ROOM, EVENT, PDU, partial=True)
            self.fails(RemoteFailed, work, UNRECOGNIZED, good(useless))

    def test_send_leave(self) -> None:
        self.answered(self.calls.send_leave(REMOTE, ROOM, EVENT, PDU), good({}))
        self.assertEqual(self.sent("PUT", f"{V2}/send_leave/{self.path}").content, PDU)
        self.answered(self.calls.send_leave(REMOTE, ROOM, EVENT, PDU), UNRECOGNIZED, good([200, {}]))
        self.sent_as_before("PUT", f"{V1}/send_leave/{self.path}")

    def test_send_knock(self) -> None:
        work = self.calls.send_knock(REMOTE, ROOM, EVENT, PDU)
        self.assertEqual(self.answered(work, good({"knock_room_state": [PDU]})), [PDU])
        self.sent("PUT", f"{V1}/send_knock/{self.path}")

    def invite(self, version: str) -> Coroutine[Any, Any, JsonObject]:
        return self.calls.invite(REMOTE, ROOM, EVENT, ROOM_VERSIONS[version], PDU, [{"type": "x"}])

    def test_invite(self) -> None:
        self.assertEqual(self.answered(self.invite("11"), good({"event": {"a": 1}})), {"a": 1})
        expected = {"room_version": "11", "event": PDU, "invite_room_state": [{"type": "x"}]}
        self.assertEqual(self.sent("PUT", f"{V2}/invite/{self.path}").content, expected)

    def test_invite_to_old_servers(self) -> None:
        answer = good([200, {"event": {"a": 1}}])
        self.assertEqual(self.answered(self.invite("2"), UNRECOGNIZED, answer), {"a": 1})
        expected = {**PDU, "unsigned": {"invite_room_state": [{"type": "x"}]}}
        self.assertEqual(self.sent("PUT", f"{V1}/invite/{self.path}").content, expected)
        self.fails(UnsupportedRoomVersion, self.invite("3"), UNRECOGNIZED)

    def test_exchange_third_party_invite(self) -> None:
        self.answered(self.calls.exchange_third_party_invite(REMOTE, ROOM, PDU), good({}))
        self.sent("PUT", f"{V1}/exchange_third_party_invite/{self.in_room}")


class EventTests(CallTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.calls = EventCalls(self.web.transport)
        self.room = "%21room%3Aremote.example"

    def transaction(self, pdus: int, edus: int) -> Coroutine[Any, Any, Mapping[EventID, str]]:
        return self.calls.send_transaction(REMOTE, "1", 5, [PDU] * pdus, [{}] * edus, origin=OWN.server_name)

    def test_send_transaction(self) -> None:
        answer = good({"pdus": {"$a": {}, "$b": {"error": "no"}}})
        self.assertEqual(self.answered(self.transaction(50, 100), answer), {"$b": "no"})
        content = self.sent("PUT", f"{V1}/send/1").content
        self.assertEqual((content["origin"], content["origin_server_ts"]), ("own.example", 5))
        self.assertEqual((len(content["pdus"]), len(content["edus"])), (50, 100))

    def test_too_much_for_one_transaction(self) -> None:
        self.fails(ValueError, self.transaction(51, 0))
        self.fails(ValueError, self.transaction(0, 101))

    def test_backfill(self) -> None:
        work = self.calls.backfill(REMOTE, ROOM, [EVENT, EventID("$2")], 2)
        self.assertEqual(self.answered(work, good({"pdus": [PDU] * 5})), [PDU] * 2)
        self.sent("GET", f"{V1}/backfill/{self.room}?v=%24event%2F1&v=%242&limit=2")

    def test_missing_events(self) -> None:
        work = self.calls.missing_events(REMOTE, ROOM, earliest=[EVENT], latest=[EVENT], limit=1, min_depth=3)
        self.assertEqual(self.answered(work, good({"events": [PDU] * 5})), [PDU])
        expected = {"earliest_events": [EVENT], "latest_events": [EVENT], "limit": 1, "min_depth": 3}
        self.assertEqual(self.sent("POST", f"{V1}/get_missing_events/{self.room}").content, expected)

    def test_state(self) -> None:
        answer = good({"pdus": [PDU], "auth_chain": []})
        self.assertEqual(len(self.answered(self.calls.state(REMOTE, ROOM, EVENT), answer).pdus), 1)
        self.sent("GET", f"{V1}/state/{self.room}?event_id=%24event%2F1")
        answer = good({"pdu_ids": ["$1"], "auth_chain_ids": ["$2"]})
        ids = self.answered(self.calls.state_ids(REMOTE, ROOM, EVENT), answer)
        self.assertEqual(ids, StateIdsAnswer([EventID("$1")], [EventID("$2")]))
        self.sent("GET", f"{V1}/state_ids/{self.room}?event_id=%24event%2F1")

    def test_event_auth(self) -> None:
        work = self.calls.event_auth(REMOTE, ROOM, EVENT)
        self.assertEqual(self.answered(work, good({"auth_chain": [PDU]})), [PDU])
        self.sent("GET", f"{V1}/event_auth/{self.room}/%24event%2F1")

    def test_event(self) -> None:
        self.assertEqual(self.answered(self.calls.event(REMOTE, EVENT), good({"pdus": [PDU]})), PDU)
        self.sent("GET", f"{V1}/event/%24event%2F1")
        for pdus in ([], [PDU, PDU]):
            self.fails(RemoteFailed, self.calls.event(REMOTE, EVENT), good({"pdus": pdus}))

    def test_timestamp_to_event(self) -> None:
        answer = good({"event_id": "$1", "origin_server_ts": 7})
        found = self.answered(self.calls.timestamp_to_event(REMOTE, ROOM, 5, "f"), answer)
        self.assertEqual(found, EventAtTime(EventID("$1"), 7))
        self.sent("GET", f"{V1}/timestamp_to_event/{self.room}?ts=5&dir=f")

    def test_policy_sign(self) -> None:
        answer = good({"remote.example": {"ed25519:policy_server": "x"}, "other.example": {}})
        signed = self.answered(self.calls.policy_sign(REMOTE, PDU), answer)
        self.assertEqual(signed, {"ed25519:policy_server": "x"})
        self.sent("POST", "/_matrix/policy/v1/sign")
        refused = Response(400, {}, b'{"errcode":"M_FORBIDDEN","error":"spam"}')
        self.fails(Forbidden, self.calls.policy_sign(REMOTE, PDU), refused)


class QueryTests(CallTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.calls = QueryCalls(self.web.transport)

    def test_profile(self) -> None:
        self.assertEqual(self.answered(self.calls.profile(USER), good({"a": 1})), {"a": 1})
        self.sent("GET", f"{V1}/query/profile?user_id=%40user%3Aremote.example")
        self.answered(self.calls.profile(USER, "m.tz"), good({}))
        self.sent("GET", f"{V1}/query/profile?user_id=%40user%3Aremote.example&field=m.tz")

    def test_directory(self) -> None:
        answer = good({"room_id": ROOM, "servers": ["a"]})
        self.assertEqual(self.answered(self.calls.directory(ALIAS), answer).room_id, ROOM)
        self.sent("GET", f"{V1}/query/directory?room_alias=%23alias%3Aremote.example")

    def test_public_rooms(self) -> None:
        answer = good({"chunk": [{}], "next_batch": "x"})
        page = self.answered(self.calls.public_rooms(REMOTE, limit=5, since="a"), answer)
        self.assertEqual((page.chunk, page.next_batch, page.prev_batch), ([{}], "x", None))
        self.sent("GET", f"{V1}/publicRooms?limit=5&since=a&include_all_networks=false")
        self.answered(self.calls.public_rooms(REMOTE, limit=5, search_filter={"a": 1}), answer)
        expected = {"limit": 5, "include_all_networks": False, "filter": {"a": 1}}
        self.assertEqual(self.sent("POST", f"{V1}/publicRooms").content, expected)

    def test_hierarchy(self) -> None:
        answer = good({"room": {"a": 1}, "children": [], "inaccessible_children": [ROOM]})
        work = self.calls.hierarchy(REMOTE, ROOM, suggested_only=True)
        self.assertEqual(self.answered(work, answer).inaccessible_children, [ROOM])
        self.sent("GET", f"{V1}/hierarchy/%21room%3Aremote.example?suggested_only=true")
        work = self.calls.hierarchy(REMOTE, ROOM, suggested_only=False)
        self.assertEqual(self.answered(work, UNRECOGNIZED, answer).room, {"a": 1})

    def test_openid_userinfo(self) -> None:
        work = self.calls.openid_userinfo(REMOTE, "token")
        self.assertEqual(self.answered(work, good({"sub": USER})), USER)
        sent = self.sent("GET", f"{V1}/openid/userinfo?access_token=token")
        self.assertNotIn("Authorization", sent.headers)
        for sub in ("@user:other.example", "user", 5):
            self.fails(RemoteFailed, self.calls.openid_userinfo(REMOTE, "token"), good({"sub": sub}))

    def test_version(self) -> None:
        answer = good({"server": {"name": "X", "version": "1"}})
        self.assertEqual(self.answered(self.calls.version(REMOTE), answer), ("X", "1"))
        self.assertEqual(self.answered(self.calls.version(REMOTE), good({})), ("", ""))
        self.sent("GET", f"{V1}/version")


class DeviceTests(CallTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.calls = DeviceCalls(self.web.transport)
        self.stranger = "@stranger:other.example"

    def test_devices(self) -> None:
        listed = {"user_id": USER, "stream_id": 5, "devices": [{"device_id": "D", "keys": {}}]}
        self.assertEqual(self.answered(self.calls.devices(USER), good(listed)).devices[0].device_id, "D")
        self.sent("GET", f"{V1}/user/devices/%40user%3Aremote.example")
        self.fails(RemoteFailed, self.calls.devices(USER), good({**listed, "user_id": self.stranger}))

    def test_query_keys(self) -> None:
        both: JsonObject = {USER: {DEVICE: {}}, self.stranger: {DEVICE: {}}}
        answer = good({"device_keys": both, "master_keys": {USER: {}, self.stranger: {}}})
        found = self.answered(self.calls.query_keys(REMOTE, {USER: [DEVICE]}), answer)
        self.assertEqual((found.device_keys, found.master_keys), ({USER: {DEVICE: {}}}, {USER: {}}))
        self.assertEqual(
            self.sent("POST", f"{V1}/user/keys/query").content, {"device_keys": {USER: [DEVICE]}}
        )

    def test_claim_keys(self) -> None:
        both: JsonObject = {
            USER: {DEVICE: {"signed_curve25519:A": {"key": "A"}}},
            self.stranger: {DEVICE: {}},
        }
        asked = {USER: {DEVICE: "signed_curve25519"}}
        claimed = self.answered(self.calls.claim_keys(REMOTE, asked), good({"one_time_keys": both}))
        self.assertEqual(claimed, {USER: both[USER]})
        self.assertEqual(self.sent("POST", f"{V1}/user/keys/claim").content, {"one_time_keys": asked})


class MediaTests(CallTestCase):
    def setUp(self) -> None:
        super().setUp()
        # The same object stands for the web at large, where servers may keep their files.
        self.calls = MediaCalls(self.web.transport, self.web.outbound)
        self.file = b""

    def write(self, data: bytes) -> None:
        self.file += data

    def download(self, most_bytes: int = 10) -> Coroutine[Any, Any, RemoteMedia]:
        return self.calls.download(REMOTE, "abc", self.write, most_bytes=most_bytes, timeout_ms=500)

    def multipart(self, headers: str, file: bytes) -> Response:
        head = f"--b\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--b\r\n{headers}\r\n\r\n".encode()
        return Response(200, {}, head + file + b"\r\n--b--\r\n")

    def test_download(self) -> None:
        media = self.answered(self.download(), self.multipart("Content-Type: text/plain", b"hello"))
        self.assertEqual((media.content_type, self.file), ("text/plain", b"hello"))
        self.sent("GET", f"{V1}/media/download/abc?timeout_ms=500")

    def test_thumbnail(self) -> None:
        work = self.calls.thumbnail(
            REMOTE,
            "abc",
            self.write,
            width=1,
            height=2,
            method="crop",
            animated=None,
            most_bytes=10,
            timeout_ms=500,
        )
        self.answered(work, self.multipart("Content-Type: image/png", b"hello"))
        self.sent("GET", f"{V1}/media/thumbnail/abc?width=1&height=2&method=crop&timeout_ms=500")

    def test_a_file_elsewhere(self) -> None:
        location = "https://files.example/abc"
        elsewhere = Response(200, {"content-type": "text/html"}, b"hello")
        media = self.answered(self.download(), self.multipart(f"Location: {location}", b""), elsewhere)
        self.assertEqual((media.content_type, self.file), ("text/html", b"hello"))
        self.assertEqual(self.web.sent[-1].url, location)
        self.assertNotIn("Authorization", self.web.sent[-1].headers)
        for failure, kind in ((Response(404), NotFound), (RequestFailed("down"), RemoteFailed)):
            self.fails(kind, self.download(), self.multipart(f"Location: {location}", b""), failure)

    def test_old_servers(self) -> None:
        old = Response(200, {"content-type": "text/plain", "content-disposition": "inline"}, b"hello")
        media = self.answered(self.download(), UNRECOGNIZED, old)
        self.assertEqual((media, self.file), (RemoteMedia("text/plain", "inline"), b"hello"))
        uri = "/_matrix/media/v3/download/remote.example/abc?timeout_ms=500&allow_remote=false"
        self.assertNotIn("Authorization", self.sent("GET", uri).headers)

    def test_what_is_too_large(self) -> None:
        large = b"x" * 11
        self.fails(TooLarge, self.download(), self.multipart("Content-Type: text/plain", large))
        self.fails(TooLarge, self.download(), UNRECOGNIZED, Response(200, {}, large))
        elsewhere = self.multipart("Location: https://files.example/abc", b"")
        self.fails(TooLarge, self.download(), elsewhere, Response(200, {}, large))

    def test_what_is_no_file(self) -> None:
        for body in (b"", b"<html>", b"x" * 20_000, b"--b\r\n\r\n{}\r\n--b\r\n\r\nhal"):
            self.fails(RemoteFailed, self.download(), Response(200, {}, body))
