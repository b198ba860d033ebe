import os
from hashlib import sha256
from shutil import rmtree
from unittest.mock import patch

from homeserver.media.tests.media import CONTENT, FROZEN_DOWNLOAD, MediaTestCase, path_of, upload
from tests.client import Answer
from tests.wire import WireClient, each

CONFIG = ("/_matrix/client/v1/media/config", "/_matrix/media/v3/config", "/_matrix/media/r0/config")
DAY = 24 * 3600


class ConfigTests(MediaTestCase):
    settings = ("max_upload_size=5M",)

    def test_the_largest_upload(self) -> None:
        for path in CONFIG:
            self.assertEqual(self.alice.get(path).json, {"m.upload.size": 5 * 1024**2})

    def test_it_takes_a_token(self) -> None:
        for path in CONFIG:
            self.assertEqual(self.anonymous.get(path).error, (401, "M_MISSING_TOKEN"))


class UploadTests(MediaTestCase):
    settings = ("max_upload_size=200K",)

    def test_what_is_uploaded_can_be_downloaded(self) -> None:
        def check(content: bytes) -> None:
            path = self.uploaded(content)
            self.assertRegex(path, r"^/test/[A-Za-z0-9]{24}$")
            answer = self.download(path)
            self.assertEqual((answer.status, answer.body), (200, content))

        # Large ones pass through a file, small ones do not.
        each(check, [b"", b"x", CONTENT, b"x" * 150_000])

    def test_older_paths(self) -> None:
        for version in ("r0", "v1"):
            answer = self.alice.request("POST", f"/_matrix/media/{version}/upload", CONTENT)
            self.assertEqual(self.download(path_of(answer["content_uri"])).body, CONTENT)

    def test_the_same_bytes_are_stored_once(self) -> None:
        first, second = self.uploaded(), self.uploaded()
        self.assertNotEqual(first, second)
        name = sha256(CONTENT).hexdigest()
        self.assertEqual(self.stored_files(), [f"content/{name[:2]}/{name[2:]}"])
        self.assertEqual(self.count("media"), 2)

    def test_only_the_operator_reads_the_files(self) -> None:
        self.uploaded()
        for path in self.media_store.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_they_are_on_the_disk_before_anybody_is_told(self) -> None:
        synced: list[str] = []
        fsync = os.fsync

        def record(descriptor: int) -> None:
            synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
            fsync(descriptor)

        def check(content: bytes) -> None:
            with patch("os.fsync", record):
                self.uploaded(content)
            file, *directories = synced
            self.assertTrue(file.startswith("tmp"), file)
            self.assertEqual(directories, [sha256(content).hexdigest()[:2], "content", "media_store"])
            # Those above it last already.
            synced.clear()
            with patch("os.fsync", record):
                self.uploaded(content)
            self.assertEqual(synced, directories[:1])
            synced.clear()

        each(check, [CONTENT, b"x" * 150_000])

    def test_when_the_disk_is_full_nothing_is_left(self) -> None:
        def check(content: bytes) -> None:
            with (
                patch("os.fsync", side_effect=OSError(28, "No space left on device")),
                self.assertLogs("homeserver.http.dispatch", "ERROR"),
            ):
                self.assertEqual(upload(self.alice, content).status, 500)
            self.assertEqual((self.stored_files(), self.count("media")), ([], 0))

        each(check, [CONTENT, b"x" * 150_000])

    def test_a_store_that_was_removed(self) -> None:
        for content in (CONTENT, b"x" * 150_000):
            self.uploaded(content)
            rmtree(self.media_store)
            self.assertEqual(self.download(self.uploaded(content)).body, content)

    def test_too_large(self) -> None:
        self.assertEqual(upload(self.alice, b"x" * 200 * 1024).status, 200)
        self.assertEqual(upload(self.alice, b"x" * (200 * 1024 + 1)).error, (413, "M_TOO_LARGE"))

    def test_who_may(self) -> None:
        self.assertEqual(upload(self.anonymous).error, (401, "M_MISSING_TOKEN"))

    def test_names_that_cannot_be(self) -> None:
        self.assertEqual(upload(self.alice, filename="a\x00b").error, (400, "M_INVALID_PARAM"))
        self.assertEqual(upload(self.alice, filename="x" * 1001).error, (400, "M_INVALID_PARAM"))

    def test_a_client_that_goes_away_midway(self) -> None:
        headers = {"Content-Length": "180000"}
        exchange = self.alice.start("POST", "/_matrix/media/v3/upload", b"x" * 170_000, headers=headers)
        self.assertIsNone(exchange.answer)
        exchange.hang_up()
        self.assertEqual((self.stored_files(), self.count("media")), ([], 0))

    def test_a_client_that_goes_away_at_the_end(self) -> None:
        # So that her token is known and the upload itself is what waits.
        self.alice.get(CONFIG[0])
        self.threads.halt()
        exchange = self.alice.start("POST", "/_matrix/media/v3/upload", b"x" * 150_000)
        exchange.hang_up()
        self.threads.go_on()
        self.assertEqual((len(self.stored_files()), self.count("media")), (1, 1))

    def test_it_is_described(self) -> None:
        paths = self.anonymous.get("/_folkmoot/openapi.json")["paths"]
        described = paths["/_matrix/media/v3/upload"]["post"]
        self.assertEqual(described["requestBody"], {"required": True, "content": {"*/*": {}}})
        self.assertIn("413", described["responses"])

    def test_what_was_cut_off_ends_after_a_day(self) -> None:
        self.uploaded()
        rest, new = (self.media_store / "incoming" / name for name in ("tmp1", "tmp2"))
        for path, age in ((rest, DAY), (new, 60)):
            path.write_bytes(b"half a file")
            began = self.reactor.seconds() - age
            os.utime(path, (began, began))
        self.advance(3600)
        self.assertEqual((rest.exists(), new.exists()), (False, True))
        self.assertEqual(len(self.stored_files()), 2)


class ReservationTests(MediaTestCase):
    settings = (
        "max_pending_media_uploads=2",
        "unused_expiration_time=2h",
        "rc_media_create={per_second: 1, burst_count: 3}",
    )

    def create(self, user: WireClient) -> str:
        """The path of a new URI."""
        return path_of(user.post("/_matrix/media/v1/create")["content_uri"])

    def fill(self, path: str, user: WireClient | None = None) -> Answer:
        headers = {"Content-Type": "text/plain"}
        target = f"/_matrix/media/v3/upload{path}"
        return (user or self.alice).request(
            "PUT", target, CONTENT, headers=headers, query={"filename": "a.txt"}
        )

    def test_created_and_filled(self) -> None:
        answer = self.alice.post("/_matrix/media/v1/create")
        self.assertEqual(answer["unused_expires_at"], (self.reactor.seconds() + 7200) * 1000)
        path = path_of(answer["content_uri"])
        self.assertEqual(
            (self.fill(path).status, self.fill(path).error), (200, (409, "M_CANNOT_OVERWRITE_MEDIA"))
        )
        downloaded = self.download(path)
        self.assertEqual((downloaded.body, downloaded.headers["content-type"]), (CONTENT, "text/plain"))
        self.assertEqual(downloaded.headers["content-disposition"], 'inline; filename="a.txt"')
        # What was used does not end.
        self.advance(3 * DAY)
        self.assertEqual(self.download(path).status, 200)

    def test_by_somebody_else(self) -> None:
        path = self.create(self.alice)
        self.assertEqual(self.fill(path, self.register("bob")).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.fill(path, self.anonymous).error, (401, "M_MISSING_TOKEN"))

    def test_what_was_not_created(self) -> None:
        self.create(self.alice)
        other = self.create(self.alice).replace("/test/", "/elsewhere.example/")
        for path in ("/test/nothing", other, "/test/..%2F..%2Fetc%2Fpasswd", "/..%2F../x"):
            self.assertEqual(self.fill(path).error, (404, "M_NOT_FOUND"))
        self.assertFalse(self.media_store.exists())

    def test_expired(self) -> None:
        path = self.create(self.alice)
        self.advance(7199)
        self.assertEqual(self.download(path, timeout_ms=0).error, (504, "M_NOT_YET_UPLOADED"))
        # Before the task comes, and after.
        self.reactor.rightNow += 2
        self.assertEqual(self.fill(path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.download(path).error, (404, "M_NOT_FOUND"))
        self.assertEqual(self.count("media"), 1)
        self.advance(3600)
        self.assertEqual(self.count("media"), 0)
        self.assertEqual(self.fill(path).error, (404, "M_NOT_FOUND"))

    def test_no_more_than_are_allowed(self) -> None:
        first = self.create(self.alice)
        self.advance(60)
        self.create(self.alice)
        answer = self.alice.post("/_matrix/media/v1/create")
        self.assertEqual(answer.error, (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(answer.json["retry_after_ms"], 7140_000)
        self.advance(60)
        self.create(self.register("bob"))
        self.fill(first)
        self.create(self.alice)
        self.advance(3 * 3600)
        self.create(self.alice)

    def test_no_faster_than_is_allowed(self) -> None:
        for _ in range(3):
            self.fill(self.create(self.alice))
        answer = self.alice.post("/_matrix/media/v1/create")
        self.assertEqual((answer.error, answer.json["retry_after_ms"]), ((429, "M_LIMIT_EXCEEDED"), 1001))

    def test_two_uploads_at_once(self) -> None:
        path = self.create(self.alice)
        target = f"/_matrix/media/v3/upload{path}"
        self.threads.halt()
        exchanges = [self.alice.start("PUT", target, content) for content in (b"1", b"2")]
        self.threads.go_on()
        answers = [exchange.answer for exchange in exchanges]
        statuses = sorted(answer.status for answer in answers if answer is not None)
        self.assertEqual(statuses, [200, 409])
        winner = [index for index, answer in enumerate(answers) if answer and answer.status == 200]
        self.assertEqual(self.download(path).body, [b"1", b"2"][winner[0]])

    def test_downloads_wait_for_it(self) -> None:
        path = self.create(self.alice)
        waiting = self.alice.start("GET", f"/_matrix/client/v1/media/download{path}")
        self.advance(10)
        self.assertIsNone(waiting.answer)
        self.fill(path)
        answer = waiting.answer
        assert answer is not None
        self.assertEqual(answer.body, CONTENT)

    def test_downloads_do_not_wait_for_ever(self) -> None:
        path = self.create(self.alice)

        def check(case: tuple[dict[str, int], int]) -> None:
            query, seconds = case
            waiting = self.alice.start("GET", f"/_matrix/client/v1/media/download{path}", query=query)
            for _ in range(seconds - 1):
                self.advance(1)
            self.assertIsNone(waiting.answer)
            self.advance(1)
            answer = waiting.answer
            assert answer is not None
            self.assertEqual(answer.error, (504, "M_NOT_YET_UPLOADED"))

        each(check, [({}, 20), ({"timeout_ms": 3000}, 3), ({"timeout_ms": 3_600_000}, 60)])

    def test_it_is_told_by_another_process(self) -> None:
        path = self.create(self.alice)
        waiting = self.alice.start("GET", f"/_matrix/client/v1/media/download{path}")
        self.patch(self.server._core.waiting, "wake", lambda topics: None)
        self.fill(path)
        self.assertIsNone(waiting.answer)
        self.advance(2)
        answer = waiting.answer
        assert answer is not None
        self.assertEqual(answer.status, 200)

    def test_stopping_does_not_wait(self) -> None:
        path = self.create(self.alice)
        waiting = self.alice.start("GET", f"/_matrix/client/v1/media/download{path}")
        self.restart()
        answer = waiting.answer
        assert answer is not None
        self.assertEqual(answer.error, (504, "M_NOT_YET_UPLOADED"))

    def test_the_frozen_path_waits_as_well(self) -> None:
        path = self.create(self.alice)
        self.assertEqual(self.anonymous.get(FROZEN_DOWNLOAD + path).error, (404, "M_NOT_FOUND"))
