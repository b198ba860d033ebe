"""What other servers ask of the rooms that are here."""

from federation.api.room_reading import RoomsForServersEndpoints
from federation.resident.access import ReadAccess
from federation.resident.reading import RoomReading
from homeserver.app.core import Contribution, Core
from homeserver.app.incoming import IncomingParts


def resident(core: Core, incoming: IncomingParts) -> Contribution:
    """What other servers ask of the rooms that are here."""
    access = ReadAccess(incoming.admission, core.db)
    return Contribution(
        [RoomsForServersEndpoints(RoomReading(access, core.db), core.domains.default, core.clock)]
    )
