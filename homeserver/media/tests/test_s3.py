"""Against a server that speaks S3 over HTTP: moto's."""

import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import boto3
from moto.server import ThreadedMotoServer

from homeserver.media.retention import Retention
from homeserver.media.store.media import LOCAL, MediaKey
from homeserver.media.tests.media import CONTENT, upload
from homeserver.media.tests.pictures import picture
from tests.remote_media import RemoteMediaTestCase

_KEYS = {"aws_access_key_id": "id", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}


class S3TestCase(RemoteMediaTestCase):
    with_directory: ClassVar[bool] = False
    server_of_s3: ClassVar[ThreadedMotoServer]
    url: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server_of_s3 = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server_of_s3.start()
        host, port = cls.server_of_s3.get_host_and_port()
        cls.url = f"http://{host}:{port}"

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server_of_s3.stop()
        super().tearDownClass()

    def setUp(self) -> None:
        self.s3: Any = boto3.client("s3", endpoint_url=self.url, **_KEYS)
        self.s3.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.addCleanup(self.empty)
        self.patch(type(self), "settings", self.provider("files"))
        super().setUp()

    def provider(self, bucket: str) -> Sequence[str]:
        config = (
            f"bucket: {bucket}, prefix: our/, endpoint_url: '{self.url}', region_name: eu-west-1, "
            "access_key_id: id, secret_access_key: secret"
        )
        module = "s3_storage_provider.S3StorageProviderBackend"
        return (
            f"enable_local_media_storage={str(self.with_directory).lower()}",
            f"media_storage_providers=[{{module: {module}, store_local: true, config: {{{config}}}}}]",
        )

    def empty(self) -> None:
        for name in self.objects():
            self.s3.delete_object(Bucket="files", Key=name)
        self.s3.delete_bucket(Bucket="files")

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket="files").get("Contents", ())]


class S3Tests(S3TestCase):
    def test_up_and_down(self) -> None:
        for content in (b"", CONTENT, bytes(range(256)) * 2**16):
            path = self.uploaded(content)
            self.assertEqual(self.download(path).body, content)
        self.assertEqual(len(self.objects()), 3)
        self.assertTrue(all(name.startswith("our/content/") for name in self.objects()))
        self.assertEqual(self.stored_files(), [])

    def test_what_nobody_knows_of_ends(self) -> None:
        path = self.uploaded()
        (known,) = self.objects()
        unknown = f"our/content/{sha256(b'unknown').hexdigest()}"
        for name in (unknown, "our/content/others", f"other/{unknown}"):
            self.s3.put_object(Bucket="files", Key=name, Body=b"unknown")
        with self.assertLogs("homeserver.media.contents", "WARNING"):
            for _ in range(2):
                self.advance(3600)
        self.advance(3601)
        self.assertEqual(sorted(self.objects()), sorted([known, "our/content/others", f"other/{unknown}"]))
        self.assertEqual(self.download(path).body, CONTENT)

    def test_the_same_bytes_once(self) -> None:
        self.uploaded()
        before = self.s3.head_object(Bucket="files", Key=self.objects()[0])["LastModified"]
        self.uploaded()
        self.assertEqual(self.s3.head_object(Bucket="files", Key=self.objects()[0])["LastModified"], before)

    def test_parts(self) -> None:
        answer = self.download(self.uploaded(b"0123456789"), {"Range": "bytes=2-4"})
        self.assertEqual((answer.status, answer.body), (206, b"234"))

    def test_of_other_servers_and_thumbnails(self) -> None:
        path = self.serve(picture(300, 300))
        answer = self.alice.get("/_matrix/client/v1/media/thumbnail" + path, width=32, height=32)
        self.assertEqual(answer.status, 200)
        self.assertEqual(len(self.objects()), 2)

    def test_what_is_lost(self) -> None:
        path = self.uploaded()
        self.s3.delete_object(Bucket="files", Key=self.objects()[0])
        with self.assertLogs("homeserver.media.contents", "ERROR"):
            self.assertEqual(self.download(path).error, (404, "M_NOT_FOUND"))

    def test_a_bucket_that_is_none(self) -> None:
        self.patch(type(self), "settings", self.provider("nowhere"))
        self.restart()
        with self.assertLogs("homeserver.media.s3", "ERROR"):
            self.assertEqual(upload(self.alice).error, (503, "M_UNKNOWN"))
        self.assertEqual(self.count("media"), 0)


class MirrorTests(S3TestCase):
    with_directory = True

    def test_in_both(self) -> None:
        path = self.uploaded()
        self.assertEqual((len(self.objects()), len(self.stored_files())), (1, 1))
        shutil.rmtree(self.media_store)
        self.assertEqual(self.download(path).body, CONTENT)

    def test_both_forget(self) -> None:
        key = MediaKey(LOCAL, self.uploaded().rpartition("/")[2])
        core = self.server._core
        self.result_of(Retention(core.db, core.config.media, core.clock).delete([key]))
        self.advance(3600)
        self.advance(3600)
        self.assertEqual((self.objects(), self.stored_files()), ([], []))


class DirectoryTests(RemoteMediaTestCase):
    def setUp(self) -> None:
        self.directory = Path(self._temporary_directory()) / "copy"
        provider = (
            f"media_storage_providers=[{{module: file_system, config: {{directory: '{self.directory}'}}}}]"
        )
        self.patch(type(self), "settings", (provider,))
        super().setUp()

    def test_a_second_directory(self) -> None:
        path = self.uploaded()
        shutil.rmtree(self.media_store)
        self.assertEqual(self.download(path).body, CONTENT)
