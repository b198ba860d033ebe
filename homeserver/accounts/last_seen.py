"""When and from where each device was last used."""

from homeserver.accounts.store.devices import Seen, update_last_seen
from homeserver.storage.database import Database

_LONGEST_AGENT = 250


class LastSeen:
    """Notes every request in memory and writes the newest of each device now and then, all in one go.

    What was noted since the last `flush` is lost in a crash, which is no harm.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._noted: dict[int, Seen] = {}

    def note(self, device_nid: int, at: int, ip: str, user_agent: str) -> None:
        """`at` is in milliseconds since the epoch."""
        self._noted[device_nid] = Seen(device_nid, at, ip, user_agent)

    def of(self, device_nid: int) -> Seen | None:
        """What is newer than the database, if anything."""
        return self._noted.get(device_nid)

    async def flush(self) -> None:
        """For a task that runs every few minutes, and for the end of the server."""
        noted, self._noted = self._noted, {}
        if noted:
            await self._db.write(update_last_seen, [_fit_to_store(seen) for seen in noted.values()])


def _fit_to_store(seen: Seen) -> Seen:
    # PostgreSQL's text has no NUL.
    return seen._replace(user_agent=seen.user_agent[:_LONGEST_AGENT].replace("\0", ""))
