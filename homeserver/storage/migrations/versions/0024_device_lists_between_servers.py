"""What other servers were told of the keys of users here, and what they told of the keys of their own."""

from homeserver.storage.upgrade import run_sql

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_sql(
        """
        -- What other servers know of a local user's keys, so that they are told of what differs from that: told is
        -- JSON, digests by device and that of the cross-signing keys; stream_id is the number of the newest change. A
        -- row ends when there is nothing left to be told of.
        CREATE TABLE federation_told_devices (
            user_nid BIGINT PRIMARY KEY,
            stream_id BIGINT NOT NULL,
            told BYTEA NOT NULL
        );

        -- All devices and cross-signing keys of a user elsewhere, as JSON, as of the change stream_id of their server,
        -- or 0 where that is not known. While they are asked for, fetching says by which request. A row is there only
        -- as long as every change is told of: it ends when one is missed, when the user leaves a room, and with the
        -- last local user of a room.
        CREATE TABLE federation_device_list (
            user_nid BIGINT PRIMARY KEY,
            fetching TEXT,
            stream_id BIGINT NOT NULL DEFAULT 0,
            devices BYTEA,
            cross_signing BYTEA
        );
        """
    )
