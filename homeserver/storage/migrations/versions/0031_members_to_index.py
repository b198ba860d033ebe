"""The user directory takes up the members of a large room a few at a time."""

from homeserver.storage.upgrade import run_sql

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run_sql(
        """
        -- Rooms of which not all members are in the user directory yet: those up to after_user, by their short ids,
        -- are. A row ends when all are.
        CREATE TABLE search_unread_room (
            room BIGINT PRIMARY KEY,
            after_user BIGINT NOT NULL
        );
        """
    )
