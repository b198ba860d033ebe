"""Keeping files in several places."""

from collections.abc import Sequence
from typing import BinaryIO

from homeserver.media.storage import Storage
from homeserver.media.store.contents import Content


class Mirrors:
    """Every file is in every place; the first that has it gives it out."""

    def __init__(self, places: Sequence[Storage]) -> None:
        self._places = places

    def store(self, source: BinaryIO) -> Content:
        contents = []
        for place in self._places:
            source.seek(0)
            contents.append(place.store(source))
        return contents[0]

    def open(self, digest: bytes) -> BinaryIO:
        for place in self._places:
            try:
                return place.open(digest)
            except FileNotFoundError:
                continue
        raise FileNotFoundError(digest.hex())

    def delete(self, digest: bytes) -> None:
        for place in self._places:
            place.delete(digest)

    def digests(self, after: bytes, limit: int) -> Sequence[bytes]:
        found = {digest for place in self._places for digest in place.digests(after, limit)}
        # One of them may have come no further than this.
        return sorted(found)[:limit]

    def incoming_file(self) -> BinaryIO:
        return self._places[0].incoming_file()

    def temporary_file(self) -> BinaryIO:
        return self._places[0].temporary_file()

    def delete_abandoned(self, before: float) -> None:
        for place in self._places:
            place.delete_abandoned(before)
