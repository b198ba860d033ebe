"""Browsers' push services, spoken to without a gateway.

https://www.rfc-editor.org/rfc/rfc8030; pushers as in MSC4174, https://github.com/matrix-org/matrix-spec-proposals/pull/4174
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import urlsplit

from homeserver.http.outbound import Bounds, Outbound, RequestFailed, Response
from homeserver.protocol.errors import InvalidParam, MissingParam
from homeserver.protocol.json import JsonObject, encode_json
from homeserver.push.pushers.alerts import Alert
from homeserver.push.pushers.carrier import Gone, NotTaken
from homeserver.push.pushers.contents import Contents
from homeserver.push.pushers.places import PlaceTurns
from homeserver.push.pushers.web_push_crypto import (
    MOST_PLAINTEXT,
    Vapid,
    encrypt_freshly,
    private_key,
    read_subscription,
)
from homeserver.push.store.pushers import NewPusher, Pusher
from homeserver.push.store.vapid import ensure_vapid_key
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.storage.database import Database

_BOUNDS = Bounds(seconds=15, body=16 * 1024)
_ENDED = frozenset({403, 404, 410})
_KEPT_SECONDS = 24 * 3600
_LONGEST_TOPIC = 32


class VapidKey:
    """The server's key, made when it is first needed. It is with the subscriptions that depend on it."""

    def __init__(self, contact: str, db: Database, randomness: Randomness) -> None:
        self._contact = contact
        self._db = db
        self._randomness = randomness
        self._vapid: Vapid | None = None

    async def get(self) -> Vapid:
        if self._vapid is None:
            secret = await self._db.write(ensure_vapid_key, self._randomness.bytes(32))
            self._vapid = self._vapid or Vapid(private_key(secret), self._contact)
        return self._vapid

    async def capabilities(self) -> JsonObject:
        """What clients must know. MSC4174 calls it m.webpush, and asks for that name to be left alone as yet."""
        return {"org.folkmoot.webpush": {"enabled": True, "vapid": (await self.get()).public_key}}


class WebPushCarrier:
    """Brings notifications to browsers; also a kind of pusher that its client has to activate."""

    # A browser would show something for each count.
    tells_badges = False
    is_activated = True

    def __init__(
        self,
        outbound: Outbound,
        contents: Contents,
        turns: PlaceTurns,
        key: VapidKey,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._outbound = outbound
        self._contents = contents
        self._key = key
        self._clock = clock
        self._randomness = randomness
        self._turns = turns

    async def check(self, user_nid: int, new: NewPusher) -> None:
        """Raises MissingParam, InvalidParam."""
        missing = [name for name in ("url", "auth") if name not in new.data]
        if missing:
            raise MissingParam(f"data must have {' and '.join(missing)}")
        try:
            parts = urlsplit(new.data["url"])
            read_subscription(new.pushkey, new.data["auth"])
        except (ValueError, TypeError, AttributeError):
            raise InvalidParam("data.url, data.auth or the pushkey is not what a browser gives") from None
        if parts.scheme != "https" or not parts.hostname:
            raise InvalidParam("data.url must be an https URL")

    async def activate(self, pusher: NewPusher, token: str) -> None:
        """Sends what the client has to send back. Raises NotTaken, Gone."""
        body = {"app_id": pusher.app_id, "ack_token": token}
        headers = {"TTL": "300", "Urgency": "high"}
        await self._send(pusher.pushkey, pusher.data, encode_json(body), headers)

    async def bring(self, pusher: Pusher, alert: Alert | None, badge: int) -> None:
        """Raises NotTaken, Gone."""
        if alert is None:
            return
        headers = {
            "TTL": str(_KEPT_SECONDS),
            "Urgency": "high" if alert.is_urgent else "normal",
            # Of what waits for a browser, the newest of each room is enough.
            "Topic": _topic(alert.told.room_id),
        }
        content = self._contents.of(pusher, alert, badge)
        plaintext = encode_json(content)
        if len(plaintext) > MOST_PLAINTEXT:
            plaintext = encode_json(self._contents.brief(pusher, alert, badge))
        await self._send(pusher.pushkey, pusher.data, plaintext, headers)

    async def _send(self, pushkey: str, data: JsonObject, plaintext: bytes, headers: dict[str, str]) -> None:
        url = data["url"]
        vapid = await self._key.get()
        subscription = read_subscription(pushkey, data["auth"])
        try:
            response = await self._turns.in_turn(
                url,
                lambda: self._outbound.request(
                    "POST",
                    url,
                    purpose="web push",
                    headers={
                        **headers,
                        "Content-Encoding": "aes128gcm",
                        "Content-Type": "application/octet-stream",
                        "Authorization": vapid.authorization(url, self._clock.seconds()),
                    },
                    body=encrypt_freshly(plaintext, subscription, self._randomness),
                    bounds=_BOUNDS,
                    is_brief=True,
                ),
            )
        except RequestFailed as error:
            raise NotTaken(str(error)) from error
        _check(response)


def _check(response: Response) -> None:
    if response.status in _ENDED:
        raise Gone(f"The push service answered with status {response.status}")
    if not 200 <= response.status < 300:
        seconds = response.headers.get("retry-after", "")
        raise NotTaken(
            f"The push service answered with status {response.status}",
            float(seconds) if seconds.isascii() and seconds.isdigit() else None,
        )


def _topic(room_id: str) -> str:
    return urlsafe_b64encode(sha256(room_id.encode()).digest()).decode()[:_LONGEST_TOPIC]
