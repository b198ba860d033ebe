"""How files go out."""

from homeserver.http.endpoint import FileAnswer
from homeserver.media.contents import Contents
from homeserver.media.headers import headers_of
from homeserver.media.lookup import MediaLookup, Wanted


class Downloads:
    def __init__(self, lookup: MediaLookup, contents: Contents) -> None:
        self._lookup = lookup
        self._contents = contents

    async def file(self, wanted: Wanted, file_name: str | None = None) -> FileAnswer:
        """The file, under the name that the client gives it or its own. Raises what `MediaLookup.find` does."""
        media, content = await self._lookup.find(wanted)
        file = await self._contents.open(content)
        return FileAnswer(
            file, content.length, f'"{content.sha256.hex()}"', headers_of(media.description, file_name)
        )
