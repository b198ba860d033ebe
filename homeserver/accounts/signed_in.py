"""What a client is told when an account or a session was made for it."""

import msgspec

from homeserver.accounts.sessions import PreparedSession
from homeserver.protocol.identifiers import DeviceID, ServerName, UserID, server_of
from homeserver.protocol.json import JsonObject


class SignedIn(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer of POST /login, POST /register and the registration by shared secret."""

    user_id: UserID
    # Deprecated, but clients exist that need it.
    home_server: ServerName
    access_token: str | None = None
    device_id: DeviceID | None = None
    refresh_token: str | None = None
    expires_in_ms: int | None = None
    well_known: JsonObject | None = None


def signed_in(
    user_id: UserID, session: PreparedSession | None, well_known: JsonObject | None = None
) -> SignedIn:
    """Without a session the client was only told to make an account."""
    if session is None:
        return SignedIn(user_id=user_id, home_server=server_of(user_id))
    return SignedIn(
        user_id=user_id,
        home_server=server_of(user_id),
        access_token=session.tokens.access_token,
        device_id=session.device_id,
        refresh_token=session.tokens.refresh_token,
        expires_in_ms=session.tokens.expires_in_ms,
        well_known=well_known,
    )
