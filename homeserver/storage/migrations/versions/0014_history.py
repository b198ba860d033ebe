"""When events came that have no place in the order of positions: history, and those that were refused."""

from homeserver.storage.upgrade import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_sql(
        """
        -- Whether the event was given its place among older ones, where it moved neither the room's line nor its head.
        ALTER TABLE room_event ADD COLUMN is_history INTEGER NOT NULL DEFAULT 0;

        -- Up to which position the room's timeline was when the event was refused.
        ALTER TABLE room_refused_event ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
        """
    )
