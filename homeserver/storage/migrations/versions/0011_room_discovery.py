"""How rooms are found: what they say of themselves, the list of published ones, what is in spaces."""

from homeserver.storage.upgrade import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql(
        """
        -- What a room says of itself to those who are not in it: a row per room, made from its current state.
        -- allowed is JSON: the rooms whose members may join. words is what a search looks at, in folded case.
        -- Rows end with their room.
        CREATE TABLE room_description (
            room BIGINT PRIMARY KEY,
            name TEXT,
            topic TEXT,
            avatar_url TEXT,
            canonical_alias TEXT,
            join_rule TEXT NOT NULL,
            allowed TEXT NOT NULL,
            guest_can_join INTEGER NOT NULL,
            world_readable INTEGER NOT NULL,
            room_type TEXT,
            encryption TEXT,
            words TEXT NOT NULL
        );

        -- Rooms that everyone may find, with their number of joined members as a key to page by.
        -- Rows end with their room, or when somebody takes the room off the list.
        DROP TABLE room_published;
        CREATE TABLE room_published (
            room BIGINT PRIMARY KEY,
            joined BIGINT NOT NULL
        );
        CREATE INDEX room_published_order ON room_published (joined, room);

        -- The aliases of one room.
        CREATE INDEX room_alias_room ON room_alias (room_id);

        -- What is in a space: a row per valid m.space.child event of current state. Rows end with that event's
        -- place in the state, and with the room of the space.
        CREATE TABLE room_space_child (
            room BIGINT NOT NULL,
            child_id TEXT NOT NULL,
            event BIGINT NOT NULL,
            sort_key TEXT,
            origin_server_ts BIGINT NOT NULL,
            suggested INTEGER NOT NULL,
            PRIMARY KEY (room, child_id)
        ) /* clustered */;

        -- Rooms that guests may no longer be in and perhaps still are; a row ends when a task put them out.
        CREATE TABLE room_guests_leaving (
            room BIGINT PRIMARY KEY
        );
        """
    )
