"""Account data, stored filters and receipts."""

from homeserver.storage.upgrade import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql(
        """
        -- What a user keeps here, one row for each type; room_nid is 0 where it is not about one room.
        -- A row is replaced, never added to, and ends with its user's account or with its room.
        -- Content of a lower rank does not replace what is there; rank 0 has no order and always replaces.
        CREATE TABLE account_data (
            user_nid BIGINT NOT NULL,
            room_nid BIGINT NOT NULL,
            type TEXT NOT NULL,
            content BYTEA NOT NULL,
            rank BIGINT NOT NULL,
            position BIGINT NOT NULL,
            PRIMARY KEY (user_nid, room_nid, type)
        );
        CREATE INDEX account_data_changes ON account_data (user_nid, position);

        -- Filters that clients uploaded; filter_id follows from the definition.
        -- Only a user's newest are kept, and none when the account ends.
        CREATE TABLE account_data_filter (
            user_nid BIGINT NOT NULL,
            filter_id TEXT NOT NULL,
            definition BYTEA NOT NULL,
            created_ts BIGINT NOT NULL,
            PRIMARY KEY (user_nid, filter_id)
        );

        -- How far a user has read; thread is '' for an unthreaded receipt. One row for each thread that the
        -- user read in, replaced by newer ones; it ends with its room.
        -- type is 1 for m.read, 2 for m.read.private. event_position is 0 where the event is not known here.
        CREATE TABLE ephemeral_receipt (
            room_nid BIGINT NOT NULL,
            user_nid BIGINT NOT NULL,
            type INTEGER NOT NULL,
            thread TEXT NOT NULL,
            event_id TEXT NOT NULL,
            event_position BIGINT NOT NULL,
            ts BIGINT NOT NULL,
            position BIGINT NOT NULL,
            PRIMARY KEY (room_nid, user_nid, type, thread)
        ) /* clustered */;
        CREATE INDEX ephemeral_receipt_changes ON ephemeral_receipt (room_nid, position);
        """
    )
