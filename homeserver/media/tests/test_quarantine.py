from hashlib import sha256

from homeserver.media.quarantine import Quarantine
from homeserver.media.tests.media import CONTENT
from homeserver.media.tests.pictures import picture
from homeserver.protocol.errors import NotFound
from homeserver.protocol.identifiers import UserID
from homeserver.rooms.shared_files import SharedFiles
from homeserver.storage.engine import Transaction
from tests.remote_media import RemoteMediaTestCase
from tests.wire import each

ADMIN = UserID("@admin:test")
GONE = (404, "M_NOT_FOUND")


class QuarantineTests(RemoteMediaTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.quarantine = Quarantine(self.server.db, self.server._core.domains, self.server._core.clock)

    def add(self, *paths: str) -> int:
        return self.result_of(self.quarantine.add(["mxc:/" + path for path in paths], ADMIN))

    def test_a_file(self) -> None:
        path, other = self.uploaded(), self.uploaded(b"other")
        self.assertEqual((self.add(path), self.add(path)), (1, 0))
        self.assertEqual(self.download(path).error, GONE)
        media_id = path.rpartition("/")[2]
        served = self.other_server().get(f"/_matrix/federation/v1/media/download/{media_id}")
        self.assertEqual(served.error, GONE)
        self.assertEqual(self.download(other).status, 200)
        self.result_of(self.quarantine.release("mxc:/" + path))
        self.assertEqual(self.download(path).body, CONTENT)

    def test_all_that_have_its_content(self) -> None:
        path, same = self.uploaded(), self.uploaded()
        self.add(path)
        self.assertEqual(self.download(same).error, GONE)
        self.assertEqual(self.download(self.uploaded()).error, GONE)
        self.assertEqual(self.download(self.serve(CONTENT)).error, GONE)

    def test_thumbnails(self) -> None:
        path = self.uploaded(picture(200, 200))
        url = "/_matrix/client/v1/media/thumbnail" + path
        self.assertEqual(self.alice.get(url, width=32, height=32).status, 200)
        self.add(path)
        self.assertEqual(self.alice.get(url, width=32, height=32).error, GONE)

    def test_of_other_servers(self) -> None:
        path = self.serve(CONTENT)
        self.download(path)
        self.assertEqual(self.add(path), 1)
        self.assertEqual(self.download(path).error, GONE)

    def test_of_a_user(self) -> None:
        paths = [self.uploaded(content) for content in (b"1", b"2")]
        self.alice, alice = self.register("bob"), self.alice
        innocent = self.uploaded(b"3")
        nid = self.result_of(self.server._core.users.nid_of(UserID(alice.user_id)))
        self.assertEqual(self.result_of(self.quarantine.add_uploads(nid, ADMIN)), 2)
        each(lambda path: self.assertEqual(self.download(path).error, GONE), paths)
        self.assertEqual(self.download(innocent).status, 200)

    def test_of_a_hash(self) -> None:
        contents = [sha256(content).digest() for content in (CONTENT, b"never seen")]
        path = self.uploaded()
        self.assertEqual(self.result_of(self.quarantine.add_contents(contents, ADMIN)), 2)
        self.assertEqual(self.download(path).error, GONE)
        self.assertEqual(self.download(self.uploaded(b"never seen")).error, GONE)

    def test_of_a_room(self) -> None:
        room_id = self.alice.create_room()
        picture_of_room, message, remote = self.uploaded(b"1"), self.uploaded(b"2"), self.serve(b"3")
        self.download(remote)
        self.alice.put(f"/rooms/{room_id}/state/m.room.avatar", {"url": "mxc:/" + picture_of_room})
        for path in (message, remote):
            content = {"msgtype": "m.image", "body": "x", "info": {"thumbnail_url": f"mxc:/{path}"}}
            self.alice.put(f"/rooms/{room_id}/send/m.room.message/{path[-3:]}", content)

        def room(txn: Transaction) -> int:
            row = txn.row("SELECT nid FROM room")
            assert row is not None, "there is one"
            return int(row[0])

        async def add_all() -> int:
            shared = SharedFiles(self.server.db).of(await self.server.db.read(room))
            return sum([await self.quarantine.add(uris, ADMIN) async for uris in shared])

        self.assertEqual(self.result_of(add_all()), 3)
        each(
            lambda path: self.assertEqual(self.download(path).error, GONE), [picture_of_room, message, remote]
        )

    def test_what_is_protected(self) -> None:
        path = self.uploaded()
        media_id = path.rpartition("/")[2]
        self.result_of(self.quarantine.protect(media_id, is_protected=True))
        self.assertEqual(self.add(path), 0)
        self.result_of(self.quarantine.add_contents([sha256(CONTENT).digest()], ADMIN))
        self.assertEqual(self.download(path).body, CONTENT)
        self.result_of(self.quarantine.protect(media_id, is_protected=False))
        self.assertEqual(self.download(path).error, GONE)
        self.failure_of(self.quarantine.protect("nothing", is_protected=True), NotFound)

    def test_what_is_no_uri(self) -> None:
        self.assertEqual(self.add("/test/nothing", "//x", "/a/b/c"), 0)
        self.assertEqual(self.result_of(self.quarantine.add(["http://test/a", ""], ADMIN)), 0)
