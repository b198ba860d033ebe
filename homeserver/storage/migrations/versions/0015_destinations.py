"""What is to be sent to other servers: a position for each of them, and not a row for each event."""

from homeserver.storage.upgrade import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql(
        """
        -- From which position to which another server has had users joined to a room, both included; while it has, the
        -- last is the greatest. joined counts them. A row that is closed ends when the server has every event up
        -- to there, or after a month (task).
        CREATE TABLE federation_room_server (
            room BIGINT NOT NULL,
            server TEXT NOT NULL,
            first BIGINT NOT NULL,
            last BIGINT NOT NULL,
            joined BIGINT NOT NULL,
            PRIMARY KEY (room, server, first)
        ) /* clustered */;
        CREATE INDEX federation_room_server_now ON federation_room_server (room, last);
        CREATE INDEX federation_room_server_closed ON federation_room_server (last);

        -- An event that this server sends to the others in its room, except the one whose user sent it. It ends
        -- when all servers have it, or after a month (task).
        CREATE TABLE federation_outgoing (
            position BIGINT PRIMARY KEY,
            room BIGINT NOT NULL,
            event BIGINT NOT NULL,
            origin TEXT NOT NULL,
            added_at BIGINT NOT NULL
        );
        CREATE INDEX federation_outgoing_rooms ON federation_outgoing (room, position);

        -- A server that events are sent to, and up to which position it has them. Times are in milliseconds, and NULL
        -- while it answers. It ends when it is in no room any more and lacks
        -- nothing (task).
        CREATE TABLE federation_destination (
            server TEXT PRIMARY KEY,
            position BIGINT NOT NULL,
            failing_since BIGINT,
            retry_at BIGINT
        );

        -- An EDU that must not be lost, for one server, as JSON. Of those with the same key only one waits. It ends
        -- when the server has it, or after a month (task).
        CREATE TABLE federation_waiting_edu (
            nid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            server TEXT NOT NULL,
            key TEXT NOT NULL,
            edu BYTEA NOT NULL,
            added_at BIGINT NOT NULL,
            UNIQUE (server, key)
        );
        CREATE INDEX federation_waiting_edu_order ON federation_waiting_edu (server, nid);
        CREATE INDEX federation_waiting_edu_age ON federation_waiting_edu (added_at);
        """
    )
