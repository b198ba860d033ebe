"""What one user sent to a room is found without reading the room."""

from homeserver.storage.upgrade import run_sql

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run_sql(
        """
        CREATE INDEX room_event_by_sender ON room_event (room, sender);
        """
    )
