"""Rooms in which nobody of this server is."""

from homeserver.storage.upgrade import run_sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_sql(
        """
        -- What a local user is to a room in which nobody of this server is: invited, or knocking, or no longer either
        -- ('leave', also for who was put out). event is the member event as clients see it, as JSON; stripped is what
        -- the room said of itself then, a JSON list. changed_at is in milliseconds.
        -- A row is replaced by later ones. It ends when the user has a membership that is stored with the room, or
        -- forgets the room; one that says 'leave' also after a month, and all with the account (task, daily).
        CREATE TABLE room_elsewhere (
            user_nid BIGINT NOT NULL,
            room_id TEXT NOT NULL,
            version TEXT NOT NULL,
            membership TEXT NOT NULL,
            sender TEXT NOT NULL,
            event BYTEA NOT NULL,
            stripped BYTEA NOT NULL,
            position BIGINT NOT NULL,
            changed_at BIGINT NOT NULL,
            PRIMARY KEY (user_nid, room_id)
        ) /* clustered */;
        CREATE INDEX room_elsewhere_left ON room_elsewhere (changed_at) WHERE membership = 'leave';
        """
    )
