"""E-mails about what users have not read."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlencode

from config.email import Email
from homeserver.email.mailer import Letter, Mailer
from homeserver.protocol.identifiers import UserID
from homeserver.push.pushers.alerts import Alert, ToldEvent
from homeserver.push.store.pushers import Pusher

UNSUBSCRIBE_PATH = "/_folkmoot/v1/unsubscribe"

_LONGEST_TEXT = 2_000
_NO_WORDS = {
    "m.image": "sent a picture",
    "m.video": "sent a video",
    "m.audio": "sent a recording",
    "m.file": "sent a file",
    "m.location": "sent a place",
}


class UnsubscribeLinks:
    """Links that end a pusher, good for as long as it is there. Nobody but the server can make them."""

    def __init__(self, secret: bytes, base_url: str) -> None:
        """`base_url` may end with a slash."""
        self._secret = secret
        self._base_url = base_url.rstrip("/")

    def link(self, user_id: UserID, app_id: str, pushkey: str) -> str:
        query = {"user_id": user_id, "app_id": app_id, "pushkey": pushkey}
        token = self._token(user_id, app_id, pushkey)
        return f"{self._base_url}{UNSUBSCRIBE_PATH}?{urlencode({**query, 'token': token})}"

    def is_good(self, user_id: str, app_id: str, pushkey: str, token: str) -> bool:
        return hmac.compare_digest(self._token(user_id, app_id, pushkey).encode(), token.encode())

    def _token(self, *names: str) -> str:
        return hmac.new(self._secret, "\0".join(names).encode(), sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _Message:
    sender: str
    text: str
    time: str


@dataclass(frozen=True, slots=True)
class _Room:
    """`name` is what to call it, also where it has none of its own."""

    name: str
    has_name: bool
    link: str
    inviter: str | None
    is_space: bool
    messages: Sequence[_Message]


class NotificationMail:
    """Writes e-mails and has them sent."""

    def __init__(
        self, mailer: Mailer, links: UnsubscribeLinks, settings: Email, *, include_content: bool
    ) -> None:
        self._mailer = mailer
        self._links = links
        self._settings = settings
        self._include_content = include_content

    async def send(self, pusher: Pusher, alerts: Sequence[Alert]) -> None:
        """Raises what the mail server does."""
        rooms = self._rooms(pusher, alerts)
        subject, words = self._subject(rooms)
        await self._mailer.deliver(
            Letter(
                recipient=pusher.pushkey,
                subject=subject,
                template="notifications",
                values={"rooms": rooms, "user_id": pusher.user_id},
                words=words,
                unsubscribe_link=self._links.link(pusher.user_id, pusher.app_id, pusher.pushkey),
            )
        )

    def _rooms(self, pusher: Pusher, alerts: Sequence[Alert]) -> Sequence[_Room]:
        """Those with the newest news first."""
        by_room: dict[str, list[ToldEvent]] = {}
        for alert in alerts:
            by_room.setdefault(alert.told.room_id, []).append(alert.told)
        ordered = sorted(by_room.values(), key=lambda told: told[-1].event.position, reverse=True)
        return [self._room(pusher, told) for told in ordered]

    def _room(self, pusher: Pusher, told: Sequence[ToldEvent]) -> _Room:
        newest = told[-1]
        name = newest.room_name or newest.room_alias
        invites = [one for one in told if _is_invite(one, pusher.user_id)]
        return _Room(
            name=name or newest.room_name_for(pusher.user_id) or _person(newest),
            has_name=name is not None,
            link=self._room_link(newest.room_id),
            inviter=_person(invites[-1]) if invites else None,
            is_space=newest.is_space,
            messages=[] if invites else [self._message(one) for one in told],
        )

    def _message(self, told: ToldEvent) -> _Message:
        time = datetime.fromtimestamp(told.ts / 1000, UTC).strftime("%H:%M UTC")
        return _Message(_person(told), self._text(told), time)

    def _text(self, told: ToldEvent) -> str:
        if told.event.type == "m.room.encrypted":
            return "sent an encrypted message"
        said = _NO_WORDS.get(str(told.content.get("msgtype")))
        if said is not None:
            return said
        body = told.content.get("body")
        if told.event.type != "m.room.message" or not isinstance(body, str) or not self._include_content:
            return "wrote something"
        return body if len(body) <= _LONGEST_TEXT else f"{body[:_LONGEST_TEXT]}…"

    def _room_link(self, room_id: str) -> str:
        base_url = self._settings.client_base_url
        return (
            f"https://matrix.to/#/{room_id}"
            if base_url is None
            else (f"{base_url.rstrip('/')}/#/room/{quote(room_id, safe='!:')}")
        )

    def _subject(self, rooms: Sequence[_Room]) -> tuple[str, Mapping[str, str]]:
        """The subject with its words still to be filled in, and these."""
        settings, room = self._settings, rooms[0]
        person = room.inviter or room.messages[-1].sender
        words = {"person": person, "room": room.name}
        if len(rooms) > 1:
            named = settings.messages_in_room_and_others_subject
            return named if room.has_name else settings.messages_from_person_and_others_subject, words
        if room.inviter is not None:
            if not room.has_name:
                return settings.invite_from_person_subject, words
            to_space, to_room = (
                settings.invite_from_person_to_space_subject,
                settings.invite_from_person_to_room_subject,
            )
            return to_space if room.is_space else to_room, words
        if len(room.messages) == 1:
            in_room = settings.message_from_person_in_room_subject
            return in_room if room.has_name else settings.message_from_person_subject, words
        in_room = settings.messages_in_room_subject
        return in_room if room.has_name else settings.messages_from_person_subject, words


def _person(told: ToldEvent) -> str:
    return told.sender_name or told.event.sender


def _is_invite(told: ToldEvent, user_id: UserID) -> bool:
    return told.event.key.state_key == user_id and told.content.get("membership") == "invite"
