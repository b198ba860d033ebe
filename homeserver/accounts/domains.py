"""Which domains' users live on this server."""

from homeserver.protocol.identifiers import ServerName, UserID, server_of


class LocalDomains:
    """The server names that this server speaks for. New users get `default` where no domain was asked for."""

    def __init__(self, default: ServerName, *others: ServerName) -> None:
        self.default = default
        self._all = frozenset((default, *others))

    def is_local(self, identifier: str) -> bool:
        """Whether a user ID, or the alias of a room, is of this server."""
        return self.speaks_for(server_of(identifier))

    def speaks_for(self, server_name: str) -> bool:
        return server_name in self._all

    def full_user_id(self, user: str) -> UserID:
        """What somebody means who typed a user ID or just its localpart; it may be malformed."""
        return UserID(user if user.startswith("@") else f"@{user}:{self.default}")
