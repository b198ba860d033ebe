"""Who is there."""

from collections.abc import Sequence

from homeserver.app.core import Core
from homeserver.ephemeral.api import PresenceEndpoints
from homeserver.ephemeral.listening import EphemeralListener
from homeserver.ephemeral.presence.devices import Timeouts
from homeserver.ephemeral.presence.shared import SharedPresence
from homeserver.ephemeral.presence.tracking import PresenceTracker
from homeserver.rooms.members import Members


class PresenceParts:
    """Who is there."""

    def __init__(self, core: Core, listener: EphemeralListener) -> None:
        config = core.config.presence
        self.is_shown = config.enabled is not False
        self.shared = SharedPresence(core.db)
        self.tracker = PresenceTracker(
            core.db,
            core.journal,
            self.shared,
            listener,
            core.domains,
            core.clock,
            Timeouts(
                idle=config.idle_timeout.total_seconds(),
                offline=config.sync_online_timeout.total_seconds(),
                active=config.last_active_granularity.total_seconds(),
            ),
            is_on=config.enabled is True,
        )

    def endpoints(self, core: Core, members: Members) -> Sequence[object]:
        return [PresenceEndpoints(self.tracker, core.users, members, core.clock, is_shown=self.is_shown)]
