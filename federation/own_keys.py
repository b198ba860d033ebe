"""The keys of this server, as others learn of them."""

from collections.abc import Mapping
from datetime import timedelta

from config.federation import OldKey
from federation.key_answers import ServerKey, publish_keys
from homeserver.protocol.json import JsonObject
from homeserver.protocol.signing import EventSigner
from homeserver.runtime.clock import Clock

_FOREVER_MS = 2**62


class OwnKeys:
    """The key that signs now, and those that did before."""

    def __init__(
        self, signer: EventSigner, old: Mapping[str, OldKey], refresh_interval: timedelta, clock: Clock
    ) -> None:
        """Others may keep what is published for `refresh_interval`."""
        self.signer = signer
        self._old = old
        self._refresh_ms = refresh_interval // timedelta(milliseconds=1)
        self._clock = clock

    def published(self) -> JsonObject:
        """What this server says to whoever asks for its keys."""
        return publish_keys(self.signer, self._old, self._clock.now_ms() + self._refresh_ms)

    def all(self) -> list[ServerKey]:
        """For checking this server's own events."""
        current = ServerKey(self.signer.key.key_id, self.signer.key.public_key, _FOREVER_MS)
        old = [ServerKey(key_id, key.public_key, 0, key.expired_ts) for key_id, key in self._old.items()]
        return [*old, current]
