"""Which events came as history."""

from homeserver.storage.upgrade import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_sql(
        """
        -- Whether the event was given its place among older ones, where it moved neither the room's line nor its head.
        ALTER TABLE room_event ADD COLUMN is_history INTEGER NOT NULL DEFAULT 0;
        """
    )
