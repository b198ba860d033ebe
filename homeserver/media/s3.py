"""Keeping files where S3 is spoken: https://docs.aws.amazon.com/AmazonS3/latest/API/"""

import logging
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeVar, cast

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from config.media_storage import StorageProvider
from homeserver.media.store.contents import Content
from homeserver.protocol.errors import ServerUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

_PIECE = 256 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOT_THERE = frozenset({"404", "NoSuchKey", "NotFound"})
# The thread that asks does the work; boto3 would start ten more for each file.
_TRANSFER = TransferConfig(use_threads=False)
_NETWORK = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})


class S3Storage:
    """One object for each content, called by its hash. Raises ServerUnavailable where it cannot be reached."""

    def __init__(self, settings: StorageProvider) -> None:
        self._bucket = settings.bucket
        self._prefix = settings.prefix
        self._client: Any = boto3.client(
            "s3",
            region_name=settings.region_name,
            endpoint_url=settings.endpoint_url,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key,
            aws_session_token=settings.session_token,
            config=_NETWORK,
        )

    def store(self, source: BinaryIO) -> Content:
        content = _measure(source)
        key = self._key(content.sha256)
        if not self._has(key):
            source.seek(0)
            self._ask(
                lambda: self._client.upload_fileobj(_Unclosed(source), self._bucket, key, Config=_TRANSFER)
            )
        return content

    def open(self, digest: bytes) -> BinaryIO:
        # On the disk and not passed through, so that a slow client holds no connection, and can ask for parts.
        file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 -- whoever asked closes it
        try:
            self._ask(
                lambda: self._client.download_fileobj(self._bucket, self._key(digest), file, Config=_TRANSFER)
            )
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def delete(self, digest: bytes) -> None:
        self._ask(lambda: self._client.delete_object(Bucket=self._bucket, Key=self._key(digest)))

    def digests(self, after: bytes, limit: int) -> Sequence[bytes]:
        prefix = self._key(b"")
        listed = self._ask(
            lambda: self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, StartAfter=self._key(after), MaxKeys=limit
            )
        )
        names = [each["Key"].removeprefix(prefix) for each in listed.get("Contents", ())]
        return [bytes.fromhex(name) for name in names if _DIGEST.fullmatch(name)]

    def incoming_file(self) -> BinaryIO:
        return self.temporary_file()

    def temporary_file(self) -> BinaryIO:
        return cast(BinaryIO, TemporaryFile())

    def delete_abandoned(self, before: float) -> None:
        """Nothing: an object is there as a whole or not at all."""

    def _has(self, key: str) -> bool:
        try:
            self._ask(lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        except FileNotFoundError:
            return False
        return True

    def _key(self, digest: bytes) -> str:
        return f"{self._prefix}content/{digest.hex()}"

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                raise FileNotFoundError(self._bucket) from error
            raise self._unavailable(error) from error
        except (BotoCoreError, Boto3Error) as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> ServerUnavailable:
        log.error("the bucket %s cannot be used: %s", self._bucket, error)
        return ServerUnavailable("The server cannot use its media store at the moment")


class _Unclosed:
    """boto3 closes what it has sent; whoever gave us the file wants to do that."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell

    def close(self) -> None:
        pass


def _measure(source: BinaryIO) -> Content:
    hashed, length = sha256(), 0
    while piece := source.read(_PIECE):
        hashed.update(piece)
        length += len(piece)
    return Content(hashed.digest(), length)
