"""A bot as an ordinary user: it reads and answers in encrypted rooms.

    folkmoot user add robot
    python examples/encrypted_bot.py http://localhost:8008 robot

It asks for the password, or takes it from the environment variable BOT_PASSWORD.
"""

import argparse
import asyncio
import os
from contextlib import suppress
from getpass import getpass

from mautrix.client import Client
from mautrix.client.state_store import MemoryStateStore
from mautrix.crypto import OlmMachine
from mautrix.crypto.store import MemoryCryptoStore, StateStore
from mautrix.types import EventType, Membership, MessageEvent, MessageType, RoomID, StateEvent, UserID


class Rooms(MemoryStateStore, StateStore):
    """What the bot knows of its rooms, with what encryption asks besides."""

    async def find_shared_rooms(self, user_id: UserID) -> list[RoomID]:
        return [
            room_id
            for room_id, members in self.members.items()
            if user_id in members and await self.is_encrypted(room_id)
        ]


class EncryptedBot:
    """Keys are in memory, so each run is a device of its own, which is logged out at the end."""

    def __init__(self, homeserver: str) -> None:
        self._rooms = Rooms()
        self._client = Client(base_url=homeserver, state_store=self._rooms)
        self._client.add_event_handler(EventType.ROOM_MEMBER, self._come)
        self._client.add_event_handler(EventType.ROOM_MESSAGE, self._hear)

    async def run(self, name: str, password: str) -> None:
        """Until it is cancelled."""
        client = self._client
        try:
            await client.login(name, password=password, device_name="encrypted bot")
            keys = MemoryCryptoStore(client.device_id, "unused, as nothing is written")
            client.sync_store = keys
            client.crypto = OlmMachine(client, keys, self._rooms)
            await client.crypto.load()
            await client.crypto.share_keys()
            print(f"Invite {client.mxid}.", flush=True)
            await client.start(None)
        finally:
            await client.logout()
            await client.api.session.close()

    async def _come(self, event: StateEvent) -> None:
        if event.state_key == self._client.mxid and event.content.membership == Membership.INVITE:
            await self._client.join_room_by_id(event.room_id)

    async def _hear(self, event: MessageEvent) -> None:
        """Called with messages in the clear, also where they were encrypted."""
        if event.sender != self._client.mxid and event.content.msgtype == MessageType.TEXT:
            # Encrypted where the room is.
            await self._client.send_notice(event.room_id, event.content.body)


async def run(homeserver: str, name: str, password: str) -> None:
    await EncryptedBot(homeserver).run(name, password)


def main() -> None:
    parser = argparse.ArgumentParser(description="Says what it hears, also in encrypted rooms.")
    parser.add_argument("homeserver", help="the URL of the homeserver")
    parser.add_argument("name", help="the bot's user name")
    arguments = parser.parse_args()
    password = os.environ.get("BOT_PASSWORD") or getpass()
    with suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.homeserver, arguments.name, password))


if __name__ == "__main__":
    main()
