import sys
from pathlib import Path
from tempfile import mkdtemp

from homeserver.media.magic import type_of
from homeserver.media.tests.media import upload
from homeserver.media.tests.pictures import animation, picture
from tests.remote_media import RemoteMediaTestCase

# Refuses what holds a word, and fails on another.
_SCANNER = """\
import sys, time
content = sys.stdin.buffer.read()
if b"broken" in content:
    print("cannot reach the database of viruses", file=sys.stderr)
    sys.exit(2)
if b"slow" in content:
    time.sleep(60)
sys.exit(1 if b"virus" in content else 0)
"""


class ScannerTests(RemoteMediaTestCase):
    def setUp(self) -> None:
        program = Path(mkdtemp()) / "scanner.py"
        program.write_text(_SCANNER)
        command = f"media_scanner={{command: ['{sys.executable}', '{program}'], timeout: 2s}}"
        self.patch(type(self), "settings", (command,))
        super().setUp()

    def test_uploads(self) -> None:
        for padding in (b"", b"x" * 200_000):
            self.assertEqual(upload(self.alice, padding + b"virus").error, (403, "M_FORBIDDEN"))
            path = self.uploaded(padding + b"harmless")
            self.assertEqual(self.download(path).body, padding + b"harmless")
        self.assertEqual(len(self.stored_files()), 2)

    def test_announced_uploads(self) -> None:
        path = self.alice.post("/_matrix/media/v1/create")["content_uri"].removeprefix("mxc:/")
        target = "/_matrix/media/v3/upload" + path
        self.assertEqual(self.alice.request("PUT", target, b"virus").error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.alice.request("PUT", target, b"harmless").status, 200)

    def test_of_other_servers(self) -> None:
        self.assertEqual(self.download(self.serve(b"x" * 5000 + b"virus")).error, (403, "M_FORBIDDEN"))
        self.assertEqual(self.download(self.serve(b"x" * 5000)).status, 200)

    def test_a_scanner_that_fails(self) -> None:
        for content, told in ((b"broken", "cannot reach the database"), (b"slow", "timed out")):
            with self.assertLogs("homeserver.media.inspection", "ERROR") as logs:
                self.assertEqual(upload(self.alice, content).error, (503, "M_UNKNOWN"))
            self.assertIn(told, logs.output[0])
        self.assertEqual(self.stored_files(), [])


class NoScannerTests(RemoteMediaTestCase):
    settings = ("media_scanner.command=[/does/not/exist]",)

    def test_nothing_passes(self) -> None:
        with self.assertLogs("homeserver.media.inspection", "ERROR"):
            self.assertEqual(upload(self.alice).error, (503, "M_UNKNOWN"))


def test_magic() -> None:
    found = {
        picture(9, 9): "image/png",
        picture(9, 9, "JPEG"): "image/jpeg",
        picture(9, 9, "WEBP"): "image/webp",
        animation(9, 9, 2): "image/gif",
        b"\0\0\0\x1cftypisom": "video/mp4",
        b"\0\0\0\x1cftypqt  ": "video/quicktime",
        b"\0\0\0\x1cftypavif": "image/avif",
        b"RIFF\0\0\0\0WAVE": "audio/wave",
        b"RIFF\0\0\0\0what": None,
        b"\x1aE\xdf\xa3": "video/webm",
        b"OggS\0": "application/ogg",
        b"ID3\4": "audio/mpeg",
        b"%PDF-1.7": "application/pdf",
        b"PK\3\4": "application/zip",
        b"<!doctype HTML>": "text/html",
        b"\xef\xbb\xbf \n<HTML>": "text/html",
        b"<!-- a --> <!-- b --><script>": "text/html",
        b"<?xml version": "text/xml",
        b"<svg xmlns": "text/xml",
        b"<stdio.h>": None,
        b"hello": None,
        b"": None,
    }
    for content, media_type in found.items():
        assert type_of(content) == media_type, content
    assert type_of(b"<!--" + b"-" * 2000) is None
