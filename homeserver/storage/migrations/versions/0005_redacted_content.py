"""Which redacted events still have their content."""

from homeserver.storage.upgrade import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql(
        """
        -- A row per redacted event whose content is still stored; a task drops the content and with it the row.
        -- redacted_at is in milliseconds by our own clock, as redactions may claim any time.
        CREATE TABLE room_redacted_content (
            event BIGINT PRIMARY KEY,
            redacted_at BIGINT NOT NULL
        );
        CREATE INDEX room_redacted_content_age ON room_redacted_content (redacted_at);
        INSERT INTO room_redacted_content (event, redacted_at)
        SELECT e.nid, r.origin_server_ts FROM room_event e JOIN room_event r ON r.nid = e.redacted_by;
        """
    )
