"""Rooms of which most members are still to be fetched."""

from homeserver.storage.upgrade import run_sql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_sql(
        """
        -- Rooms that a user of this server has joined by way of another server, which told of their state without most
        -- of the members. event is the join, servers a JSON list of those that were in the room then. A row ends when
        -- the members have been fetched.
        CREATE TABLE room_partial (
            room BIGINT PRIMARY KEY,
            event BIGINT NOT NULL,
            servers TEXT NOT NULL
        );
        """
    )
