"""How many rooms are on the list that everyone may find."""

from homeserver.storage.upgrade import run_sql

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_sql(
        """
        -- One row, counted up and down: rooms in room_published that somebody is joined to. It never ends.
        CREATE TABLE room_published_count (
            rooms BIGINT NOT NULL
        );
        INSERT INTO room_published_count SELECT count(*) FROM room_published WHERE joined > 0;
        """
    )
