"""Rooms whose members came behind, so that clients are told of them."""

from homeserver.storage.upgrade import run_sql

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run_sql(
        """
        -- Rooms that were entered without most of their members and have them since a position: NULL until the journal
        -- has one for it. Clients whose tokens are older are told of the members. A row ends a year after completed_at,
        -- in milliseconds (task).
        CREATE TABLE room_completed (
            room BIGINT PRIMARY KEY,
            position BIGINT,
            completed_at BIGINT NOT NULL
        );
        CREATE INDEX room_completed_untold ON room_completed (room) WHERE position IS NULL;
        CREATE INDEX room_completed_age ON room_completed (completed_at);
        """
    )
