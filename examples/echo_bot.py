"""A bot as an application service: it joins where it is invited, and says what it hears.

    python examples/echo_bot.py echo.yaml localhost http://localhost:8008
    folkmoot appservice add echo.yaml

The first writes echo.yaml, unless it is there, and goes on running; the second tells the server of it.
"""

import argparse
import asyncio
import secrets
from contextlib import suppress
from pathlib import Path

import yaml
from mautrix.appservice import AppService
from mautrix.appservice.state_store import FileASStateStore
from mautrix.types import Event, EventType, Membership, MessageEvent, MessageType, StateEvent


class EchoBot:
    def __init__(self, service: AppService) -> None:
        self._service = service
        service.matrix_event_handler(self._hear)

    async def _hear(self, event: Event) -> None:
        """Called for every event of the bot's rooms, and for invitations of it."""
        if isinstance(event, StateEvent):
            if event.state_key == self._service.bot_mxid and event.content.membership == Membership.INVITE:
                await self._service.intent.ensure_joined(event.room_id)
        elif (
            isinstance(event, MessageEvent)
            and event.type == EventType.ROOM_MESSAGE
            and event.sender != self._service.bot_mxid
            # Bots speak in notices and answer none, or two of them would never stop.
            and event.content.msgtype == MessageType.TEXT
        ):
            await self._service.intent.send_notice(event.room_id, event.content.body)


def registration(path: Path, port: int) -> dict[str, str]:
    """What the file says, which is written with new secrets if it is not there."""
    if not path.exists():
        fields = {
            "id": "echo",
            "url": f"http://127.0.0.1:{port}",
            "as_token": secrets.token_urlsafe(32),
            "hs_token": secrets.token_urlsafe(32),
            "sender_localpart": "echo",
            "namespaces": {},
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(fields))
    fields = yaml.safe_load(path.read_text())
    return {name: fields[name] for name in ("id", "as_token", "hs_token", "sender_localpart")}


async def run(arguments: argparse.Namespace) -> None:
    fields = registration(arguments.registration, arguments.port)
    service = AppService(
        arguments.homeserver,
        arguments.server_name,
        fields["as_token"],
        fields["hs_token"],
        fields["sender_localpart"],
        fields["id"],
        state_store=FileASStateStore(str(arguments.registration.with_suffix(".state")), binary=False),
    )
    EchoBot(service)
    await service.start(port=arguments.port)
    print(f"Invite {service.bot_mxid}.", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="Says what it hears.")
    parser.add_argument("registration", type=Path, help="the registration file; written if it is not there")
    parser.add_argument("server_name", help="what stands behind the colon of user IDs")
    parser.add_argument("homeserver", help="the URL of the homeserver")
    parser.add_argument("--port", type=int, default=29300, help="where the homeserver reaches the bot")
    with suppress(KeyboardInterrupt):
        asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
