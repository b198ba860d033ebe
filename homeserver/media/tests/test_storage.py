"""The directory of files, as far as requests do not show it."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

from homeserver.media.incoming import IncomingFile
from homeserver.media.mirrors import Mirrors
from homeserver.media.storage import LocalStorage
from homeserver.media.store.contents import Content

PIECES = (b"one", b"", b"two")
CONTENT = Content(sha256(b"onetwo").digest(), 6)


class StorageTests(TestCase):
    def setUp(self) -> None:
        self.root = Path(self.enterContext(TemporaryDirectory()))
        self.storage = LocalStorage(self.root)

    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]

    def stored(self, storage: LocalStorage) -> bytes:
        with storage.open(CONTENT.sha256) as file:
            return file.read()

    def test_what_comes_in_pieces_is_not_copied(self) -> None:
        with self.storage.incoming_file() as file:
            for piece in PIECES:
                file.write(piece)
            (path,) = self.files()
            inode = path.stat().st_ino
            self.assertEqual(self.storage.store(file), CONTENT)
        (path,) = self.files()
        self.assertEqual((path.stat().st_ino, self.stored(self.storage)), (inode, b"onetwo"))

    def test_what_is_not_stored_is_gone(self) -> None:
        with self.storage.incoming_file() as file:
            file.write(b"x")
        file.close()
        self.assertEqual(self.files(), [])

    def test_what_is_there_already(self) -> None:
        self.storage.store(BytesIO(b"onetwo"))
        with self.storage.incoming_file() as file:
            file.write(b"onetwo")
            self.storage.store(file)
        self.assertEqual(len(self.files()), 1)

    def test_once_more_after_it_was_removed(self) -> None:
        with self.storage.incoming_file() as file:
            file.write(b"onetwo")
            self.storage.store(file)
            self.storage.delete(CONTENT.sha256)
            file.seek(0)
            self.assertEqual(self.storage.store(file), CONTENT)
        self.assertEqual(self.stored(self.storage), b"onetwo")

    def test_in_several_places(self) -> None:
        other = LocalStorage(self.root / "other")
        places = Mirrors([self.storage, other])
        with places.incoming_file() as file:
            file.write(b"onetwo")
            self.assertEqual(places.store(file), CONTENT)
        self.assertEqual((self.stored(self.storage), self.stored(other)), (b"onetwo", b"onetwo"))

    def test_what_is_there_in_order(self) -> None:
        self.assertEqual(self.storage.digests(b"", 10), [])
        digests = sorted(self.storage.store(BytesIO(bytes([number]))).sha256 for number in range(100))
        (self.root / "content" / "ab" / "not a digest").touch()
        (self.root / "content" / "not a directory").touch()
        found: list[bytes] = []
        after = b""
        while page := self.storage.digests(after, 7):
            self.assertLessEqual(len(page), 7)
            found += page
            after = page[-1]
        self.assertEqual(found, digests)
        self.assertEqual(self.storage.digests(digests[50], 100), digests[51:])

    def test_what_is_in_any_place(self) -> None:
        places = [self.storage, LocalStorage(self.root / "other")]
        digests = sorted(places[number % 2].store(BytesIO(bytes([number]))).sha256 for number in range(20))
        both = Mirrors(places)
        self.assertEqual(both.digests(b"", 15), digests[:15])
        self.assertEqual(both.digests(digests[14], 15), digests[15:])

    def test_a_file_of_another_place_is_copied(self) -> None:
        other = LocalStorage(self.root / "other")
        with other.incoming_file() as file:
            file.write(b"onetwo")
            file.seek(0)
            self.storage.store(file)
            assert isinstance(file, IncomingFile)
            self.assertFalse(file.is_placed)
        self.assertEqual(self.stored(self.storage), b"onetwo")
