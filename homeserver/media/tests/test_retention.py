import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from homeserver.media.quarantine import Quarantine
from homeserver.media.retention import Retention
from homeserver.media.storage import LocalStorage
from homeserver.media.store.media import LOCAL, MediaKey
from homeserver.media.tests.media import CONTENT, upload
from homeserver.media.tests.pictures import picture
from homeserver.protocol.identifiers import UserID
from tests.remote_media import RemoteMediaTestCase
from tests.wire import Exchange

DAY = 24 * 3600
THUMBNAIL = "/_matrix/client/v1/media/thumbnail"
ADMIN = UserID("@admin:test")


class RetentionTests(RemoteMediaTestCase):
    settings = ("media_retention={local_media_lifetime: 30d, remote_media_lifetime: 10d}",)

    def pass_days(self, days: int) -> None:
        """Tasks run at the end of each."""
        for _ in range(days):
            self.reactor.rightNow += DAY - 7300
            self.advance(3600)
            self.advance(3700)

    def delete(self, path: str) -> None:
        """As an administrator does."""
        retention = Retention(self.server.db, self.server._core.config.media, self.server._core.clock)
        key = MediaKey(LOCAL, path.rpartition("/")[2])
        self.assertEqual(self.result_of(retention.delete([key])), 1)

    def test_what_nobody_asks_for(self) -> None:
        local, remote = self.uploaded(b"local"), self.serve(b"remote")
        self.download(remote)
        self.pass_days(9)
        self.assertEqual(self.count("media"), 2)
        self.pass_days(2)
        self.assertEqual(self.count("media"), 1)
        self.assertEqual(len(self.stored_files()), 1)
        # It is fetched again.
        self.assertEqual(self.download(remote).body, b"remote")
        self.assertEqual(len(self.asked), 2)
        self.pass_days(20)
        self.assertEqual(self.download(local).error, (404, "M_NOT_FOUND"))
        self.assertEqual((self.count("media"), self.stored_files()), (0, []))
        self.assertEqual(self.count("media_unused_content"), 0)

    def test_what_is_asked_for_stays(self) -> None:
        path = self.uploaded()
        for _ in range(3):
            self.pass_days(20)
            self.assertEqual(self.download(path).status, 200)

    def test_asking_is_not_forgotten_at_the_end(self) -> None:
        path = self.uploaded()
        self.pass_days(20)
        self.download(path)
        self.restart()
        self.pass_days(20)
        self.assertEqual(self.download(path).status, 200)

    def test_thumbnails_go_with_it(self) -> None:
        path = self.uploaded(picture(300, 300))
        self.alice.get(THUMBNAIL + path, width=32, height=32)
        self.assertEqual(len(self.stored_files()), 2)
        self.pass_days(32)
        self.assertEqual((self.count("media_thumbnail"), self.stored_files()), (0, []))

    def test_what_several_have_stays_with_the_last(self) -> None:
        self.uploaded()
        self.pass_days(15)
        second = self.uploaded()
        self.pass_days(20)
        self.assertEqual(self.count("media"), 1)
        self.assertEqual(self.download(second).body, CONTENT)
        self.assertEqual(self.count("media_unused_content"), 0)

    def test_what_a_crash_left_behind(self) -> None:
        """It was stored, but nothing of that written down."""
        self.uploaded(picture(300, 300))
        known = self.stored_files()
        content = b"unknown"
        LocalStorage(self.media_store).store(BytesIO(content))
        digest = sha256(content).hexdigest()
        self.assertIn(f"content/{digest[:2]}/{digest[2:]}", self.stored_files())
        with self.assertLogs("homeserver.media.contents", "WARNING"):
            for _ in range(2):
                self.advance(3600)
        self.advance(3601)
        self.assertEqual((self.stored_files(), self.count("media_unused_content")), (known, 0))

    def test_evidence_and_what_is_protected_stay(self) -> None:
        guilty, dear = self.uploaded(b"guilty"), self.uploaded(b"dear")
        quarantine = Quarantine(self.server.db, self.server._core.domains, self.server._core.clock)
        self.result_of(quarantine.add([f"mxc:/{guilty}"], ADMIN))
        self.result_of(quarantine.protect(dear.rpartition("/")[2], is_protected=True))
        self.pass_days(40)
        self.assertEqual(self.count("media"), 2)

    def test_what_nobody_refers_to(self) -> None:
        self.uploaded(b"kept")
        path = self.uploaded(b"gone")
        self.delete(path)
        self.assertEqual(len(self.stored_files()), 2)
        self.advance(3600)
        self.advance(3600)
        self.assertEqual(len(self.stored_files()), 1)

    def test_uploaded_again_in_time(self) -> None:
        path = self.uploaded()
        self.delete(path)
        again = self.uploaded()
        self.pass_days(1)
        self.assertEqual(self.download(again).body, CONTENT)

    def test_uploaded_while_it_is_being_removed(self) -> None:
        path = self.uploaded()
        self.delete(path)
        exchanges: list[Exchange] = []

        def while_it_goes(path: Path) -> None:
            if "content" in path.parts and not exchanges:
                exchanges.append(self.alice.start("POST", "/_matrix/media/v3/upload", CONTENT))
            os.unlink(path)

        self.patch(Path, "unlink", while_it_goes)
        # So that her token is known.
        self.download(path)
        self.advance(3600)
        self.assertIsNone(exchanges[0].answer)
        self.advance(1)
        answer = exchanges[0].answer
        assert answer is not None
        path = "/" + answer["content_uri"].removeprefix("mxc://")
        self.assertEqual(self.download(path).body, CONTENT)


class CacheSizeTests(RemoteMediaTestCase):
    settings = ("media_retention.remote_media_size=3000",)

    def test_the_oldest_go_first(self) -> None:
        local = self.uploaded(b"x" * 5000)
        paths = [self.serve(bytes([i]) * 1000, path=f"/remote.example/{i}") for i in range(5)]
        for path in paths:
            self.download(path)
            self.reactor.rightNow += 10
        self.reactor.rightNow += DAY
        self.download(paths[0])
        self.advance(60)
        self.advance(3600)
        self.advance(3600)
        self.assertEqual(self.count("media"), 4)
        self.asked.clear()
        for path in (paths[0], paths[3], paths[4], local):
            self.assertEqual(self.download(path).status, 200)
        self.assertEqual(self.asked, [])


class QuotaTests(RemoteMediaTestCase):
    settings = (
        "media_upload_limits=[{time_period: 1d, max_size: 1000, info_uri: 'https://a.example/more', "
        "can_upgrade: true}, {time_period: 7d, max_size: 1500}]",
    )

    def test_no_more_than_is_allowed(self) -> None:
        self.uploaded(b"x" * 600)
        answer = upload(self.alice, b"x" * 401)
        self.assertEqual(answer.error, (403, "M_USER_LIMIT_EXCEEDED"))
        self.assertEqual(
            (answer.json["info_uri"], answer.json["can_upgrade"]), ("https://a.example/more", True)
        )
        self.uploaded(b"x" * 400)
        self.assertEqual(upload(self.register("bob"), b"x" * 1000).status, 200)
        self.advance(DAY)
        self.uploaded(b"x" * 500)
        answer = upload(self.alice, b"x")
        self.assertEqual(answer.json["info_uri"], "https://test/_synapse/client/media_upload_limit_exceeded")
        self.assertIs(answer.json["can_upgrade"], False)

    def test_of_announced_uploads(self) -> None:
        self.uploaded(b"x" * 600)
        path = self.alice.post("/_matrix/media/v1/create")["content_uri"].removeprefix("mxc:/")
        target = "/_matrix/media/v3/upload" + path
        self.assertEqual(self.alice.request("PUT", target, b"x" * 401).error, (403, "M_USER_LIMIT_EXCEEDED"))
        self.assertEqual(self.alice.request("PUT", target, b"x" * 400).status, 200)
        self.assertEqual(upload(self.alice, b"x").status, 403)

    def test_the_page_about_it(self) -> None:
        answer = self.anonymous.get("/_synapse/client/media_upload_limit_exceeded")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"Upload limit reached", answer.body)
