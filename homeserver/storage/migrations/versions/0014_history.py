"""What positions do not tell: what came as history, when events were refused, which redactions came first."""

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

        -- Redactions of events that are not here yet. A row ends when the event gets its place in the timeline.
        CREATE TABLE room_early_redaction (
            target TEXT NOT NULL,
            redaction BIGINT NOT NULL,
            PRIMARY KEY (target, redaction)
        );
        """
    )
