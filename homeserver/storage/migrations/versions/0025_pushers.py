"""Pushers: to whom notifications are brought besides /sync; and the rooms in which the server speaks to its users."""

from homeserver.storage.upgrade import run_sql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_sql(
        """
        -- A pusher. data is a JSON object; device_nid NULL where no session made it. Nothing from up to the position
        -- since is for it. It has all up to the position of push_reach, unless owed_after says that what came after
        -- that position is owed; then it is asked again at retry_at, in ms. activation is the token that a Web Push
        -- client has yet to send back, before activation_ends_at. Ends when it is removed, by the client or because
        -- its gateway says so, with its session, its address or its account (task).
        CREATE TABLE pusher (
            nid BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            user_nid BIGINT NOT NULL,
            app_id TEXT NOT NULL,
            pushkey TEXT NOT NULL,
            kind TEXT NOT NULL,
            device_nid BIGINT,
            app_display_name TEXT NOT NULL,
            device_display_name TEXT NOT NULL,
            profile_tag TEXT,
            lang TEXT NOT NULL,
            data BYTEA NOT NULL,
            enabled INTEGER NOT NULL,
            activation TEXT,
            activation_ends_at BIGINT,
            changed_at BIGINT NOT NULL,
            since BIGINT NOT NULL,
            owed_after BIGINT,
            failing_since BIGINT,
            retry_at BIGINT,
            UNIQUE (app_id, pushkey, user_nid)
        );
        CREATE INDEX pusher_user ON pusher (user_nid);
        CREATE INDEX pusher_device ON pusher (device_nid);
        CREATE INDEX pusher_owed ON pusher (nid) WHERE owed_after IS NOT NULL;

        -- The position up to which pushers were told, but for those that are owed something. One row, for ever.
        CREATE TABLE push_reach (
            one INTEGER PRIMARY KEY,
            position BIGINT NOT NULL
        );
        INSERT INTO push_reach (one, position) SELECT 1, position FROM stream_position;

        -- When a room was last in an e-mail of a pusher, and for how long it is not again; both in ms. A row ends with
        -- its pusher, and once it holds nothing up any more (task).
        CREATE TABLE push_mail_throttle (
            pusher BIGINT NOT NULL,
            room BIGINT NOT NULL,
            sent_at BIGINT NOT NULL,
            pause BIGINT NOT NULL,
            PRIMARY KEY (pusher, room)
        ) /* clustered */;

        -- The private key by which push services know this server, as 32 bytes. One row, for ever.
        CREATE TABLE push_vapid_key (
            one INTEGER PRIMARY KEY,
            private_key BYTEA NOT NULL
        );

        -- The room in which the server speaks to a user. A row ends with the user's account (task).
        CREATE TABLE notice_room (
            user_nid BIGINT PRIMARY KEY,
            room_id TEXT NOT NULL
        );
        """
    )
